"""What a search has found and leaves: trials.csv, summary.json, the depth curve, the choice of n.

Of the checkpoints it keeps those of the best training.
"""

import dataclasses
import math
import pathlib
import shutil
import statistics
from collections.abc import Callable
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial

from tl_strategies.files import csv_text, read_json, write_text
from tl_strategies.runs.job import Job
from tl_strategies.runs.trainer import RESULT
from tl_strategies.search.oracles import PersistentOracle, reason
from tl_strategies.tracking.figures import depth_figure, save_figure
from tl_strategies.tracking.progress import TaskLines
from tl_strategies.tracking.tensorboard import Tracker

PARTS = ("validation", "test")


@dataclasses.dataclass(frozen=True)
class Point:
    """A point of the space, with a result for each seed."""

    trial_id: str
    n: int  # the transfer depth
    values: dict[str, Any]  # of all hyper-parameters
    results: list[dict[str, Any]]  # as the trial wrote them

    def mean(self, name: str) -> float:
        return statistics.fmean(result[name] for result in self.results)

    def spread(self, name: str) -> float:
        """Standard deviation over the seeds; 0 for one."""
        values = [result[name] for result in self.results]
        return statistics.stdev(values) if len(values) > 1 else 0.0


@dataclasses.dataclass
class Report:
    """Of a search in a directory; is called with each trial that has ended."""

    directory: pathlib.Path
    oracle: PersistentOracle
    seeds: list[int]  # that each trial has a training for
    epochs: int  # of a whole training
    goes_on: bool  # whether later trials go on where earlier ones ended
    pick: Callable[[list[Point]], Point]  # the one that is chosen
    metric: str  # the name of what they are chosen by

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
        found = {result["seed"] for result in self._results(trial_id)}
        return found >= set(self.seeds)

    def points(self) -> list[Point]:
        """Those that were trained to the end."""
        points = []
        for trial in self.oracle.trials.values():
            values = trial.hyperparameters.values
            whole = values.get("tuner/epochs", self.epochs) == values.get("epochs", self.epochs)
            if trial.status == "COMPLETED" and whole:
                results = self._results(trial.trial_id)
                points.append(Point(trial.trial_id, results[0]["n"], values, results))
        return points

    def write(self) -> None:
        """Write trials.csv: a row for each seed of each trial that has ended."""
        trials = sorted(self.oracle.trials.values(), key=lambda trial: trial.trial_id)
        trials = [trial for trial in trials if trial.status in ("COMPLETED", "FAILED")]
        points = {trial.trial_id: _visible(trial.hyperparameters.values) for trial in trials}
        names = sorted({name for values in points.values() for name in values} - {"n"})
        scores = [f"{part}_{self.metric}" for part in PARTS]
        rows = [["trial", "n", *names, "seed", "status", *scores, "seconds", "reason"]]
        for trial in trials:
            name, values = trial.trial_id, points[trial.trial_id]
            point = [values.get(other, "") for other in names]
            if trial.status == "FAILED":
                ends = ["", "failed", "", "", "", reason(self.directory, name)]
                rows.append([name, values.get("n", ""), *point, *ends])
                continue
            for result in self._results(name):
                scores = [f"{result[f'{part}_score']:.6g}" for part in PARTS]
                ends = [result["seed"], "completed", *scores, f"{result['seconds']:.1f}", ""]
                rows.append([name, result["n"], *point, *ends])
        write_text(self.directory / "trials.csv", csv_text(rows))

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

    def _results(self, trial_id: str) -> list[dict[str, Any]]:
        """The results of a trial's seeds, as far as they are there."""
        files = (self.directory / "trials" / trial_id).glob(f"seed*/{RESULT}")
        results = [result for result in map(read_json, files) if result is not None]
        return sorted(results, key=lambda result: result["seed"])

    def _line(self, trial: Trial) -> str:
        values = _visible(trial.hyperparameters.values)
        what = ", ".join(
            f"{name} = {value:.3g}" if isinstance(value, float) else f"{name} = {value}"
            for name, value in values.items()
        )
        if trial.status != "COMPLETED":
            return f"{what}: failed: {reason(self.directory, trial.trial_id)}"
        point = Point(trial.trial_id, 0, values, self._results(trial.trial_id))
        scores = [f"{part} {point.mean(f'{part}_score'):.3f}" for part in PARTS]
        return f"{what}: {', '.join(scores)}, {point.mean('seconds'):.0f} s"


