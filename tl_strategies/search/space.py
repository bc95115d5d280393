"""The space of a search: KerasTuner's hyper-parameters, from a name or a TOML file.

A hyper-parameter is `n`, `strategy`, an argument of the strategy, or a setting of the run.
"""

import contextlib
import dataclasses
import math
import pathlib
import tomllib
from collections.abc import Collection
from typing import Any

import keras_tuner

from tl_strategies.backbones.units import Unit, find_depth
from tl_strategies.errors import UsageError, unknown
from tl_strategies.search.settings import SearchSettings
from tl_strategies.strategies import Strategy, get_strategy
from tl_strategies.training.settings import Settings

# Settings that a trial may have of its own; the others are of the data, the backbone or the place.
VARIED = (
    *("epochs", "batch_size", "learning_rate", "optimizer", "schedule", "schedule_over", "warmup"),
    *("plateau", "patience", "weight_decay", "label_smoothing", "class_weight", "augment", "views"),
    *("bn", "precision"),
)
STANDARD = {
    "learning_rate": {"low": 3e-4, "high": 3e-2, "scale": "log"},
    "weight_decay": [0.0, 1e-4, 1e-2],
}
RANGE = {"low", "high", "step", "scale"}


def make_space(
    search: SearchSettings,
    settings: Settings,
    units: list[Unit],
    without: Collection[int] = (),
) -> keras_tuner.HyperParameters:
    """The hyper-parameters of a search, the transfer depth before all others.

    Args:
        search: says what varies.
        settings: of the search's trials.
        units: of the backbone.
        without: depths to leave out.

    Raises:
        UsageError: a depth, a strategy, a name or a value is wrong.
    """
    entries = _entries(search.space)
    names = entries.pop("strategy", None)
    classes = {name: get_strategy(name) for name in names or [settings.strategy]}
    given = entries.pop("n", search.depths)
    depths = given if isinstance(given, str) else ",".join(map(str, given))
    hp = keras_tuner.HyperParameters()
    if names:
        hp.Choice("strategy", list(names))

    def of(takers: list[str]) -> contextlib.AbstractContextManager:
        """The scope of what only some of the strategies have."""
        if len(takers) == len(classes):
            return contextlib.nullcontext()
        return hp.conditional_scope("strategy", takers)

    takers = [name for name, cls in classes.items() if "n" in cls.hyperparameters()]
    if takers:
        values = {n for name in takers for n in parse_depths(depths, classes[name], units)}
        with of(takers):
            hp.Choice("n", sorted(values - set(without)))
    elif search.space == "depth":
        raise UsageError(
            f"--strategy must be one that takes n. Received: {settings.strategy}. Those are "
            "partial, transplant and fixed; others can be searched with --space standard."
        )
    for name, spec in entries.items():
        takers = [key for key, cls in classes.items() if name in cls.hyperparameters()]
        if not takers:
            if name not in VARIED:
                options = [key for cls in classes.values() for key in cls.hyperparameters()]
                raise unknown(f"A key of --space {search.space}", name, [*options, *VARIED])
            _check_setting(settings, name, spec)
        with of(takers or list(classes)):
            _declare(hp, name, spec)
    if search.space == "standard":
        classes[settings.strategy].search_space(hp)
    return hp


def parse_depths(text: str, strategy: type[Strategy], units: list[Unit]) -> list[int]:
    """The depths that a user asked for, each once, ascending.

    Raises:
        UsageError: there is no such depth.
    """
    if text.strip() == "all":
        lowest = 0
        with contextlib.suppress(Exception):  # of another's constructor: that trial will say so
            lowest = 0 if strategy(n=0).kept(len(units)) else 1
        return list(range(lowest, len(units) + 1))
    return sorted({find_depth(part.strip(), units) for part in text.split(",")})


def all_points(hp: keras_tuner.HyperParameters) -> list[dict[str, Any]]:
    """Every combination of values, those of the same n one after the other.

    Raises:
        UsageError: a hyper-parameter has no list of values.
    """
    points: list[dict[str, Any]] = [{}]
    for parameter in hp.space:
        if isinstance(parameter, keras_tuner.engine.hyperparameters.Float) and not parameter.step:
            raise UsageError(
                "--tuner exhaustive and grid must have lists, or ranges with a step. Received: "
                f"{parameter.name} from {parameter.min_value:g} to {parameter.max_value:g}. Use "
                "--tuner random or bayesian."
            )
        extended = []
        for point in points:
            active = all(
                point.get(condition.name) in condition.values for condition in parameter.conditions
            )
            values = parameter.values if active else ()
            extended += [{**point, parameter.name: value} for value in values] or [point]
        points = extended
    return sorted(points, key=lambda point: point.get("n", -1))


def trial_settings(base: Settings, values: dict[str, Any], seed: int) -> Settings:
    """The settings of one training of a trial.

    Args:
        base: of the search.
        values: of the hyper-parameters.
        seed: of the training; all share the split.
    """
    name = values.get("strategy", base.strategy)
    known = get_strategy(name).hyperparameters()
    own = base.option if name == base.strategy else ()
    options = [f"{key}={value!r}" for key, value in values.items() if key in known and key != "n"]
    others = {key: value for key, value in values.items() if key in VARIED and key not in known}
    return dataclasses.replace(
        base,
        **others,
        strategy=name,
        n=values.get("n"),
        option=(*own, *options),
        seed=seed,
        split_seed=base.seed if base.split_seed is None else base.split_seed,
    )


def _entries(space: str) -> dict[str, Any]:
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


def _declare(hp: keras_tuner.HyperParameters, name: str, spec: Any) -> None:
    if isinstance(spec, list) and isinstance(spec[0], bool):
        if len(set(spec)) == 1:
            hp.Fixed(name, spec[0])
        else:
            hp.Boolean(name)
    elif isinstance(spec, list):
        hp.Choice(name, spec)
    else:
        whole = all(isinstance(spec[key], int) for key in ("low", "high"))
        step = {"step": spec["step"]} if "step" in spec else {}
        declare = hp.Int if whole else hp.Float
        declare(name, spec["low"], spec["high"], sampling=spec.get("scale", "linear"), **step)


def _check_setting(settings: Settings, name: str, spec: Any) -> None:
    for value in spec if isinstance(spec, list) else (spec["low"], spec["high"]):
        try:
            dataclasses.replace(settings, **{name: value})
        except TypeError as error:
            raise UsageError(
                f"{name} in --space must be what --{name} is. Received: {value!r}."
            ) from error
