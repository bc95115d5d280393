"""What a search says while it runs: a line a trial, trials.csv; and which checkpoints it keeps."""

import pathlib
import shutil
from collections.abc import Callable

from keras_tuner.engine.trial import Trial

from tl_strategies.files import write_text
from tl_strategies.search.oracles import PersistentOracle, reason
from tl_strategies.search.results import Point, completed_points, read_results, trials_csv, visible
from tl_strategies.tracking.progress import TaskLines


class Report:
    """Is called with each trial that has ended.

    Args:
        directory: of the search.
        oracle: of the search.
        seeds: that each trial has a training for.
        epochs: of a whole training.
        goes_on: whether later trials go on where earlier ones ended.
        pick: chooses among points.
        metric: the name of what they are chosen by.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        oracle: PersistentOracle,
        seeds: list[int],
        epochs: int,
        goes_on: bool,
        pick: Callable[[list[Point]], Point],
        metric: str,
    ):
        self.directory = directory
        self.oracle = oracle
        self.seeds = seeds
        self.epochs = epochs
        self.goes_on = goes_on
        self.pick = pick
        self.metric = metric

    def begin(self) -> None:
        """Count from the trials that have ended already."""
        self.lines = TaskLines(self.oracle.max_trials, len(self.oracle.end_order))

    def __call__(self, trial: Trial) -> None:
        self.write()
        self.lines.write(self._line(trial))
        if not self.goes_on:
            self.prune()

    def has_results(self, trial_id: str) -> bool:
        """Whether the results of all seeds of a trial are there."""
        found = {result["seed"] for result in read_results(self.directory, trial_id)}
        return found >= set(self.seeds)

    def points(self) -> list[Point]:
        """Those that were trained to the end."""
        return completed_points(self.directory, list(self.oracle.trials.values()), self.epochs)

    def write(self) -> None:
        """Write trials.csv."""
        text = trials_csv(self.directory, list(self.oracle.trials.values()), self.metric)
        write_text(self.directory / "trials.csv", text)

    def _line(self, trial: Trial) -> str:
        values = visible(trial.hyperparameters.values)
        what = ", ".join(
            f"{name} = {value:.3g}" if isinstance(value, float) else f"{name} = {value}"
            for name, value in values.items()
        )
        if trial.status != "COMPLETED":
            return f"{what}: failed: {reason(self.directory, trial.trial_id)}"
        point = Point(trial.trial_id, 0, values, read_results(self.directory, trial.trial_id))
        scores = [f"{part} {point.mean(f'{part}_score'):.3f}" for part in ("validation", "test")]
        return f"{what}: {', '.join(scores)}, {point.mean('seconds'):.0f} s"

    def prune(self) -> None:
        """Delete the checkpoints of trials that have ended, but of the best training."""
        points = self.points()
        kept = best_training(self.directory, self.pick(points)) if points else None
        for name in self.oracle.end_order:
            for checkpoints in (self.directory / "trials" / name).glob("seed*/checkpoints"):
                if checkpoints.parent != kept:
                    going = checkpoints.with_name(".checkpoints")  # never half there under its name
                    shutil.rmtree(going, ignore_errors=True)
                    shutil.rmtree(checkpoints.rename(going))


def best_training(directory: pathlib.Path, point: Point) -> pathlib.Path:
    """The directory of a point's training that is best on validation images."""
    best = max(point.results, key=lambda result: result["validation_score"])
    return directory / "trials" / point.trial_id / f"seed{best['seed']}"
