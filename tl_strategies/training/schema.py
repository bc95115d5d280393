"""A schema of settings: dataclasses whose fields are flags, with the checks of their values."""

import dataclasses
import math
import types
import typing
from typing import Any

from tl_strategies.errors import UsageError, unknown

KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple: "a list of texts",
}


def setting(default: Any, text: str, choices: tuple[str, ...] = ()) -> Any:
    """A field of a schema of flags: its default, its help, its choices where it has some."""
    return dataclasses.field(default=default, metadata={"help": text, "choices": choices})


def require(name: str, holds: bool, what: str, value: Any) -> None:
    """Raise a UsageError unless a flag holds what it must be."""
    if not holds:
        raise UsageError(f"--{name} must be {what}. Received: {value}.")


def check_values(settings: Any) -> None:
    """Raise a UsageError unless the values of a schema are of their kinds and among the choices."""
    for name, hint in typing.get_type_hints(type(settings)).items():
        value = getattr(settings, name)
        arms = typing.get_args(hint) if typing.get_origin(hint) is types.UnionType else (hint,)
        kinds = [typing.get_origin(arm) or arm for arm in arms]
        whole = isinstance(value, int) and not isinstance(value, bool)
        fits = {
            type(None): value is None,
            bool: isinstance(value, bool),
            int: whole,
            float: whole or (isinstance(value, float) and not math.isnan(value)),
            str: isinstance(value, str),
            tuple: isinstance(value, tuple) and all(isinstance(item, str) for item in value),
        }
        require(name, any(fits[kind] for kind in kinds), KINDS[kinds[0]], value)
    for field in dataclasses.fields(settings):
        value, choices = getattr(settings, field.name), field.metadata["choices"]
        if choices and value is not None and value not in choices:
            raise unknown(f"--{field.name}", value, choices)
