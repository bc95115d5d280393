"""The space of a search: KerasTuner's hyper-parameters, from a name or a TOML file.

A hyper-parameter is `n`, `strategy`, an argument of the strategy, or a setting of the run.
"""

import contextlib
import dataclasses
from collections.abc import Collection
from typing import Any

import keras_tuner

from tl_strategies.backbones.units import Unit, find_depth
from tl_strategies.search.entries import VARIED, range_error, read_entries
from tl_strategies.search.settings import SearchSettings
from tl_strategies.settings.run import Settings
from tl_strategies.strategies import Strategy, get_strategy


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
    entries = read_entries(search, settings)
    hp = keras_tuner.HyperParameters()
    if entries.choice:
        hp.Choice("strategy", list(entries.classes))

    def of(takers: list[str]) -> contextlib.AbstractContextManager:
        """The scope of what only some of the strategies have."""
        if len(takers) == len(entries.classes):
            return contextlib.nullcontext()
        return hp.conditional_scope("strategy", takers)

    if takers := entries.takers("n"):
        chosen = [entries.classes[name] for name in takers]
        values = {n for cls in chosen for n in parse_depths(entries.depths, cls, units)}
        with of(takers):
            hp.Choice("n", sorted(values - set(without)))
    for name, spec in entries.others.items():
        with of(entries.takers(name) or list(entries.classes)):
            _declare(hp, name, spec)
    if search.space == "standard":
        entries.classes[settings.strategy].search_space(hp)
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
            raise range_error(parameter.name, parameter.min_value, parameter.max_value)
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
