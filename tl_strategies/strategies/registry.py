"""The registry of strategies: a name for each class, found by it, by its path, or by package."""

import importlib
import importlib.metadata
import re
import sys
import warnings
from collections.abc import Callable

from tl_strategies.errors import UsageError, unknown
from tl_strategies.quiet import quiet_code
from tl_strategies.strategies.base import Strategy

ENTRY_POINTS = "tl_strategies.strategies"
_strategies: dict[str, type[Strategy]] = {}


def register(name: str) -> Callable[[type[Strategy]], type[Strategy]]:
    """Class decorator: make a strategy known under a name.

    Raises:
        UsageError: the name is taken by another class, is not lower_snake_case, or the class is
            not a documented subclass of Strategy.
    """

    def add(cls: type[Strategy]) -> type[Strategy]:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise UsageError(f"A strategy's name must be lower_snake_case. Received: {name!r}.")
        if not (isinstance(cls, type) and issubclass(cls, Strategy)):
            raise UsageError(f"A strategy must be a subclass of tl.Strategy. Received: {cls!r}.")
        if sys.flags.optimize < 2 and not (cls.__doc__ or "").strip():  # -OO takes them away
            raise UsageError(
                f"Strategy {name!r} must have a docstring: its first line describes it in --help."
            )
        taken = _strategies.get(name, cls)
        # The same class defined anew, as in a notebook's cell that runs again, takes its place.
        if (taken.__module__, taken.__qualname__) != (cls.__module__, cls.__qualname__):
            raise UsageError(
                f"A strategy's name must be free. Received: {name!r}, which is "
                f"{taken.__module__}.{taken.__qualname__}. Register yours under another name."
            )
        cls.name = name
        _strategies[name] = cls
        return cls

    return add


def strategies() -> dict[str, type[Strategy]]:
    """All known strategies by name: the built-in ones, plug-ins, installed packages' ones."""
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        if entry.name not in _strategies:
            try:
                with quiet_code():
                    cls = entry.load()
                if entry.name not in _strategies:
                    register(entry.name)(cls)
            except (
                Exception,
                SystemExit,
            ) as error:  # of another's package; the other strategies still work
                warnings.warn(f"Strategy {entry.name!r} is left out: {error}", stacklevel=2)
    return dict(_strategies)


def get_strategy(name: str) -> type[Strategy]:
    """The class under a registered name, or at `package.module:Class`.

    Raises:
        UsageError: there is none; the message lists the choices and names the nearest.
    """
    known = strategies()
    if ":" in name:
        return known.get(name) or _import_strategy(name)
    if name not in known:
        raise unknown("--strategy", name, known, "Yours are added with --plugin FILE.py.")
    return known[name]


def _import_strategy(reference: str) -> type[Strategy]:
    module_name, _, class_name = reference.partition(":")
    try:
        with quiet_code():
            cls = getattr(importlib.import_module(module_name), class_name)
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"--strategy must be a name or package.module:Class. Received: {reference}: "
            f"{type(error).__name__}: {error}."
        ) from error
    if not (isinstance(cls, type) and issubclass(cls, Strategy)):
        raise UsageError(f"{reference} must be a subclass of tl.Strategy. Received: {cls!r}.")
    if "name" not in vars(cls):
        cls.name = reference
    return cls


def name_of(strategy: Strategy | type[Strategy]) -> str:
    """The name of a strategy that a call from Python gives; one without is known by its path.

    Raises:
        UsageError: it is no strategy.
    """
    cls = strategy if isinstance(strategy, type) else type(strategy)
    if not issubclass(cls, Strategy):
        raise UsageError(
            "strategy must be a name, a subclass of tl.Strategy, or one of its objects. Received: "
            f"{strategy!r}."
        )
    if "name" not in vars(cls):
        cls.name = f"{cls.__module__}:{cls.__qualname__}"
    if ":" in cls.name:  # one that an import may not find, as in a function
        _strategies[cls.name] = cls
    return cls.name
