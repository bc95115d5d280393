"""Transfer learning for Keras image models: a strategy is a rule over depth.

    import tl_strategies as tl
    run = tl.fit("partial", n=3, dataset="folder:photos")

Names are imported when they are first used: Keras takes seconds.
"""

import contextlib
import importlib
import sys
from typing import Any

from tl_strategies.version import VERSION as __version__

_PUBLIC = {
    "Head": "tl_strategies.plans.plan",
    "Phase": "tl_strategies.plans.plan",
    "Plan": "tl_strategies.plans.plan",
    "Settings": "tl_strategies.settings.run",
    "Strategy": "tl_strategies.strategies",
    "Task": "tl_strategies.task",
    "Unit": "tl_strategies.backbones.units",
    "UsageError": "tl_strategies.errors",
    "curve": "tl_strategies.api",
    "find_units": "tl_strategies.backbones.units",
    "fit": "tl_strategies.api",
    "get_strategy": "tl_strategies.strategies",
    "load": "tl_strategies.api",
    "load_backbone": "tl_strategies.backbones.zoo",
    "phases": "tl_strategies.strategies.adapt",
    "register": "tl_strategies.strategies",
    "search_depth": "tl_strategies.api",
}
_TRAINING = ("curve", "fit", "load", "search_depth")  # need TensorFlow under Keras
__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    surroundings: contextlib.AbstractContextManager = contextlib.nullcontext()
    if name in _TRAINING and "keras" not in sys.modules:
        from tl_strategies.environment import cleaned

        surroundings = cleaned()
    with surroundings:
        return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
