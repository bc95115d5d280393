"""A strategy from what a user typed: a name, a depth and NAME=VALUE options."""

import ast
from collections.abc import Sequence
from typing import Any

from tl_strategies.errors import UsageError, unknown
from tl_strategies.strategies.base import Strategy
from tl_strategies.strategies.registry import get_strategy


def create_strategy(name: str, n: int | str | None, options: Sequence[str] = ()) -> Strategy:
    """The strategy of a name, with its hyper-parameters.

    Args:
        name: see get_strategy.
        n: the transfer depth; None for the strategy's default.
        options: "NAME=VALUE" each; a value is a Python literal, or else text.

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
    for option in options:
        key, equals, text = option.partition("=")
        if not equals:
            raise UsageError(f"--option must be NAME=VALUE. Received: {option}.")
        if key not in known or key == "n":
            others = [other for other in known if other != "n"]
            if not others:
                raise UsageError(f"Strategy {name} must have no --option. Received: {option}.")
            raise unknown(f"--option of strategy {name}", key, others)
        config[key] = _value(text)
        if isinstance(known[key], bool) and not isinstance(config[key], bool):
            raise UsageError(f"--option {key} must be true or false. Received: {text}.")
    try:
        return cls(**config)
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(
            f"Strategy {name} must take its options. Received: {config}, which gave "
            f"{type(error).__name__}: {error}"
        ) from error


def _value(text: str) -> Any:
    lowered = {"true": True, "false": False, "none": None}.get(text.lower(), text)
    if lowered is not text:
        return lowered
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
