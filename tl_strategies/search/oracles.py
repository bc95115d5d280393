"""KerasTuner's oracles, made to survive: their state is one file that is replaced as a whole."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial
from keras_tuner.oracles import BayesianOptimizationOracle, HyperbandOracle, RandomSearchOracle

from tl_strategies.data.cache import read_text, write_text
from tl_strategies.search.settings import SearchSettings
from tl_strategies.search.space import all_points

OBJECTIVE = keras_tuner.Objective("validation_accuracy", "max")
MOST_FAILURES = 3  # before any trial has succeeded
HYPERBAND_FACTOR = 3
FAILURE = "failure.txt"  # in a trial's directory: KerasTuner's protocol does not carry the reason


class Durable:
    """Mixin of an oracle that can be killed at any moment.

    KerasTuner writes trials and state to several files in place; a kill between or within them
    loses trials or makes the search unreadable.

    Attributes:
        file: holds the state.
        ended: is called with each trial that has ended.
        stopped: why no more trials are begun; empty as long as they are.
    """

    file: pathlib.Path
    ended: Callable[[Trial], None]
    stopped: str = ""

    def open(self, file: pathlib.Path, ended: Callable[[Trial], None]) -> None:
        """Go on from the file if it is there; trials that were running or failed run again."""
        self.file, self.ended = file, ended
        self.verbose = 0
        if not file.is_file():
            return
        self.set_state(json.loads(read_text(file)))
        again = [trial for trial in self.trials.values() if trial.status != "COMPLETED"]
        self._retry_queue = [trial.trial_id for trial in again][::-1]  # the last is taken first
        self.end_order = [name for name in self.end_order if name not in self._retry_queue]
        for trial in again:
            trial.status, trial.message = "RUNNING", None
        self.ongoing_trials = {}

    @property
    def unfinished(self) -> bool:
        """Whether trials wait to be run again."""
        return bool(self._retry_queue)

    def get_state(self) -> dict[str, Any]:
        trials = [trial.get_state() for trial in self.trials.values()]
        return {**super().get_state(), "trials": trials}

    def set_state(self, state: dict[str, Any]) -> None:
        trials = [Trial.from_state(trial) for trial in state["trials"]]
        self.trials = {trial.trial_id: trial for trial in trials}
        super().set_state(state)

    def save(self) -> None:
        write_text(self.file, json.dumps(self.get_state()))

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        if self.stopped:
            return {"status": "STOPPED"}
        return super().populate_space(trial_id)

    def end_trial(self, trial: Trial) -> None:
        super().end_trial(trial)
        self.ended(self.trials[trial.trial_id])

    def _save_trial(self, trial: Trial) -> None:
        """Nothing: `save` comes next, and holds all trials."""

    def _check_consecutive_failures(self) -> None:
        """Stop when all trials fail. Neighbouring depths may, for a reason that others have not."""
        statuses = [trial.status for trial in self.trials.values()]
        if "COMPLETED" not in statuses and statuses.count("FAILED") >= MOST_FAILURES:
            failed = [name for name, trial in self.trials.items() if trial.status == "FAILED"]
            self.stopped = reason(self.file.parent, failed[-1])


class _Points(keras_tuner.Oracle):
    """Tries a list of points, in its order."""

    def __init__(self, points: list[dict[str, Any]], **options: Any):
        super().__init__(max_trials=len(points), **options)
        self.points = points

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        tried = [trial.hyperparameters.values for trial in self.trials.values()]
        for point in self.points:
            if point not in tried:
                return {"status": "RUNNING", "values": point}
        return {"status": "STOPPED"}


class Points(Durable, _Points):
    """Every point of a list."""


class Random(Durable, RandomSearchOracle):
    """Random points."""


class Bayesian(Durable, BayesianOptimizationOracle):
    """Points that a Gaussian process expects to be good."""


class Hyperband(Durable, HyperbandOracle):
    """Random points, of which the best are trained for longer."""


def make_oracle(
    search: SearchSettings,
    space: keras_tuner.HyperParameters,
    epochs: int,
    seed: int,
    fails: Callable[[dict[str, Any]], bool],
) -> Durable:
    """The oracle of a search.

    Args:
        search: names it.
        space: the hyper-parameters.
        epochs: of a whole training.
        seed: of random points.
        fails: whether a point is known to fail; those come last.

    Raises:
        UsageError: the space cannot be tried exhaustively.
    """
    options = {"objective": OBJECTIVE, "hyperparameters": space, "seed": seed + 1}  # 0 is no seed
    if search.tuner == "random":
        return Random(max_trials=search.trials, **options)
    if search.tuner == "bayesian":
        return Bayesian(max_trials=search.trials, **options)
    if search.tuner == "hyperband":
        return Hyperband(max_epochs=epochs, factor=HYPERBAND_FACTOR, **options)
    return Points(sorted(all_points(space), key=fails), **options)


def reason(directory: pathlib.Path, trial_id: str) -> str:
    """Why a trial of the search in a directory failed, in a line: the end of its traceback."""
    file = directory / "trials" / trial_id / FAILURE
    lines = read_text(file).strip().splitlines() if file.is_file() else ["no reason is known"]
    return lines[-1].removeprefix("tl_strategies.errors.UsageError: ")
