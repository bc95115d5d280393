"""Strategies by name, by path, or from a package; made with values of their hyper-parameters."""

import importlib
import importlib.metadata
import re
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from tl_strategies.errors import UsageError, unknown
from tl_strategies.quiet import quiet_code
from tl_strategies.strategies.base import Strategy

ENTRY_POINTS = "tl_strategies.strategies"
RENAMED = {"lowest_rate": "lowest_multiplier"}  # options of runs that are replayed
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
        _require_subclass("A strategy", cls)
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


def _require_subclass(what: str, cls: Any) -> None:
    if not (isinstance(cls, type) and issubclass(cls, Strategy)):
        raise UsageError(f"{what} must be a subclass of tl.Strategy. Received: {cls!r}.")


def strategies() -> dict[str, type[Strategy]]:
    """All known strategies by name: the built-in ones, plug-ins, installed packages' ones."""
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        if entry.name not in _strategies:
            try:
                with quiet_code():
                    cls = entry.load()
                if entry.name not in _strategies:
                    register(entry.name)(cls)
            except (Exception, SystemExit) as error:  # another's code; other strategies still work
                warnings.warn(f"Strategy {entry.name!r} is left out: {error}", stacklevel=2)
    return dict(_strategies)


def get_strategy(name: str) -> type[Strategy]:
    """The class under a registered name, or at `package.module:Class`.

    Raises:
        UsageError: there is none; the message lists the choices and names the nearest.
    """
    known = strategies()
    if name in known:
        return known[name]
    if ":" not in name:
        raise unknown("--strategy", name, known, "Yours are added with --plugin FILE.py.")
    module_name, _, class_name = name.partition(":")
    try:
        with quiet_code():
            cls = getattr(importlib.import_module(module_name), class_name)
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"--strategy must be a name or package.module:Class. Received: {name}: "
            f"{type(error).__name__}: {error}."
        ) from error
    _require_subclass(name, cls)
    if "name" not in vars(cls):
        cls.name = name
    return cls


def create_strategy(
    name: str, n: int | str | None, options: Mapping[str, Any] | None = None
) -> Strategy:
    """The strategy of a name, with its depth, or None for its own, and its other hyper-parameters.

    Raises:
        UsageError: the name, an option or a value is wrong, or the strategy takes no n.
    """
    cls = get_strategy(name)
    known = cls.hyperparameters()
    config: dict[str, Any] = {}
    if n is not None:
        if "n" not in known:
            raise UsageError(
                f"--n must not be given for strategy {name}: what it freezes is fixed. Received: "
                f"--n {n}. Use --strategy partial to choose a depth."
            )
        config["n"] = n
    others = {key: default for key, default in known.items() if key != "n"}
    for given, value in (options or {}).items():
        key = RENAMED.get(given, given)
        if not others:
            raise UsageError(f"Strategy {name} must have no --option. Received: {given}.")
        if key not in others:
            raise unknown(f"--option of strategy {name}", given, others)
        if isinstance(others[key], bool) and not isinstance(value, bool):
            raise UsageError(f"--option {key} must be true or false. Received: {value}.")
        config[key] = value
    try:
        return cls(**config)
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(
            f"Strategy {name} must take its options. Received: {config}, which gave "
            f"{type(error).__name__}: {error}"
        ) from error


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
