"""Flags from a schema: what is typed, what a preset gives, and what --help prints."""

import contextlib
import dataclasses
import itertools
import math
import pathlib
import re
import textwrap
import tomllib
import typing
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

from tl_strategies import configs
from tl_strategies.errors import UsageError, nearest, unknown
from tl_strategies.settings.schema import KINDS, fits, kinds_of, names_of

PRESETS = pathlib.Path(next(iter(configs.__path__)))
WIDTH = 100  # of the help


@dataclasses.dataclass(frozen=True)
class Flag:
    """A flag: its name, type, default and help."""

    name: str
    kind: type
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    numeric: bool = False  # a text that may be a number in a preset
    group: str = "The command"  # what it is about


@dataclasses.dataclass(frozen=True)
class Command:
    """A command as its users see it."""

    name: str
    doc: str | None  # under python -OO there is none
    flags: list[Flag]
    common: Sequence[str]  # names of the flags that --help shows
    examples: Sequence[str]
    epilog: Callable[[bool], str] = lambda full: ""  # the last lines of the help

    def help(self, full: bool) -> str:
        """The text of --help, or of --helpfull."""
        lines = [(self.doc or self.name).strip(), "", f"usage: {self.name} [--flag value …]"]
        if full:
            for title, flags in itertools.groupby(self.flags, lambda flag: flag.group):
                lines += ["", f"{title}:", *_rows(list(flags))]
        else:
            known = {flag.name: flag for flag in self.flags}
            lines += ["", *_rows([known[name] for name in self.common])]
            lines += ["", "examples:", *(f"  {example}" for example in self.examples)]
        if epilog := self.epilog(full):
            lines += ["", epilog]
        if not full:
            lines += ["", f"{self.name} --helpfull shows all {len(self.flags)} flags"]
        return "\n".join(lines)


def _rows(flags: list[Flag]) -> list[str]:
    width = max(len(flag.name) for flag in flags) + 6
    lines = []
    for flag in flags:
        notes = flag.help + (f": {'|'.join(flag.choices)}" if flag.choices else "")
        if flag.kind is not bool and flag.default not in (None, ()):
            notes += f" (default: {flag.default})"
        first, *others = textwrap.wrap(notes, WIDTH - width, break_on_hyphens=False)
        lines.append(f"  --{flag.name}".ljust(width) + first)
        lines += [" " * width + line for line in others]
    return lines


CONFIG = Flag("config", str, None, "preset or TOML file with defaults; the command line wins")
QUIET = Flag("quiet", bool, False, "print nothing but errors")


def flags_of(*groups: type) -> list[Flag]:
    """The flags of groups of settings."""
    return [
        _flag(field, typing.get_type_hints(group)[field.name], group)
        for group in groups
        for field in dataclasses.fields(group)
    ]


def _flag(field: dataclasses.Field, hint: Any, group: type) -> Flag:
    kinds = kinds_of(hint)
    kind = tuple if kinds[0] is dict else str if str in kinds else kinds[0]
    default = str(field.default) if kind is str and field.default is not None else field.default
    numeric = kind is str and bool({int, float} & set(kinds))
    notes = field.metadata
    own = next(c for c in group.__mro__ if field.name in vars(c).get("__annotations__", ()))
    title = (own.__doc__ or own.__name__).split("\n")[0].rstrip(".")
    return Flag(field.name, kind, default, notes["help"], notes["choices"], numeric, title)


def parse(name: str, schema: list[Flag], arguments: Sequence[str]) -> dict[str, Any]:
    """The values of all flags: as typed, where the last counts, of the preset, or defaults."""
    typed = _typed(name, schema, arguments)
    given = {flag.name: _value(flag, typed[flag.name]) for flag in schema if flag.name in typed}
    preset = _read_config(given["config"], schema) if "config" in given else {}
    return {flag.name: flag.default for flag in schema} | preset | given


def of_groups(values: dict[str, Any], *groups: type) -> dict[str, Any]:
    """Those values that are fields of some groups."""
    return {name: values[name] for name in names_of(*groups) if name in values}


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
            f"Flags must be those of {name} --helpfull. Received: --{error.flagname}.{hint}"
        ) from error
    except flags.Error as error:
        flag, _, value = re.search(r"flag -*(\w+)(=(.*?):|$)", str(error)).groups()
        what = "have a value" if value is None else f"be {KINDS[bool]}"
        raise UsageError(f"--{flag} must {what}. Received: {value or 'nothing'}.") from error
    typed = {flag.name: values[flag.name].value for flag in schema if values[flag.name].present}
    for flag in schema:  # before what one took from the next is found to be left over
        for text in () if flag.kind is bool else typed.get(flag.name, ()):
            other = re.match(r"--(no)?(\w+)", text)
            if not text or (other and other[2] in values):
                raise UsageError(f"--{flag.name} must have a value. Received: {text or 'nothing'}.")
    if rest:
        booleans = rest[0].lower() in ("true", "false", "yes", "no")
        hint = " What is true or false takes a sign: --resume=false." if booleans else ""
        raise UsageError(
            f"{name} must get flags only. Received: {' '.join(rest)}.{hint} See --help."
        )
    return typed


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
        number = flag.numeric and (isinstance(value, float) or fits(value, int))
        if not number and not fits(tuple(value) if isinstance(value, list) else value, flag.kind):
            raise UsageError(f"{key} in {path} must be {KINDS[flag.kind]}. Received: {value!r}.")
        if flag.choices and value not in flag.choices:
            raise unknown(f"{key} in {path}", value, flag.choices)
        config[key] = str(value) if flag.kind is str else value
    return config
