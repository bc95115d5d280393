"""Strategies: rules over depth. Each file registers one."""

from tl_strategies.strategies.base import Strategy
from tl_strategies.strategies.plugins import load_plugin
from tl_strategies.strategies.registry import get_strategy, register, strategies

# In the order of --help.
from tl_strategies.strategies import fixed, head, add_fc, partial, full  # isort: skip
from tl_strategies.strategies import lp_ft, gradual, scratch, transplant  # isort: skip

__all__ = ["Strategy", "get_strategy", "load_plugin", "register", "strategies"]
