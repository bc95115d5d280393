"""Strategies: rules over depth."""

from tl_strategies.strategies.base import Strategy
from tl_strategies.strategies.plugins import load_plugin
from tl_strategies.strategies.registry import get_strategy, register, strategies

from tl_strategies.strategies import frozen, fine_tune, fresh  # isort: skip # order of --help

__all__ = ["Strategy", "get_strategy", "load_plugin", "register", "strategies"]
