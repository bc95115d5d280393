"""The registry of strategies: a name for each class, and three ways to bring one's own."""

import importlib
import importlib.metadata
import importlib.util
import pathlib
import re
import sys
import warnings
from collections.abc import Callable

from tl_strategies.errors import UsageError, unknown
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
        if name in _strategies:
            taken = _strategies[name]
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
                cls = entry.load()
                if entry.name not in _strategies:
                    register(entry.name)(cls)
            except Exception as error:  # of another's package; the other strategies still work
                warnings.warn(f"Strategy {entry.name!r} is left out: {error}", stacklevel=2)
    return dict(_strategies)


def get_strategy(name: str) -> type[Strategy]:
    """The class under a registered name, or at `package.module:Class`.

    Raises:
        UsageError: there is none; the message lists the choices and names the nearest.
    """
    if ":" in name:
        return _import_strategy(name)
    known = strategies()
    if name not in known:
        raise unknown("--strategy", name, known, "Yours are added with --plugin FILE.py.")
    return known[name]


def _import_strategy(reference: str) -> type[Strategy]:
    module_name, _, class_name = reference.partition(":")
    try:
        cls = getattr(importlib.import_module(module_name), class_name)
    except Exception as error:
        raise UsageError(
            f"--strategy must be a name or package.module:Class. Received: {reference}: "
            f"{type(error).__name__}: {error}."
        ) from error
    if not (isinstance(cls, type) and issubclass(cls, Strategy)):
        raise UsageError(f"{reference} must be a subclass of tl.Strategy. Received: {cls!r}.")
    if "name" not in vars(cls):
        cls.name = reference
    return cls


def load_plugin(path: str | pathlib.Path) -> None:
    """Run a Python file that registers strategies. Loading the same file again does nothing.

    Raises:
        UsageError: the file is missing, or fails; the message gives its line and its error.
    """
    path = pathlib.Path(path).resolve()
    if not path.is_file():
        raise UsageError(f"--plugin must be a Python file. Received: {path}, which does not exist.")
    if any(getattr(cls, "plugin", None) == path for cls in _strategies.values()):
        return
    known = set(_strategies)
    spec = importlib.util.spec_from_file_location(f"tl_plugin_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"--plugin must be a Python file (.py). Received: {path}.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickles look for it there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[spec.name]
        for name in set(_strategies) - known:
            del _strategies[name]
        raise UsageError(
            f"--plugin {path} must run without an error. Received: {_where(error, path)}"
            f"{type(error).__name__}: {error}"
        ) from error
    added = set(_strategies) - known
    if not added:
        raise UsageError(
            f'--plugin {path} must register a strategy: decorate a class with @tl.register("name").'
        )
    for name in added:
        _strategies[name].plugin = path


def _where(error: BaseException, path: pathlib.Path) -> str:
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: "
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"line {line}: " if line else ""
