"""A search, from top to bottom: the space, the trials, the choice of n, the best as a run."""

import contextlib
import dataclasses
import hashlib
import pathlib
from typing import Any

import keras_tuner
from keras_tuner.engine.hyperparameters import Choice

from tl_strategies.directories import claimed
from tl_strategies.errors import UsageError
from tl_strategies.execution.executor import runs_here
from tl_strategies.execution.tasks import Opening, Task
from tl_strategies.files import write_text
from tl_strategies.runs.job import Checked, Job, create_run_directory, prepare, replan
from tl_strategies.runs.manifest import begin, to_json, to_toml
from tl_strategies.runs.run import Run, run
from tl_strategies.runs.shares import execute_after, make_shares
from tl_strategies.runs.trainer import Trainer
from tl_strategies.search.oracles import PersistentOracle, Points, make_oracle
from tl_strategies.search.probe import leave_out
from tl_strategies.search.report import Point, Report, best_training, choose, draw, summarise
from tl_strategies.search.settings import GROUPS, SearchSettings
from tl_strategies.search.space import make_space, trial_settings
from tl_strategies.search.trial import Trials, TrialSource, fails, point_job
from tl_strategies.settings.run import PLACES
from tl_strategies.settings.schema import names_of
from tl_strategies.training.forward import model_digest
from tl_strategies.training.inputs import same_views

RECORD, SUMMARY = "search.json", "summary.json"
NAMES = (  # of what a search writes
    *(RECORD, "config.toml", "oracle.json", "trials", "trials.csv", "probe.json", "workers"),
    *(SUMMARY, "depth_curve.png", "best"),
)
RETRAIN = "train+validation"


@dataclasses.dataclass(frozen=True)
class Found:
    """What a search has found.

    Attributes:
        trainer: of its trials.
        search: its settings.
        point: the chosen one.
        summary: the content of summary.json.
    """

    trainer: Trainer
    search: SearchSettings
    point: Point
    summary: dict[str, Any]


def open_search(checked: Checked, search: SearchSettings) -> Job:
    """What trials share, checked, in a directory of its own.

    Raises:
        UsageError: something must change before any trial can start.
    """
    checked = dataclasses.replace(checked, strategy=None, settings=same_views(checked.settings))
    if checked.settings.run_dir is None:
        directory = checked.directory.with_name(f"{checked.directory.name}-search")
        checked = dataclasses.replace(checked, directory=directory)
    job = prepare(checked)
    _check(search, job, make_space(search, job.settings, job.units))
    return create_run_directory(job)


def run_search(search: SearchSettings, job: Job) -> Found:
    """Run the trials of a search, or those that are left, and choose.

    Args:
        search: its settings.
        job: with the settings, the data and the backbone that all trials share.

    Raises:
        UsageError: something must change before trials can be run, or all have failed.
    """
    with claimed(job.directory, RECORD, NAMES):
        return _search(search, job)


def _search(search: SearchSettings, job: Job) -> Found:
    directory, base = job.directory, job.settings
    space = make_space(search, base, job.units)
    trainer = Trainer(job)
    begin(directory, "search", _manifest(search, trainer, space))
    dropped = leave_out(trainer, space) if search.probe_first else {}
    if dropped:
        space = make_space(search, base, job.units, without=dropped["depths"])
    oracle = _oracle(search, job, space)
    images = len(trainer.images().positions("validation"))

    def pick(points: list[Point]) -> Point:
        return choose(points, images, search.one_standard_error)

    report = Report(
        directory,
        oracle,
        [base.seed + repeat for repeat in range(search.repeats)],
        base.epochs,
        goes_on=search.tuner == "hyperband",
        pick=pick,
        metric=job.task.metric,
    )
    oracle.open(directory / "oracle.json", report, report.has_results)
    report.begin()
    if oracle.unfinished or not report.points() or not (directory / SUMMARY).is_file():
        _run_trials(search, trainer, oracle)
    report.write()
    points = report.points()
    if not points:
        raise UsageError(
            f"Trials must not all fail. Received: {oracle.stopped or 'no trial that ended.'} The "
            f"whole errors are in {directory / 'trials'}; mend it, and start the same command "
            "again."
        )
    report.prune()
    chosen = pick(points)
    summary = summarise(job, points, chosen, list(oracle.trials.values()), dropped)
    write_text(directory / SUMMARY, to_json(summary))
    draw(job, summary, space)
    return Found(trainer, search, chosen, summary)


