"""The space of a search: what varies, from a name or a TOML file, and as KerasTuner has it.

A hyper-parameter is `n`, `strategy`, an argument of the strategy, or a setting of the run. What is
wrong with a file is found without Keras.
"""

import contextlib
import dataclasses
import math
import pathlib
import tomllib
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from tl_strategies.backbones.units import Unit, find_depth
from tl_strategies.errors import UsageError, unknown
from tl_strategies.search.settings import SearchSettings
from tl_strategies.settings.groups import Stopping, Training
from tl_strategies.settings.run import Settings
from tl_strategies.settings.schema import names_of
from tl_strategies.strategies import Strategy, get_strategy

if TYPE_CHECKING:
    import keras_tuner

# Settings that a trial may have of its own; the others are of the data, the backbone or the place.
VARIED = names_of(Training, Stopping)
STANDARD = {
    "learning_rate": {"low": 3e-4, "high": 3e-2, "scale": "log"},
    "weight_decay": [0.0, 1e-4, 1e-2],
}
RANGE = {"low", "high", "step", "scale"}


@dataclasses.dataclass(frozen=True)
class Entries:
    """What varies."""

    classes: dict[str, type[Strategy]]  # by the name that they are asked for by
    choice: bool  # whether the strategy varies too
    depths: str  # as --depths has them
    others: dict[str, Any]  # a list of values or a range, by the name of the hyper-parameter

    def takers(self, name: str) -> list[str]:
        """The strategies that have a hyper-parameter."""
        return [key for key, cls in self.classes.items() if name in cls.hyperparameters()]


def read_entries(search: SearchSettings, settings: Settings) -> Entries:
    """What a search varies; refuses a strategy, a name or a value that is wrong."""
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
        if entries.takers(name):
            continue
        if name not in VARIED:
            options = [key for cls in classes.values() for key in cls.hyperparameters()]
            raise unknown(f"A key of --space {search.space}", name, [*options, *VARIED])
        for value in spec if isinstance(spec, list) else (spec["low"], spec["high"]):
            try:
                dataclasses.replace(settings, **{name: value})
            except TypeError as error:
                raise UsageError(
                    f"{name} in --space must be what --{name} is. Received: {value!r}."
                ) from error
    return entries


def check_tuner(search: SearchSettings, entries: Entries) -> None:
    """Raise a UsageError where every value is to be tried of a range that has no end of them."""
    if search.tuner in ("exhaustive", "grid"):
        for name, spec in entries.others.items():
            endless = isinstance(spec, dict) and (not _is_whole(spec) or spec.get("scale") == "log")
            if endless and "step" not in spec:
                raise _range_error(name, spec["low"], spec["high"])


def make_space(
    search: SearchSettings, settings: Settings, units: list[Unit], without: Collection[int] = ()
) -> "keras_tuner.HyperParameters":
    """The hyper-parameters of a search, the transfer depth, without some, before all others."""
    import keras_tuner

    entries = read_entries(search, settings)
    hp = keras_tuner.HyperParameters()
    if entries.choice:
        hp.Choice("strategy", list(entries.classes))

    def scope(takers: list[str]) -> contextlib.AbstractContextManager:
        some = len(takers) < len(entries.classes)
        return hp.conditional_scope("strategy", takers) if some else contextlib.nullcontext()

    if takers := entries.takers("n"):
        classes = [entries.classes[name] for name in takers]
        depths = set().union(*(_depths(entries.depths, cls, units) for cls in classes))
        with scope(takers):
            hp.Choice("n", sorted(depths - set(without)))
    for name, spec in entries.others.items():
        with scope(entries.takers(name) or list(entries.classes)):
            _declare(hp, name, spec)
    if search.space == "standard":
        entries.classes[settings.strategy].search_space(hp)
    return hp


def all_points(hp: "keras_tuner.HyperParameters") -> list[dict[str, Any]]:
    """Every combination of values, those of the same n one after the other.

    Raises:
        UsageError: a hyper-parameter has no list of values.
    """
    from keras_tuner.engine.hyperparameters import Float

    points: list[dict[str, Any]] = [{}]
    for parameter in hp.space:
        endless = isinstance(parameter, Float) or getattr(parameter, "sampling", "") == "log"
        if endless and not parameter.step:
            raise _range_error(parameter.name, parameter.min_value, parameter.max_value)
        extended = []
        for point in points:
            active = all(point.get(one.name) in one.values for one in parameter.conditions)
            values = parameter.values if active else ()
            extended += [{**point, parameter.name: value} for value in values] or [point]
        points = extended
    return sorted(points, key=lambda point: point.get("n", -1))


