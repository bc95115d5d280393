"""Flags from a schema: what is typed, what a preset gives, and help."""

import contextlib
import dataclasses
import math
import pathlib
import re
import tomllib
import types
import typing
from collections.abc import Sequence
from typing import Any

from absl import flags

from tl_strategies import configs
from tl_strategies.errors import UsageError, nearest, unknown
from tl_strategies.training.schema import KINDS

PRESETS = pathlib.Path(next(iter(configs.__path__)))


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


def parse(name: str, schema: list[Flag], arguments: Sequence[str]) -> dict[str, Any]:
    """The values of all flags: as typed, the last time counts; else of the preset; else defaults.

    Args:
        name: of the command.
        schema: its flags.
        arguments: as typed, without the command's name.

    Raises:
        UsageError: a flag is unknown, or its value is not what it must be.
    """
    typed = _typed(name, schema, arguments)
    given = {flag.name: _value(flag, typed[flag.name]) for flag in schema if flag.name in typed}
    preset = _read_config(given["config"], schema) if "config" in given else {}
    return {flag.name: flag.default for flag in schema} | preset | given


def _typed(name: str, schema: list[Flag], arguments: Sequence[str]) -> dict[str, Any]:
    """What was typed for each flag, as bool or texts."""
    values = flags.FlagValues()
    for flag in schema:
        define = flags.DEFINE_boolean if flag.kind is bool else flags.DEFINE_multi_string
        define(flag.name, None, flag.help, flag_values=values)
    try:
        rest = values([name, *arguments])[1:]
    except flags.UnrecognizedFlagError as error:
        spellings = [flag.name for flag in schema]
        spellings += [f"no{flag.name}" for flag in schema if flag.kind is bool]
        likely = nearest(error.flagname.replace("-", "_"), spellings)
        hint = f" Did you mean --{likely}?" if likely else ""
        raise UsageError(
            f"Flags must be those of {name} --help. Received: --{error.flagname}.{hint}"
        ) from error
    except flags.Error as error:
        flag, _, value = re.search(r"flag -*(\w+)(=(.*?):|$)", str(error)).groups()
        what = "have a value" if value is None else f"be {KINDS[bool]}"
        raise UsageError(f"--{flag} must {what}. Received: {value or 'nothing'}.") from error
    typed = {flag.name: values[flag.name].value for flag in schema if values[flag.name].present}
    for flag in schema:
        if flag.kind is not bool:  # before what it took from the next flag is found to be left over
            for text in typed.get(flag.name, ()):
                _check_given(flag, text, schema)
    if rest:
        booleans = rest[0].lower() in ("true", "false", "yes", "no")
        hint = " What is true or false takes a sign: --resume=false." if booleans else ""
        raise UsageError(
            f"{name} must get flags only. Received: {' '.join(rest)}.{hint} See --help."
        )
    return typed


def _check_given(flag: Flag, text: str, schema: list[Flag]) -> None:
    word = re.match(r"--(no)?(\w+)", text)
    if not text or (word and word[2] in [other.name for other in schema]):
        raise UsageError(f"--{flag.name} must have a value. Received: {text or 'nothing'}.")


def _value(flag: Flag, typed: Any) -> Any:
    """The value of a flag from what was typed."""
    if flag.kind in (bool, tuple):
        return typed
    text = typed[-1]
    if flag.choices and text not in flag.choices:
        raise unknown(f"--{flag.name}", text, flag.choices)
    if flag.kind is str:
        return text
    with contextlib.suppress(ValueError):
        value = flag.kind(text)
        if not math.isnan(value):
            return value
    raise UsageError(f"--{flag.name} must be {KINDS[flag.kind]}. Received: {text}.")


def _read_config(path: str, schema: list[Flag]) -> dict[str, Any]:
    """The values that a TOML file gives."""
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
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = {
            bool: isinstance(value, bool),
            int: number and isinstance(value, int),
            float: number and not math.isnan(value),
            str: isinstance(value, str) or (flag.numeric and number),
            tuple: isinstance(value, list) and all(isinstance(item, str) for item in value),
        }[flag.kind]
        if not fits:
            raise UsageError(f"{key} in {path} must be {KINDS[flag.kind]}. Received: {value!r}.")
        if flag.choices and value not in flag.choices:
            raise unknown(f"{key} in {path}", value, flag.choices)
        config[key] = str(value) if flag.kind is str else value
    return config


def help_text(name: str, doc: str | None, schema: list[Flag]) -> str:
    """What --help prints; under python -OO there is no docstring."""
    lines = [(doc or name).strip(), "", f"usage: {name} [--flag value …]", ""]
    width = max(len(flag.name) for flag in schema) + 2
    for flag in schema:
        notes = "|".join(flag.choices) if flag.choices else flag.help
        notes = f"{flag.help}: {notes}" if flag.choices else notes
        if flag.kind is not bool and flag.default not in (None, ()):
            notes += f" (default: {flag.default})"
        lines.append(f"  --{flag.name:<{width}}{notes}")
    return "\n".join(lines)
