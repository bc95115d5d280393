"""A strategy from a name, a depth and the values of its other hyper-parameters."""

from collections.abc import Mapping
from typing import Any

from tl_strategies.errors import UsageError, unknown
from tl_strategies.strategies.base import Strategy
from tl_strategies.strategies.registry import get_strategy

RENAMED = {"lowest_rate": "lowest_multiplier"}  # options of runs that are replayed


def create_strategy(
    name: str, n: int | str | None, options: Mapping[str, Any] | None = None
) -> Strategy:
    """The strategy of a name, with its hyper-parameters.

    Args:
        name: see get_strategy.
        n: the transfer depth; None for the strategy's default.
        options: values by the names of other hyper-parameters.

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
    for given, value in (options or {}).items():
        key = RENAMED.get(given, given)
        if key not in known or key == "n":
            others = [other for other in known if other != "n"]
            if not others:
                raise UsageError(f"Strategy {name} must have no --option. Received: {given}.")
            raise unknown(f"--option of strategy {name}", given, others)
        if isinstance(known[key], bool) and not isinstance(value, bool):
            raise UsageError(f"--option {key} must be true or false. Received: {value}.")
        config[key] = value
    try:
        return cls(**config)
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(
            f"Strategy {name} must take its options. Received: {config}, which gave "
            f"{type(error).__name__}: {error}"
        ) from error
