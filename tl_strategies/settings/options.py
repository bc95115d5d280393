"""Hyper-parameters of a strategy as a user types them: NAME=VALUE."""

import ast
from collections.abc import Mapping
from typing import Any

from tl_strategies.errors import UsageError


def parse_options(given: Mapping[str, Any] | list[str] | tuple[str, ...] | str) -> dict[str, Any]:
    """Values by name.

    Args:
        given: that already, or NAME=VALUE once or several times; a value is a Python literal, or
            else text.

    Raises:
        UsageError: there is no name.
    """
    if isinstance(given, Mapping):
        return dict(given)
    values = {}
    for option in [given] if isinstance(given, str) else given:
        name, equals, text = option.partition("=")
        if not equals:
            raise UsageError(f"--option must be NAME=VALUE. Received: {option}.")
        values[name] = _value(text)
    return values


def options_texts(options: Mapping[str, Any]) -> list[str]:
    """The same as texts, which `parse_options` reads."""
    return [f"{name}={value!r}" for name, value in options.items()]


def _value(text: str) -> Any:
    lowered = {"true": True, "false": False, "none": None}.get(text.lower(), text)
    if lowered is not text:
        return lowered
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