def choose(points: list[Point], images: int, one_standard_error: bool) -> Point:
    """The best point on so many validation images; of equals, that with the largest n.

    By the rule of one standard error it is the largest n, which is the cheapest, within one
    standard error of the best (Breiman et al. 1984).
    """

    def order(point: Point) -> tuple[float, int]:
        return point.mean("validation_score"), point.n

    best = max(points, key=order)
    if not one_standard_error:
        return best
    least = order(best)[0] - standard_error(best, images)
    near = [point for point in points if order(point)[0] >= least]
    return max(near, key=lambda point: order(point)[::-1])


def best_training(directory: pathlib.Path, point: Point) -> pathlib.Path:
    """The directory of a point's training that is best on validation images."""
    best = max(point.results, key=lambda result: result["validation_score"])
    return directory / "trials" / point.trial_id / f"seed{best['seed']}"


def summarise(
    job: Job, points: list[Point], chosen: Point, trials: list[Trial], left_out: dict[str, Any]
) -> dict[str, Any]:
    """The content of summary.json: of points that were trained to the end, and of all trials."""
    best: dict[int, Point] = {}  # of each depth
    for point in sorted(points, key=lambda point: -point.mean("validation_score")):
        best.setdefault(point.n, point)
    return {
        "strategy": chosen.values.get("strategy", job.settings.strategy),
        "backbone": job.settings.backbone,
        "dataset": job.settings.dataset,
        "units": len(job.units),
        "metric": job.task.metric,
        "chosen": {**_scores(chosen), "trial": chosen.trial_id, "values": _visible(chosen.values)},
        "seeds": len(chosen.results),
        "trials": {
            status.lower(): sum(trial.status == status for trial in trials)
            for status in ("COMPLETED", "FAILED")
        },
        "left_out": left_out,
        "curve": [_scores(best[n]) for n in sorted(best)],
    }


def draw(job: Job, summary: dict[str, Any], space: keras_tuner.HyperParameters) -> None:
    """The depth curve, as a file and for TensorBoard, and the space for its HParams page."""
    seeds, metric = summary["seeds"], summary["metric"]
    title = f"{summary['strategy']} on {pathlib.Path(summary['backbone']).name}: "
    title += f"mean ± standard deviation of {seeds} seeds" if seeds > 1 else "one seed"
    depth = summary["chosen"]["n"]
    figure = depth_figure(summary["curve"], summary["units"], depth, title, metric)
    tracker = Tracker(job.directory)
    tracker.write_image("depth curve", save_figure(figure, job.directory / "depth_curve.png"))
    tracker.write_space(sorted({hp.name for hp in space.space} | {"n"}), metric)
    tracker.flush()


def _visible(values: dict[str, Any]) -> dict[str, Any]:
    """The hyper-parameters, without what KerasTuner keeps for itself but the epochs."""
    shown = {name: value for name, value in values.items() if not name.startswith("tuner/")}
    if "tuner/epochs" in values:
        shown["epochs"] = values["tuner/epochs"]
    return shown


def standard_error(point: Point, images: int) -> float:
    """Of the mean validation score: from the number of images, and from the seeds."""
    score = point.mean("validation_score")
    seeds = point.spread("validation_score") ** 2 / len(point.results)
    return math.sqrt(score * (1 - score) / images + seeds)


def _scores(point: Point) -> dict[str, Any]:
    names = {part: f"{part}_score" for part in PARTS}
    scores = {part: (point.mean(name), point.spread(name)) for part, name in names.items()}
    return {"n": point.n, **scores, "seconds": point.mean("seconds")}
