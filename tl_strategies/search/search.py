"""A search, from top to bottom: the space, the trials, the choice of n, the best as a run."""

import dataclasses
import json
import os
import pathlib
from typing import Any

import grpc
import keras_tuner
from keras_tuner.engine.hyperparameters import Choice

from tl_strategies.directories import claimed
from tl_strategies.environment import undisturbed
from tl_strategies.errors import UsageError
from tl_strategies.files import write_text
from tl_strategies.search.oracles import OBJECTIVE, Durable, Points, make_oracle
from tl_strategies.search.probe import leave_out
from tl_strategies.search.record import NAMES, RECORD, config_text, describe, join
from tl_strategies.search.report import Report, best_training
from tl_strategies.search.results import Point, choose
from tl_strategies.search.runner import SESSION, Runner
from tl_strategies.search.settings import ADDRESS, TRIAL_SETTINGS, SearchSettings, chief_address
from tl_strategies.search.space import make_space, trial_settings
from tl_strategies.search.summary import draw, summarise
from tl_strategies.search.trial import Bench, fails, point_job
from tl_strategies.search.workers import (
    LOOPBACK,
    Chief,
    become_worker,
    is_loopback,
    supervise,
)
from tl_strategies.training.description import begin
from tl_strategies.training.inputs import fitted_inputs, part_inputs, same_views
from tl_strategies.training.job import Checked, Job, check, claim, planned, prepare
from tl_strategies.training.run import Run, make_features, run
from tl_strategies.training.settings import Settings

SUMMARY = "summary.json"
RETRAIN = "train+validation"


@dataclasses.dataclass(frozen=True)
class Found:
    """What a search has found.

    Attributes:
        job: of the search.
        search: its settings.
        point: the chosen one.
        summary: the content of summary.json.
    """

    job: Job
    search: SearchSettings
    point: Point
    summary: dict[str, Any]


@undisturbed()
def search_depth(strategy: str = "partial", **flags: Any) -> Run:
    """Search for the best depth: `tl-search` from Python.

    Trials run in this process, unless `workers` is given.

    Args:
        strategy: a name.
        **flags: of `tl-search`, such as `depths="0,4,8"`, `repeats=3` or `dataset="folder:photos"`.

    Returns:
        The best training as a run in `best/`; the curve and trials.csv lie in the directory above.

    Raises:
        UsageError: something must change before trials can be run, or all have failed.
    """
    own = {field.name for field in dataclasses.fields(SearchSettings)} - {"worker", "chief"}
    chosen = {name: value for name, value in flags.items() if name in own}
    chosen.setdefault("in_process", "workers" not in chosen)
    others = {name: value for name, value in flags.items() if name not in own}
    wrong = others.keys() - set(TRIAL_SETTINGS)
    if wrong:
        raise UsageError(
            "tl.search_depth must get the flags of tl-search. Received: "
            f"{', '.join(sorted(wrong))}. `tl-search --help` lists them."
        )
    settings = Settings(strategy=strategy, deterministic=True, train_on="train", **others)
    search = SearchSettings(**chosen)
    job = open_job(check(settings), search)
    return finish(run_search(search, job), job.directory / "best")


def open_job(checked: Checked, search: SearchSettings) -> Job:
    """What trials share, checked, in a directory of its own.

    Raises:
        UsageError: something must change before any trial can start.
    """
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # several processes share it
    checked = dataclasses.replace(checked, strategy=None, settings=same_views(checked.settings))
    if checked.settings.run_dir is None:
        directory = checked.directory.with_name(f"{checked.directory.name}-search")
        checked = dataclasses.replace(checked, directory=directory)
    job = prepare(checked)
    if search.worker is None:  # its chief has checked
        _check(search, job, make_space(search, job.settings, job.units))
    return claim(job)


def run_search(settings: SearchSettings, job: Job) -> Found:
    """Run the trials of a search, or those that are left, and choose.

    Args:
        settings: of the search.
        job: with the settings, the data and the backbone that all trials share.

    Raises:
        UsageError: something must change before trials can be run, or all have failed.
    """
    with claimed(job.directory, RECORD, NAMES):
        return _search(settings, job)


def _search(settings: SearchSettings, job: Job) -> Found:
    directory, base = job.directory, job.settings
    space = make_space(settings, base, job.units)
    bench = Bench.open(job)
    begin(directory / RECORD, describe(settings, bench, space.get_config()["space"]))
    write_text(directory / "config.toml", config_text(base, settings))
    dropped = leave_out(bench, space) if settings.probe_first else {}
    if dropped:
        space = make_space(settings, base, job.units, without=dropped["depths"])
    oracle = _oracle(settings, job, space)
    images = len(bench.images.positions("validation"))

    def pick(points: list[Point]) -> Point:
        return choose(points, images, settings.one_standard_error)

    goes_on = settings.tuner == "hyperband"
    metric = job.task.metric
    seeds = [base.seed + repeat for repeat in range(settings.repeats)]
    counts = (base.epochs, oracle.max_trials)
    report = Report(directory, oracle, seeds, *counts, goes_on, pick, metric)
    oracle.open(directory / "oracle.json", report, report.has_results, settings.chief)
    report.begin()
    if oracle.unfinished or not report.points() or not (directory / SUMMARY).is_file():
        _run_trials(settings, bench, oracle)
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
    write_text(directory / SUMMARY, json.dumps(summary, indent=1) + "\n")
    draw(job, summary, space)
    return Found(job, settings, chosen, summary)


