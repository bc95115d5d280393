"""What varies in a search, from a name or a TOML file, checked without Keras."""

import dataclasses
import math
import pathlib
import tomllib
from typing import Any

from tl_strategies.errors import UsageError, unknown
from tl_strategies.search.settings import SearchSettings
from tl_strategies.settings.groups import Stopping, Training
from tl_strategies.settings.run import Settings
from tl_strategies.settings.schema import names_of
from tl_strategies.strategies import Strategy, get_strategy

# Settings that a trial may have of its own; the others are of the data, the backbone or the place.
VARIED = names_of(Training, Stopping)
STANDARD = {
    "learning_rate": {"low": 3e-4, "high": 3e-2, "scale": "log"},
    "weight_decay": [0.0, 1e-4, 1e-2],
}
RANGE = {"low", "high", "step", "scale"}


@dataclasses.dataclass(frozen=True)
class Entries:
    """What varies.

    Attributes:
        classes: the strategies, by the name that they are asked for by.
        choice: whether the strategy itself varies.
        depths: transfer depths, as --depths has them.
        others: a list of values or a range, by the name of the hyper-parameter.
    """

    classes: dict[str, type[Strategy]]
    choice: bool
    depths: str
    others: dict[str, Any]

    def takers(self, name: str) -> list[str]:
        """The strategies that have a hyper-parameter."""
        return [key for key, cls in self.classes.items() if name in cls.hyperparameters()]


def read_entries(search: SearchSettings, settings: Settings) -> Entries:
    """What a search varies.

    Raises:
        UsageError: a strategy, a name or a value is wrong, or the tuner cannot take it.
    """
    others = _read(search.space)
    names = others.pop("strategy", None)
    classes = {name: get_strategy(name) for name in names or [settings.strategy]}
    given = others.pop("n", search.depths)
    depths = given if isinstance(given, str) else ",".join(map(str, given))
    entries = Entries(classes, bool(names), depths, others)
    if search.space == "depth" and not entries.takers("n"):
        raise UsageError(
            f"--strategy must be one that takes n. Received: {settings.strategy}. Those are "
            "partial, transplant and fixed; others can be searched with --space standard."
        )
    if search.probe_first and (len(classes) > 1 or not entries.takers("n")):
        raise UsageError(
            "--probe_first must come with one strategy, which takes n. Received: "
            f"{', '.join(classes)}."
        )
    for name, spec in others.items():
        if not entries.takers(name):
            if name not in VARIED:
                options = [key for cls in classes.values() for key in cls.hyperparameters()]
                raise unknown(f"A key of --space {search.space}", name, [*options, *VARIED])
            _check_setting(settings, name, spec)
    return entries


def check_tuner(search: SearchSettings, entries: Entries) -> None:
    """Refuse what has no end of values, where every one is to be tried.

    Raises:
        UsageError: there is a range of numbers without a step.
    """
    for name, spec in entries.others.items():
        if search.tuner in ("exhaustive", "grid") and isinstance(spec, dict):
            whole = all(isinstance(spec[end], int) for end in ("low", "high"))
            if not whole and "step" not in spec:
                raise range_error(name, spec["low"], spec["high"])


def range_error(name: str, low: float, high: float) -> UsageError:
    """There is no end of values in a range without a step."""
    return UsageError(
        "--tuner exhaustive and grid must have lists, or ranges with a step. Received: "
        f"{name} from {low:g} to {high:g}. Use --tuner random or bayesian."
    )


def _read(space: str) -> dict[str, Any]:
    if space == "depth":
        return {}
    if space == "standard":
        return dict(STANDARD)
    if not space.endswith(".toml"):
        raise unknown("--space", space, ("depth", "standard", "FILE.toml"))
    try:
        entries = tomllib.loads(pathlib.Path(space).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"--space must be a TOML file. Received: {space}: {error}.") from error
    for name, spec in entries.items():
        whole = name == "n" and isinstance(spec, str)
        if not (whole or _is_list(spec) or (name != "n" and _is_range(spec))):
            raise UsageError(
                f"{name} in {space} must be a list of values or, but for n, a table of low, high "
                f'and, where wanted, step and scale = "log". Received: {spec!r}.'
            )
    return entries


def _is_list(spec: Any) -> bool:
    """One or more values of one kind."""
    return isinstance(spec, list) and len({type(value) for value in spec}) == 1


def _is_range(spec: Any) -> bool:
    if not isinstance(spec, dict) or not {"low", "high"} <= spec.keys() <= RANGE:
        return False
    numbers = [spec["low"], spec["high"], spec.get("step", 1)]
    if not all(isinstance(value, int | float) for value in numbers):
        return False
    scale = spec.get("scale", "linear")
    above = 0 if scale == "log" else -math.inf
    return above < spec["low"] < spec["high"] and numbers[2] > 0 and scale in ("linear", "log")


def _check_setting(settings: Settings, name: str, spec: Any) -> None:
    for value in spec if isinstance(spec, list) else (spec["low"], spec["high"]):
        try:
            dataclasses.replace(settings, **{name: value})
        except TypeError as error:
            raise UsageError(
                f"{name} in --space must be what --{name} is. Received: {value!r}."
            ) from error
