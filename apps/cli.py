"""What all commands share: flags from a schema, a preset file, help, errors and exit codes."""

import contextlib
import dataclasses
import os
import pathlib
import shlex
import sys
import tomllib
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from absl import flags

from tl_strategies import configs
from tl_strategies.errors import FULL_DISK, UsageError, unknown
from tl_strategies.quiet import quiet_import

PRESETS = pathlib.Path(next(iter(configs.__path__)))
KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple: "a list of texts",
}


@dataclasses.dataclass(frozen=True)
class Flag:
    """A flag: its name, type, default and help.

    `choices` are those of an enumeration; a text that is `numeric` may be a number in a preset.
    """

    name: str
    kind: type
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    numeric: bool = False


def flags_of(schema: type, only: Sequence[str] | None = None) -> list[Flag]:
    """The flags of a dataclass's fields: all of them, or those named."""
    types_of = typing.get_type_hints(schema)
    found = []
    for field in dataclasses.fields(schema):
        if only is not None and field.name not in only:
            continue
        kind = types_of[field.name]
        arms = typing.get_args(kind) if typing.get_origin(kind) is types.UnionType else (kind,)
        kind = str if str in arms else typing.get_origin(arms[0]) or arms[0]
        default = str(field.default) if kind is str and field.default is not None else field.default
        notes = field.metadata
        found.append(
            Flag(
                field.name,
                kind,
                default,
                notes["help"],
                notes["choices"],
                bool({int, float} & set(arms)),
            )
        )
    return found


def run_command(
    name: str,
    doc: str,
    schema: list[Flag],
    body: Callable[[dict[str, Any]], int | None],
    argv: Sequence[str] | None,
    epilog: Callable[[], str] = lambda: "",
) -> int:
    """Parse the command line and run the command.

    Args:
        name: of the command.
        doc: what it does; the first lines of --help.
        schema: its flags.
        body: gets the flags' values, returns the exit code.
        argv: the arguments, without the command's name; None for those of the process.
        epilog: the last lines of --help.

    Returns:
        The exit code: 2 for what the user can mend, 130 for Ctrl-C, 141 for a closed pipe.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if any(argument in ("--help", "-help", "-h") for argument in arguments):
            print(_help(name, doc, schema) + epilog())
            return 0
        return body(_parse(name, schema, arguments)) or 0
    except (UsageError, flags.Error) as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt as error:
        print(f"\n{name}: stopped{error}", file=sys.stderr)
        return 130


def _parse(name: str, schema: list[Flag], arguments: list[str]) -> dict[str, Any]:
    values = flags.FlagValues()
    for flag in schema:
        _define(flag, values)
    rest = values([name, *arguments])[1:]
    if rest:
        raise UsageError(f"{name} must get flags only. Received: {' '.join(rest)}. See --help.")
    if "config" in values and values["config"].value is not None:
        _apply_config(values["config"].value, schema, values)
    return {flag.name: values[flag.name].value for flag in schema}


def _define(flag: Flag, values: flags.FlagValues) -> None:
    options = {"flag_values": values, "help": flag.help}
    if flag.choices:
        flags.DEFINE_enum(flag.name, flag.default, flag.choices, **options)
    elif flag.kind is tuple:
        flags.DEFINE_multi_string(flag.name, list(flag.default), **options)
    else:
        define = {
            bool: flags.DEFINE_boolean,
            int: flags.DEFINE_integer,
            float: flags.DEFINE_float,
            str: flags.DEFINE_string,
        }[flag.kind]
        define(flag.name, flag.default, **options)


def _apply_config(path: str, schema: list[Flag], values: flags.FlagValues) -> None:
    """Set flag defaults from a TOML file; what the command line gives stays."""
    presets = {file.stem: file for file in PRESETS.glob("*.toml")}
    file = presets.get(path, pathlib.Path(path))
    try:
        config = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"--config must be a TOML file or one of {', '.join(sorted(presets))}. "
            f"Received: {path}: {error.strerror}."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"--config must be TOML. Received: {path}: {error}.") from error
    known = {flag.name: flag for flag in schema if flag.name != "config"}
    for key, value in config.items():
        if key not in known:
            raise unknown(f"A key of {path}", key, known)
        flag = known[key]
        fits = {
            bool: isinstance(value, bool),
            int: isinstance(value, int) and not isinstance(value, bool),
            float: isinstance(value, int | float) and not isinstance(value, bool),
            str: isinstance(value, str)
            or (flag.numeric and isinstance(value, int | float) and not isinstance(value, bool)),
            tuple: isinstance(value, list) and all(isinstance(item, str) for item in value),
        }[flag.kind]
        if not fits:
            raise UsageError(f"{key} in {path} must be {KINDS[flag.kind]}. Received: {value!r}.")
        values.set_default(key, str(value) if flag.kind is str else value)


def _help(name: str, doc: str, schema: list[Flag]) -> str:
    lines = [doc.strip(), "", f"usage: {name} [--flag value …]", ""]
    width = max(len(flag.name) for flag in schema) + 2
    for flag in schema:
        notes = "|".join(flag.choices) if flag.choices else flag.help
        notes = f"{flag.help}: {notes}" if flag.choices else notes
        if flag.kind is not bool and flag.default not in (None, ()):
            notes += f" (default: {flag.default})"
        lines.append(f"  --{flag.name:<{width}}{notes}")
    return "\n".join(lines)


def quoted(path: pathlib.Path) -> str:
    """The path as a shell takes it."""
    return shlex.quote(str(path))


@contextlib.contextmanager
def long_work(directory: pathlib.Path, go_on: Callable[[pathlib.Path], str]) -> Iterator[None]:
    """Say, where work is stopped or the disk is full, how to go on with it.

    Args:
        directory: where the work is written.
        go_on: gives the end of the sentence that says so, from the directory.

    Raises:
        UsageError: the disk is full.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(go_on(directory)) from error
    except OSError as error:
        if error.errno not in FULL_DISK:
            raise
        raise UsageError(
            f"--run_dir must have space. Received: {directory}: {error.strerror}. What was done is "
            f"kept{go_on(directory)}"
        ) from error


def import_source(dataset: str) -> None:
    """Import what a data source needs, quietly."""
    if dataset.startswith("tfds:"):
        with quiet_import():
            import tensorflow_datasets  # noqa: F401