def _oracle(settings: SearchSettings, job: Job, space: keras_tuner.HyperParameters) -> Durable:
    base = job.settings
    return make_oracle(settings, space, base.epochs, base.seed, lambda point: fails(job, point))


def _check(settings: SearchSettings, job: Job, space: keras_tuner.HyperParameters) -> None:
    """Find what every trial, or what comes after them, would stumble over.

    Raises:
        UsageError: there is something.
    """
    if not job.settings.validates:
        raise UsageError(
            f"Trials must have --train_on train. Received: {job.settings.train_on}. For the best "
            "there is --retrain."
        )
    _oracle(settings, job, space)
    values = {hp.name: hp.values for hp in space.space if isinstance(hp, Choice)}
    strategies = values.get("strategy", [job.settings.strategy])
    if _retrains(settings, job.settings):
        dataclasses.replace(job.settings, train_on=RETRAIN)
        for name in strategies:
            point = {"strategy": name}
            if not fails(job, point) and not point_job(job, point).plan.phases:
                raise UsageError(
                    "--retrain, or --protocol vtab1k, must come with strategies trained by "
                    f"gradient descent. Received: {name}, which needs validation images to choose "
                    "C on."
                )


def _retrains(search: SearchSettings, settings: Settings) -> bool:
    return search.retrain or settings.protocol == "vtab1k"


def work(settings: SearchSettings, job: Job) -> None:
    """Run the trials that a chief hands out, until there are no more.

    Raises:
        UsageError: there is no chief, it has other settings or data, or the disk is full.
    """
    bench = Bench.open(job)
    space = make_space(settings, job.settings, job.units)
    join(job.directory, describe(settings, bench, space.get_config()["space"]))
    become_worker(settings.worker, job.directory)
    try:
        _loop(Runner(keras_tuner.Oracle(OBJECTIVE), bench, settings))
    except grpc.RpcError as error:
        raise UsageError(
            f"The chief must stay until all is done. Received: {error.details()}. Start it again, "
            "and this worker too."
        ) from error


def finish(found: Found, directory: pathlib.Path) -> Run:
    """The best training as a normal run in a directory, trained anew only where it has to be."""
    training = best_training(found.job.directory, found.point)
    seed = int(training.name.removeprefix("seed"))
    settings = trial_settings(found.job.settings, found.point.values, seed)
    again = {"train_on": RETRAIN} if _retrains(found.search, found.job.settings) else {}
    settings = dataclasses.replace(settings, run_dir=str(directory), resume=True, **again)
    return run(planned(found.job, settings, directory), earlier=None if again else training)


def _run_trials(settings: SearchSettings, bench: Bench, oracle: Durable) -> None:
    directory = bench.job.directory
    if settings.in_process:
        (directory / SESSION).unlink(missing_ok=True)
        for name in ADDRESS:  # KerasTuner would look for a chief there
            os.environ.pop(name, None)
        _loop(Runner(oracle, bench, settings))
        return
    if isinstance(oracle, Points) and (settings.workers > 1 or settings.chief):
        _fill(bench, oracle)
    address, port = chief_address() if settings.chief else (LOOPBACK, 0)
    if not is_loopback(address):
        print(
            f"warning: whoever can reach {address}:{port} can change this search, since "
            "KerasTuner's protocol asks for no password. Use an address of a private network only."
        )
    chief = Chief(oracle, directory, address, port)
    try:
        if settings.chief:
            print(f"waiting for workers at {address}:{port}", flush=True)
            chief.wait()
        else:
            config = directory / "config.toml"
            supervise(chief, config, settings.workers, settings.memory_growth)
    finally:
        chief.close()


def _loop(runner: Runner) -> None:
    try:
        runner.search()
    except keras_tuner.errors.FatalError as error:
        raise UsageError(
            f"--run_dir must have space. Received: {error}. What was done is kept; make room, and "
            "start the same command again."
        ) from error


def _fill(bench: Bench, oracle: Points) -> None:
    """Compute the features of all depths, which workers would otherwise do at the same time."""
    job, settings = bench.job, bench.job.settings
    points = [point for point in oracle.points if "n" in point and not fails(job, point)]
    if not points or settings.augment != "none":
        return
    deepest = max(points, key=lambda point: point["n"])
    features = make_features(point_job(job, deepest), bench.images, bench.store)
    inputs = fitted_inputs(bench.images, settings, kept=True)
    inputs["test"] = part_inputs(bench.images, "test")
    for depth in sorted({point["n"] for point in points}):
        if features.kept(depth):
            features.fetch(depth, inputs)
