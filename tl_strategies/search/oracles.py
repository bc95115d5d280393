"""KerasTuner's oracles, made to survive: their state is one file that is replaced as a whole."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial
from keras_tuner.oracles import BayesianOptimizationOracle, HyperbandOracle, RandomSearchOracle

from tl_strategies.errors import UsageError
from tl_strategies.files import read_text, write_text
from tl_strategies.search.settings import SearchSettings
from tl_strategies.search.space import all_points

OBJECTIVE = keras_tuner.Objective("validation_score", "max")
MOST_FAILURES = 3  # before any trial has succeeded
HYPERBAND_FACTOR = 3
FAILURE = "failure.txt"  # in a trial's directory

Fails = Callable[[dict[str, Any]], bool]  # whether a point is known to fail


class PersistentOracle:
    """Mixin of an oracle that can be killed at any moment.

    KerasTuner writes trials and state to several files in place; a kill between or within them
    loses trials or makes the search unreadable.
    """

    file: pathlib.Path  # holds the state
    ended: Callable[[Trial], None]  # is called with each trial that has ended
    stopped: str = ""  # why no more trials are begun, as long as there is a reason
    fails: Fails = staticmethod(lambda point: False)  # whether a failure was known before

    def open(
        self,
        file: pathlib.Path,
        ended: Callable[[Trial], None],
        has_results: Callable[[str], bool] = lambda trial_id: True,
    ) -> None:
        """Go on from the file if it is there.

        Trials that were running, have failed, or whose results, by their names, are gone run again.
        """
        self.file, self.ended = file, ended
        self.verbose = 0
        if not file.is_file():
            return
        try:
            self.set_state(json.loads(read_text(file)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                f"--run_dir must hold a search that can be read. Received: {file}, which is "
                f"damaged: {error}. Name another directory; what is stored is found again."
            ) from error
        self.ongoing_trials = {}
        again = [
            name
            for name, trial in self.trials.items()
            if trial.status != "COMPLETED" or not has_results(name)
        ]
        self._retry_queue = again[::-1]  # the last is taken first
        self.end_order = [name for name in self.end_order if name not in again]
        for name in again:
            self.trials[name].status = "RUNNING"

    @property
    def unfinished(self) -> bool:
        """Whether trials are running, or wait to be run again."""
        return bool(self._retry_queue or self.ongoing_trials)

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
        if self.stopped:  # unless one that is running succeeds
            return {"status": "IDLE" if self.ongoing_trials else "STOPPED"}
        return super().populate_space(trial_id)

    def end_trial(self, trial: Trial) -> None:
        super().end_trial(trial)
        self.ended(self.trials[trial.trial_id])

    def _save_trial(self, trial: Trial) -> None:
        """Nothing: `save` comes next, and holds all trials."""

    def _check_consecutive_failures(self) -> None:
        """Stop when all trials fail. Neighbouring depths may, for a reason that others have not."""
        trials = self.trials.values()
        failed = [trial for trial in trials if trial.status == "FAILED"]
        failed = [trial for trial in failed if not self.fails(trial.hyperparameters.values)]
        well = any(trial.status == "COMPLETED" for trial in trials)
        self.stopped = ""
        if len(failed) >= MOST_FAILURES and not well:
            self.stopped = reason(self.file.parent, failed[-1].trial_id)


class _Points(keras_tuner.Oracle):
    def __init__(self, points: list[dict[str, Any]], **options: Any):
        super().__init__(max_trials=len(points), **options)
        self.points = points

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        tried = [trial.hyperparameters.values for trial in self.trials.values()]
        for point in self.points:
            if point not in tried:
                return {"status": "RUNNING", "values": dict(point)}
        return {"status": "STOPPED"}


class Points(PersistentOracle, _Points):
    """Every point of a list, in its order."""


class Random(PersistentOracle, RandomSearchOracle):
    """Random points."""


class Bayesian(PersistentOracle, BayesianOptimizationOracle):
    """Points that a Gaussian process expects to be good."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        # KerasTuner does not save this state: after a kill it would begin anew.
        self._random_state = np.random.RandomState(self.seed + len(self.trials))
        return super().populate_space(trial_id)


class Hyperband(PersistentOracle, HyperbandOracle):
    """Random points, of which the best are trained for longer."""


def make_oracle(
    search: SearchSettings,
    space: keras_tuner.HyperParameters,
    epochs: int,
    seed: int,
    fails: Fails,
) -> PersistentOracle:
    """The oracle of a search, if its space suits it; of all points those that fail come last."""
    options = {"objective": OBJECTIVE, "hyperparameters": space, "seed": seed + 1}  # 0 is no seed
    if search.tuner in ("exhaustive", "grid"):
        return Points(sorted(all_points(space), key=fails), **options)
    if search.tuner == "hyperband":
        oracle = Hyperband(max_epochs=epochs, factor=HYPERBAND_FACTOR, **options)
        _check_halving(oracle, space, epochs)
    else:
        kind = Random if search.tuner == "random" else Bayesian
        oracle = kind(max_trials=search.trials, **options)
    oracle.fails = fails
    return oracle


def _check_halving(oracle: Hyperband, space: keras_tuner.HyperParameters, epochs: int) -> None:
    """Raise a UsageError where KerasTuner would end before it has trained anything to the end."""
    if any(parameter.name == "epochs" for parameter in space.space):
        raise UsageError("--tuner hyperband must choose the epochs. Received: epochs in --space.")
    needed = oracle._get_size(oracle._get_num_brackets() - 1, 0)
    try:
        count = len(all_points(space))
    except UsageError:  # there is no end of points
        return
    if count < needed:
        raise UsageError(
            f"--tuner hyperband must have at least {needed} points for --epochs {epochs}. "
            f"Received: {count}. Use --tuner exhaustive, or a larger --space."
        )


def reason(directory: pathlib.Path, trial_id: str) -> str:
    """Why a trial of the search in a directory failed: the first line of its file on that."""
    file = directory / "trials" / trial_id / FAILURE
    return read_text(file).splitlines()[0] if file.is_file() else "it gave no number"
