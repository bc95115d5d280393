"""Plug-ins: a user's Python files that register strategies, Keras layers, or both."""

import dataclasses
import pathlib
import sys
import traceback
import types
import zlib
from typing import Any

from tl_strategies.errors import UsageError
from tl_strategies.quiet import quiet_code
from tl_strategies.strategies import registry


@dataclasses.dataclass
class _Plugin:
    """What a file held when it ran, and what it registered under which names."""

    text: bytes
    strategies: dict[str, type]
    layers: dict[str, Any]


_plugins: dict[pathlib.Path, _Plugin] = {}


def load_plugin(path: str | pathlib.Path) -> None:
    """Run a Python file that registers strategies or Keras layers.

    A file that has run runs again only if it has changed since; what it registers then takes the
    place of what it had registered. Layers that it defines and does not register are registered
    under the name of their class. What it prints goes to stderr.

    Raises:
        UsageError: the file is missing, fails, or registers nothing; the message gives the line.
    """
    path = pathlib.Path(path).resolve()
    if not path.exists():
        raise UsageError(f"--plugin must be a Python file. Received: {path}, which does not exist.")
    if path.suffix != ".py" or not path.is_file():
        raise UsageError(f"--plugin must be a Python file (.py). Received: {path}.")
    text = path.read_bytes()
    plugin = _plugins.get(path)
    if plugin is None or plugin.text != text:
        plugin = _plugins[path] = _run(path, text, plugin)
    registry._strategies.update(plugin.strategies)
    _keras_objects().update(plugin.layers)


def _run(path: pathlib.Path, text: bytes, earlier: _Plugin | None) -> _Plugin:
    """Run a plug-in, with what it registered earlier out of its way; undone where it fails."""
    module = types.ModuleType(f"tl_plugin_{path.stem}_{zlib.crc32(str(path).encode()):08x}")
    module.__file__ = str(path)
    known = registry._strategies
    before = dict(known), dict(_keras_objects()), sys.modules.get(module.__name__)
    for name in earlier.strategies if earlier else ():
        known.pop(name, None)
    sys.modules[module.__name__] = module  # dataclasses and pickles look for it there
    try:
        _execute(module, text, path)
        layers = _own_layers(module) | _new(_keras_objects(), before[1])
        plugin = _Plugin(text, _new(known, before[0]), layers)
        if not (plugin.strategies or plugin.layers or _imports_layers(module)):
            raise UsageError(
                f"--plugin {path} must register a strategy or a layer: decorate a class with "
                '@tl.register("name") or @keras.saving.register_keras_serializable().'
            )
    except BaseException:
        for registered, old in ((known, before[0]), (_keras_objects(), before[1])):
            for name, value in list(registered.items()):
                if getattr(value, "__module__", None) == module.__name__:
                    del registered[name]
            registered.update(old)
        del sys.modules[module.__name__]
        if before[2] is not None:
            sys.modules[module.__name__] = before[2]
        raise
    return plugin


def _execute(module: types.ModuleType, text: bytes, path: pathlib.Path) -> None:
    try:
        with quiet_code():
            exec(compile(text, path, "exec"), vars(module))
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(path)]
        if isinstance(error, SyntaxError):
            lines = [error.lineno]
        where = f"line {lines[-1]}: " if lines else ""
        raise UsageError(
            f"--plugin {path} must run without an error. Received: {where}"
            f"{type(error).__name__}: {error}"
        ) from error


def _new(now: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in now.items() if before.get(name) is not value}


def _keras_objects() -> dict[str, Any]:
    """What is registered with Keras; nothing where nobody has imported Keras."""
    keras = sys.modules.get("keras")
    return {} if keras is None else keras.saving.get_custom_objects()


def _own_layers(module: types.ModuleType) -> dict[str, type]:
    """The layers that a module defines and does not register."""
    keras = sys.modules.get("keras")
    if keras is None:
        return {}
    return {
        cls.__name__: cls
        for cls in vars(module).values()
        if isinstance(cls, type)
        and issubclass(cls, keras.layers.Layer)
        and cls.__module__ == module.__name__
        and keras.saving.get_registered_name(cls) == cls.__name__
    }


def _imports_layers(module: types.ModuleType) -> bool:
    """Does it import what had registered layers before, in this process?"""
    sources = {
        getattr(value, "__module__", None) or getattr(value, "__name__", None)
        for value in vars(module).values()
    }
    homes = {f"{getattr(value, '__module__', '')}." for value in _keras_objects().values()}
    others = {home for home in homes if not home.startswith("tl_strategies.")}
    return any(home.startswith(f"{source}.") for home in others for source in sources)
