"""Plug-ins: a user's Python files that register strategies, Keras layers, or both."""

import contextlib
import dataclasses
import pathlib
import sys
import types
import zlib
from typing import Any

from tl_strategies.errors import UsageError
from tl_strategies.quiet import quiet_import, screen
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
    name = f"tl_plugin_{path.stem}_{zlib.crc32(str(path).encode()):08x}"
    modules, strategies, objects = sys.modules, registry._strategies, _keras_objects()
    before = modules.get(name), dict(strategies), dict(objects)
    for old in earlier.strategies if earlier else ():
        strategies.pop(old, None)
    module = modules[name] = types.ModuleType(name)  # dataclasses and pickles look for it there
    module.__file__ = str(path)
    try:
        _execute(module, text, path)
        objects = _keras_objects()
        layers = _own_layers(module) | _new(objects, before[2])
        plugin = _Plugin(text, _new(strategies, before[1]), layers)
        if not (plugin.strategies or plugin.layers or _imports_layers(module)):
            raise UsageError(
                f"--plugin {path} must register a strategy or a layer: decorate a class with "
                '@tl.register("name") or @keras.saving.register_keras_serializable().'
            )
    except BaseException:
        del modules[name]
        if before[0] is not None:
            modules[name] = before[0]
        for registered, earlier_ones in ((strategies, before[1]), (objects, before[2])):
            registered.clear()
            registered.update(earlier_ones)
        raise
    return plugin


def _execute(module: types.ModuleType, text: bytes, path: pathlib.Path) -> None:
    """Run the text in the module; of what is written to stderr only its own prints are shown."""
    failed = None
    shown = screen()
    with quiet_import(), contextlib.redirect_stderr(shown), contextlib.redirect_stdout(shown):
        try:
            exec(compile(text, path, "exec"), vars(module))
        except (Exception, SystemExit) as error:
            failed = error
    if failed is not None:
        raise UsageError(
            f"--plugin {path} must run without an error. Received: {_where(failed, path)}"
            f"{type(failed).__name__}: {failed}"
        ) from failed


def _where(error: BaseException, path: pathlib.Path) -> str:
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: "
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"line {line}: " if line else ""


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