def finish(found: Found, directory: pathlib.Path) -> Run:
    """The best training as a normal run in a directory, trained anew only where it has to be."""
    job = found.trainer.job
    training = best_training(job.directory, found.point)
    seed = int(training.name.removeprefix("seed"))
    settings = trial_settings(job.settings, found.point.values, seed)
    again = {"train_on": RETRAIN} if _retrains(found.search, job) else {}
    settings = dataclasses.replace(settings, run_dir=str(directory), resume=True, **again)
    best = replan(job, settings, directory)
    return run(best, found.trainer, earlier=None if again else training)


def _manifest(
    search: SearchSettings, trainer: Trainer, space: keras_tuner.HyperParameters
) -> dict[str, str]:
    """All that determines the results of a search; config.toml, which replays it."""
    job, images = trainer.job, trainer.images()
    config = job.settings.to_config()
    content = hashlib.blake2b(b"".join(images.keys) + images.listing.labels.tobytes())
    backbone = model_digest(job.backbone)[:16]
    identity = {
        **{name: value for name, value in config.items() if name not in PLACES},
        **search.to_config(),
        "the space": space.get_config()["space"],
        "the images": f"{len(images.keys)} with digest {content.hexdigest()[:16]}",
        "the backbone": f"{len(job.units)} units with digest {backbone}",
    }
    flags = {name: config.get(name) for name in names_of(*GROUPS)} | search.to_config()
    return {RECORD: to_json(identity), "config.toml": to_toml("tl-search", flags)}


def _oracle(
    search: SearchSettings, job: Job, space: keras_tuner.HyperParameters
) -> PersistentOracle:
    base = job.settings
    return make_oracle(search, space, base.epochs, base.seed, lambda point: fails(job, point))


def _check(search: SearchSettings, job: Job, space: keras_tuner.HyperParameters) -> None:
    """Find what every trial, or what comes after them, would stumble over.

    Raises:
        UsageError: there is something.
    """
    if not job.settings.validates:
        raise UsageError(
            f"Trials must have --train_on train. Received: {job.settings.train_on}. For the best "
            "there is --retrain."
        )
    _oracle(search, job, space)
    values = {hp.name: hp.values for hp in space.space if isinstance(hp, Choice)}
    strategies = values.get("strategy", [job.settings.strategy])
    if _retrains(search, job):
        dataclasses.replace(job.settings, train_on=RETRAIN)
        for name in strategies:
            point = {"strategy": name}
            if not fails(job, point) and not point_job(job, point).plan.phases:
                raise UsageError(
                    "--retrain, or --protocol vtab1k, must come with strategies trained by "
                    f"gradient descent. Received: {name}, which needs validation images to choose "
                    "C on."
                )


def _retrains(search: SearchSettings, job: Job) -> bool:
    return search.retrain or job.settings.protocol == "vtab1k"


def _run_trials(search: SearchSettings, trainer: Trainer, oracle: PersistentOracle) -> None:
    directory = trainer.job.directory
    source = TrialSource(oracle, directory)
    opening = Opening(
        "tl_strategies.search.trial:open_trials", (trainer.job.settings, search, directory)
    )
    context = Trials(trainer, search.repeats)
    shares = _shares(search, trainer, oracle)
    work = execute_after(shares, source.take, search, opening, directory, lambda: context)
    with contextlib.closing(work):
        for ended in work:
            source.end(ended)


def _shares(search: SearchSettings, trainer: Trainer, oracle: PersistentOracle) -> list[Task]:
    """The features of all depths, which workers would otherwise compute one after the other."""
    job = trainer.job
    if not isinstance(oracle, Points) or runs_here(search) or job.settings.augment != "none":
        return []
    jobs = [point_job(job, point) for point in oracle.points if not fails(job, point)]
    jobs = [each for each in jobs if each.plan.frozen_depth > 0]
    if not jobs:
        return []
    deepest = max(jobs, key=lambda each: each.plan.frozen_depth)
    depths = {each.plan.frozen_depth for each in jobs}
    return make_shares(trainer, deepest, trainer.features(deepest), depths, search)
