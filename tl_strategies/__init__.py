"""Transfer learning for Keras image models: a strategy is a rule over depth.

    import tl_strategies as tl
    run = tl.fit("partial", n=3, dataset="folder:photos")

Names are imported when they are first used: Keras takes seconds.
"""

import contextlib
import importlib
import sys
from typing import Any

__version__ = "0.1.0"

_NAMES = {
    "api": ("curve", "fit", "load", "probe", "search_depth"),  # need TensorFlow under Keras
    "backbones.convolutional": ("convolutionalize",),
    "backbones.units": ("Unit", "find_units"),
    "backbones.zoo": ("load_backbone",),
    "errors": ("UsageError",),
    "runs.compare": ("compare",),
    "plans.plan": ("Head", "Phase", "Plan"),
    "settings.run": ("Settings",),
    "strategies": ("Strategy", "get_strategy", "register"),
    "strategies.adapt": ("phases",),
    "task": ("Task",),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}
__all__ = [*_MODULES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    surroundings: contextlib.AbstractContextManager = contextlib.nullcontext()
    if _MODULES[name] == "api" and "keras" not in sys.modules:
        from tl_strategies.environment import cleaned

        surroundings = cleaned()
    with surroundings:
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
