"""A schema of settings: dataclasses whose fields are flags, with the bounds of their values."""

import ast
import dataclasses
import math
import operator
import os
import types
import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from tl_strategies.errors import UsageError, unknown

KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple: "a list of texts",
    dict: "NAME=VALUE",
}
BOUNDS = {  # how a bound is read, and what it asks of a value
    "at_least": ("at least", operator.ge),
    "above": ("above", operator.gt),
    "at_most": ("at most", operator.le),
    "below": ("below", operator.lt),
}
WORDS = {"true": True, "false": False, "none": None}


def setting(default: Any, text: str, choices: Sequence[str] = (), **bounds: float) -> Any:
    """A field of a schema of flags: its default, its help, and what it may be."""
    notes = {"help": text, "choices": tuple(choices), "bounds": bounds}
    return dataclasses.field(default=default, metadata=notes)


def names_of(*groups: type) -> list[str]:
    """The names of the fields of some groups of settings."""
    return [field.name for group in groups for field in dataclasses.fields(group)]


def texts(value: Any) -> tuple:
    """What may be given once or several times, texts or paths, as texts."""
    values = value if isinstance(value, list | tuple) else (value,)
    return tuple(map(text, values))


def text(value: Any) -> Any:
    """A path as text; anything else as it is."""
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def parse_options(given: Mapping[str, Any] | list[str] | tuple[str, ...] | str) -> dict[str, Any]:
    """Hyper-parameters of a strategy by name, from NAME=VALUE once or several times.

    A value is a Python literal, or else text.
    """
    if isinstance(given, Mapping):
        return dict(given)
    values = {}
    for option in [given] if isinstance(given, str) else given:
        name, equals, value = option.partition("=")
        if not equals:
            raise UsageError(f"--option must be NAME=VALUE. Received: {option}.")
        try:
            lowered = value.lower()
            values[name] = WORDS[lowered] if lowered in WORDS else ast.literal_eval(value)
        except (ValueError, SyntaxError):
            values[name] = value
    return values


def require(name: str, holds: bool, what: str, value: Any) -> None:
    """Raise a UsageError unless a flag holds what it must be."""
    if not holds:
        raise UsageError(f"--{name} must be {what}. Received: {value}.")


def check_values(settings: Any, objects: Collection[str] = ()) -> None:
    """Raise a UsageError unless all values, but those of `objects`, are of their kinds and in their
    bounds."""
    hints = typing.get_type_hints(type(settings))
    for field in dataclasses.fields(settings):
        name, value = field.name, getattr(settings, field.name)
        kinds = kinds_of(hints[name])
        if name in objects or Any in kinds:
            continue
        require(name, any(fits(value, kind) for kind in kinds), KINDS[kinds[0]], value)
        choices, bounds = field.metadata["choices"], field.metadata["bounds"]
        if choices and value is not None and value not in choices:
            raise unknown(f"--{name}", value, choices)
        if isinstance(value, int | float) and bounds:
            within = all(BOUNDS[bound][1](value, limit) for bound, limit in bounds.items())
            require(name, within, _bounds_text(bounds), value)


def _bounds_text(bounds: dict[str, float]) -> str:
    if set(bounds) == {"at_least", "at_most"}:
        return f"from {bounds['at_least']} to {bounds['at_most']}"
    shown = [(BOUNDS[bound][0], limit) for bound, limit in bounds.items() if limit != math.inf]
    return " and ".join(f"{word} {limit}" for word, limit in shown)


def kinds_of(hint: Any) -> list[type]:
    """The types that a field's annotation allows; that of None among them."""
    arms = typing.get_args(hint) if typing.get_origin(hint) is types.UnionType else (hint,)
    return [typing.get_origin(arm) or arm for arm in arms]


def fits(value: Any, kind: type) -> bool:
    """Whether a value is of a kind of settings: True is no number, and a list is one of texts."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if kind is int:
        return whole
    if kind is float:
        return whole or (isinstance(value, float) and not math.isnan(value))
    if kind is tuple:
        return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    return isinstance(value, kind)


def only_one(given: dict[str, Any], names: Iterable[str]) -> None:
    """Raise a UsageError where more than one of some flags is given, by their names."""
    both = [name for name in names if given[name]]
    if len(both) > 1:
        raise UsageError(f"Only one of these must be given. Received: {', '.join(both)}.")