def trial_settings(base: Settings, values: dict[str, Any], seed: int) -> Settings:
    """The settings of one training of a trial, from the values of its hyper-parameters.

    Its seed is its own; all trainings share the split.
    """
    name = values.get("strategy", base.strategy)
    known = get_strategy(name).hyperparameters()
    own = base.option if name == base.strategy else {}
    options = {key: value for key, value in values.items() if key in known and key != "n"}
    others = {key: value for key, value in values.items() if key in VARIED and key not in known}
    return dataclasses.replace(
        base,
        **others,
        strategy=name,
        n=values.get("n"),
        option=own | options,
        seed=seed,
        split_seed=base.seed if base.split_seed is None else base.split_seed,
    )


def _read(space: str) -> dict[str, Any]:
    """A list of values or a range by the name of what varies; n may be a text as --depths is."""
    if space in ("depth", "standard"):
        return dict(STANDARD) if space == "standard" else {}
    if not space.endswith(".toml"):
        raise unknown("--space", space, ("depth", "standard", "FILE.toml"))
    try:
        entries = tomllib.loads(pathlib.Path(space).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"--space must be a TOML file. Received: {space}: {error}.") from error
    for name, spec in entries.items():
        one_kind = isinstance(spec, list) and len({type(value) for value in spec}) == 1
        if name == "strategy" and not (one_kind and isinstance(spec[0], str)):
            raise UsageError(
                f"strategy in {space} must be a list of names. Received: {spec!r}. `tl-inspect` "
                "lists them."
            )
        other = isinstance(spec, str) if name == "n" else _is_range(spec)
        if not (one_kind or other):
            raise UsageError(
                f"{name} in {space} must be a list of values or, but for n, a table of low, high "
                'and, where wanted, step and scale = "log": then step is a factor above 1. A range '
                f"of whole numbers has a whole step. Received: {spec!r}."
            )
    return entries


def _is_range(spec: Any) -> bool:
    if not isinstance(spec, dict) or not {"low", "high"} <= spec.keys() <= RANGE:
        return False
    low, high, step = spec["low"], spec["high"], spec.get("step", 1)
    scale = spec.get("scale", "linear")
    if not all(isinstance(number, int | float) for number in (low, high, step)):
        return False
    if "step" in spec and _is_whole(spec) and not isinstance(step, int):
        return False
    above, least = (0, 1) if scale == "log" else (-math.inf, 0)
    fits = "step" not in spec or step > least
    return above < low < high and fits and scale in ("linear", "log")


def _is_whole(spec: dict[str, Any]) -> bool:
    return isinstance(spec["low"], int) and isinstance(spec["high"], int)


def _range_error(name: str, low: float, high: float) -> UsageError:
    return UsageError(
        "--tuner exhaustive and grid must have lists, or ranges with a step. Received: "
        f"{name} from {low:g} to {high:g}. Use --tuner random or bayesian."
    )


def _depths(text: str, strategy: type[Strategy], units: list[Unit]) -> set[int]:
    """The depths that a user asked for."""
    if text.strip() != "all":
        return {find_depth(part.strip(), units) for part in text.split(",")}
    lowest = 0
    with contextlib.suppress(Exception):  # of another's constructor: that trial will say so
        lowest = 0 if strategy(n=0).kept(len(units)) else 1
    return set(range(lowest, len(units) + 1))


def _declare(hp: "keras_tuner.HyperParameters", name: str, spec: Any) -> None:
    if isinstance(spec, dict):
        declare = hp.Int if _is_whole(spec) else hp.Float
        step = {"step": spec["step"]} if "step" in spec else {}
        declare(name, spec["low"], spec["high"], sampling=spec.get("scale", "linear"), **step)
    elif not isinstance(spec[0], bool):
        hp.Choice(name, spec)
    elif len(set(spec)) == 1:
        hp.Fixed(name, spec[0])
    else:
        hp.Boolean(name)
