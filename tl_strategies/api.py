"""The Python face: whatever a command does is one function here, with the same names and errors."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import keras

from tl_strategies.analysis.study.checks import check_study
from tl_strategies.analysis.study.curve import open_curve, run_curve
from tl_strategies.analysis.study.settings import GROUPS as CELL_GROUPS
from tl_strategies.analysis.study.settings import LEARNING_RATE, CurveSettings
from tl_strategies.data.arrays import list_data
from tl_strategies.data.listing import Listing
from tl_strategies.environment import undisturbed
from tl_strategies.errors import UsageError, unknown
from tl_strategies.execution.executor import check_workers, runs_here
from tl_strategies.files import read_json, read_text
from tl_strategies.plans.plan import Plan
from tl_strategies.runs.folds import run_folds
from tl_strategies.runs.job import Checked, Job, check, create_run_directory, prepare, replan
from tl_strategies.runs.manifest import RECORD
from tl_strategies.runs.run import Run, run
from tl_strategies.search.search import Found, finish, open_search, run_search
from tl_strategies.search.settings import GROUPS as TRIAL_GROUPS
from tl_strategies.search.settings import SearchSettings
from tl_strategies.settings.groups import Objects, Workers
from tl_strategies.settings.objects import notes
from tl_strategies.settings.run import Settings
from tl_strategies.settings.schema import names_of
from tl_strategies.settings.unheeded import unheeded_text
from tl_strategies.strategies import Strategy
from tl_strategies.strategies.registry import name_of

Around = Callable[[Job], contextlib.AbstractContextManager]  # the time from which files are written


@undisturbed()
def fit(
    strategy: str | Strategy | type[Strategy] = "partial",
    n: int | str | None = None,
    data: Any = None,
    **flags: Any,
) -> Run:
    """Train, evaluate and save a model: `tl-run` from Python.

    Args:
        strategy: a name, a class, or a strategy with its hyper-parameters.
        n: the transfer depth; "auto" searches for it; None for the strategy's default.
        data: in place of `dataset`: images and labels, or such by part; see `list_data`.
        **flags: the other flags of `tl-run`, such as `dataset="folder:photos"` or `folds=5`. Some
            may be objects: `backbone` a Keras model, `optimizer` a Keras optimizer, `learning_rate`
            or `schedule` a Keras schedule, `class_weight` weights by class, `augment` Keras layers.
            Besides there are `loss`, `metrics` and `callbacks` of Keras, and `head`, a function
            from a Keras tensor of features to one of probabilities.

    Raises:
        UsageError: something must change before any training can start.
    """
    given = None
    if not isinstance(strategy, str):
        given, strategy, n, flags = _take_strategy(strategy, n, flags)
    flags, listing, model = _take_objects(data, flags)
    own, workers = _sort("tl.fit", flags, (Settings,), (Workers,))
    settings = Settings(strategy=strategy, n=n, **own)
    checked = check(settings, given, listing, model)
    return do_run(checked, _workers(Workers, workers, checked))


@undisturbed()
def search_depth(strategy: str | type[Strategy] = "partial", data: Any = None, **flags: Any) -> Run:
    """Search for the best depth: `tl-search` from Python.

    Args:
        strategy: a name, or a class.
        data: in place of `dataset`; see `fit`.
        **flags: of `tl-search`, such as `depths="0,4,8"`, `repeats=3` or `dataset="folder:photos"`;
            objects as in `fit`.

    Returns:
        The best training as a run in `best/`; the curve and trials.csv lie in the directory above.

    Raises:
        UsageError: something must change before trials can be run, or all have failed.
    """
    if not isinstance(strategy, str):
        strategy = name_of(strategy)
    flags, listing, model = _take_objects(data, flags)
    own, search = _sort("tl.search_depth", flags, (*TRIAL_GROUPS, Objects), (SearchSettings,))
    settings = Settings(strategy=strategy, deterministic=True, train_on="train", **own)
    checked = check(settings, None, listing, model)
    return do_search(checked, _workers(SearchSettings, search, checked))[1]


@undisturbed()
def curve(data: Any = None, **flags: Any) -> dict[str, Any]:
    """Yosinski's transferability curve: `tl-curve` from Python.

    Args:
        data: in place of `dataset`; see `fit`.
        **flags: of `tl-curve`, such as `backbone="caffenet_mini"`, `n=[3, 7]` or `splits=4`.

    Returns:
        The content of summary.json, and under "directory" where it and the curve lie.

    Raises:
        UsageError: something must change before cells can be trained.
    """
    flags, listing, model = _take_objects(data, {"learning_rate": LEARNING_RATE} | flags)
    own, study = _sort("tl.curve", flags, (*CELL_GROUPS, Objects), (CurveSettings,))
    settings = Settings(deterministic=True, **own)
    asked = CurveSettings(**study)
    checked = check_study(settings, asked, listing, model)
    return do_curve(checked, _workers(CurveSettings, study, checked))


@undisturbed()
def load(directory: Any) -> Run:
    """A finished run: of `tl-run` or `tl.fit`, a fold's, or of a search's directory the best.

    Raises:
        UsageError: there is no finished run.
    """
    directory = pathlib.Path(directory).expanduser()
    if (directory / "best" / RECORD).is_file():
        directory /= "best"
    metrics = read_json(directory / "metrics.json")
    plans = [path for path in (directory / RECORD, directory / "fold1" / RECORD) if path.is_file()]
    if metrics is None or not plans:
        raise UsageError(
            f"The directory must hold a finished run: metrics.json and {RECORD}. Received: "
            f"{directory}. A run that was stopped is finished by --resume."
        )
    return Run(directory, metrics, Plan.from_json(read_text(plans[0])))


def do_run(checked: Checked, workers: Workers, around: Around = contextlib.nullcontext) -> Run:
    """What `tl-run` and `fit` do once all that needs no Keras is checked."""
    settings = checked.settings
    searches = settings.n == "auto"
    if searches:  # with validation images, and each trial exact
        train_on = settings.train_on if settings.protocol == "none" else None
        trials = dataclasses.replace(
            settings, n=None, deterministic=True, train_on=train_on or "train"
        )
        checked = dataclasses.replace(checked, settings=trials, strategy=None)
    job = prepare(checked)
    if text := unheeded_text(settings, job.plan or replan(job, job.settings, job.directory).plan):
        print(text)
    for note in notes(settings):
        print(note)
    job = create_run_directory(job)
    with around(job):
        if searches:
            below = dataclasses.replace(job, directory=job.directory / "search")
            found = run_search(SearchSettings(**dataclasses.asdict(workers)), below)
            picture = below.directory / "depth_curve.png"
            print(f"n = {found.point.n}; the curve is {picture}", flush=True)
            return finish(found, job.directory)
        folds = settings.folds and not settings.fold
        return run_folds(job, workers) if folds else run(job, workers=workers)


def do_search(
    checked: Checked, search: SearchSettings, around: Around = contextlib.nullcontext
) -> tuple[Found, Run]:
    """What `tl-search` and `search_depth` do: what was found, and the best as a run."""
    job = open_search(checked, search)
    if not search.space.endswith(".toml"):  # which may vary what the plan comes from
        plan = replan(job, job.settings, job.directory).plan
        if text := unheeded_text(job.settings, plan):
            print(text)
    with around(job):
        found = run_search(search, job)
        return found, finish(found, job.directory / "best")


def do_curve(
    checked: Checked, asked: CurveSettings, around: Around = contextlib.nullcontext
) -> dict[str, Any]:
    """What `tl-curve` and `curve` do."""
    job = open_curve(checked, asked)
    with around(job):
        return run_curve(asked, job) | {"directory": job.directory}


def _take_strategy(
    strategy: Any, n: Any, flags: dict[str, Any]
) -> tuple[Strategy | None, str, Any, dict[str, Any]]:
    """A strategy that was given as an object: itself where it has its depth, name, n, flags."""
    name = name_of(strategy)
    if isinstance(strategy, type):
        return None, name, n, flags
    if n not in (None, "auto") or "option" in flags:
        raise UsageError(
            "n and option must be those of the strategy where one is given. Received: "
            f"{strategy!r} with n={n}, option={flags.get('option', ())}."
        )
    options = strategy.get_config()
    own = options.pop("n", None)
    flags = {**flags, "option": options}
    return (None, name, n, flags) if n == "auto" else (strategy, name, own, flags)


def _take_objects(
    data: Any, flags: dict[str, Any]
) -> tuple[dict[str, Any], Listing | None, keras.Model | None]:
    """Flags that are texts or objects of training; the data and the network that were given."""
    flags, listing, model = dict(flags), None, None
    if data is not None:
        if "dataset" in flags:
            raise UsageError("Only one of data and dataset must be given. Received: both.")
        listing, flags["dataset"] = list_data(data), "data"
    if isinstance(flags.get("backbone"), keras.Model):
        model = flags["backbone"]
        flags["backbone"] = model.name
    optimizer = flags.get("optimizer")
    if isinstance(optimizer, keras.optimizers.Optimizer) and "learning_rate" not in flags:
        rate = optimizer._learning_rate
        is_schedule = isinstance(rate, keras.optimizers.schedules.LearningRateSchedule)
        flags["learning_rate"] = rate if is_schedule else float(rate)
    return flags, listing, model


def _sort(name: str, flags: dict[str, Any], *groups: tuple[type, ...]) -> list[dict[str, Any]]:
    """Flags by the groups of settings that have them; one that none has is a UsageError."""
    known = [names_of(*group) for group in groups]
    for flag in flags:
        if not any(flag in names for names in known):
            raise unknown(f"An argument of {name}", flag, [*known[0], *known[1]])
    return [{flag: value for flag, value in flags.items() if flag in names} for names in known]


def _workers(schema: type, values: dict[str, Any], checked: Checked) -> Any:
    """Settings that say who works; refused where workers would need this process's memory."""
    workers = schema(**values)
    check_workers(workers)
    here = checked.settings.dataset == "data" or checked.model is not None
    if here and not runs_here(workers):
        raise UsageError(
            "workers must be 1 where data or a model is given from memory. Received: "
            f"{workers.workers} with engine {workers.engine}. Save it, and give dataset or "
            "backbone as a path."
        )
    return workers
