"""What a search has found: trials.csv, the depth curve, the choice of n."""

import csv
import dataclasses
import io
import math
import pathlib
import statistics
from typing import Any

from keras_tuner.engine.trial import Trial

from tl_strategies.files import read_json
from tl_strategies.runs.trainer import RESULT
from tl_strategies.search.oracles import reason


@dataclasses.dataclass(frozen=True)
class Point:
    """A point of the space, with a result for each seed.

    Attributes:
        trial_id: of its trial.
        n: the transfer depth.
        values: of all hyper-parameters.
        results: as the trial wrote them.
    """

    trial_id: str
    n: int
    values: dict[str, Any]
    results: list[dict[str, Any]]

    def mean(self, name: str) -> float:
        return statistics.fmean(result[name] for result in self.results)

    def spread(self, name: str) -> float:
        """Standard deviation over the seeds; 0 for one."""
        values = [result[name] for result in self.results]
        return statistics.stdev(values) if len(values) > 1 else 0.0


def read_results(directory: pathlib.Path, trial_id: str) -> list[dict[str, Any]]:
    """The results of a trial's seeds, as far as they are there."""
    files = (directory / "trials" / trial_id).glob(f"seed*/{RESULT}")
    results = [result for result in map(read_json, files) if result is not None]
    return sorted(results, key=lambda result: result["seed"])


def completed_points(directory: pathlib.Path, trials: list[Trial], epochs: int) -> list[Point]:
    """The points that were trained to the end."""
    points = []
    for trial in trials:
        values = trial.hyperparameters.values
        whole = values.get("tuner/epochs", epochs) == values.get("epochs", epochs)
        if trial.status == "COMPLETED" and whole:
            results = read_results(directory, trial.trial_id)
            points.append(Point(trial.trial_id, results[0]["n"], values, results))
    return points


def trials_csv(directory: pathlib.Path, trials: list[Trial], metric: str) -> str:
    """The text of trials.csv: a row for each seed of each trial that has ended.

    Args:
        directory: of the search.
        trials: of it.
        metric: the name of what is a score.
    """
    ended = [trial for trial in trials if trial.status in ("COMPLETED", "FAILED")]
    names = {name: None for trial in ended for name in visible(trial.hyperparameters.values)}
    names.pop("n", None)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    scores = (f"validation_{metric}", f"test_{metric}")
    ends = ("seed", "status", *scores, "seconds", "reason")
    writer.writerow(["trial", "n", *sorted(names), *ends])
    for trial in sorted(ended, key=lambda trial: trial.trial_id):
        values = visible(trial.hyperparameters.values)
        point = [values.get(name, "") for name in sorted(names)]
        if trial.status == "FAILED":
            n = values.get("n", "")
            why = reason(directory, trial.trial_id)
            writer.writerow([trial.trial_id, n, *point, "", "failed", "", "", "", why])
            continue
        for result in read_results(directory, trial.trial_id):
            scores = [f"{result[f'{part}_score']:.6g}" for part in ("validation", "test")]
            seconds = f"{result['seconds']:.1f}"
            row = [
                trial.trial_id,
                result["n"],
                *point,
                result["seed"],
                "completed",
                *scores,
                seconds,
                "",
            ]
            writer.writerow(row)
    return text.getvalue()


def visible(values: dict[str, Any]) -> dict[str, Any]:
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


def choose(points: list[Point], images: int, one_standard_error: bool) -> Point:
    """The best point on validation images; of equals, that with the largest n.

    Args:
        points: at least one.
        images: how many validation images there are.
        one_standard_error: take the largest n that is within one standard error of that
            (Breiman et al. 1984), since it is the cheapest.
    """

    def order(point: Point) -> tuple[float, int]:
        return point.mean("validation_score"), point.n

    best = max(points, key=order)
    if not one_standard_error:
        return best
    least = order(best)[0] - standard_error(best, images)
    near = [point for point in points if order(point)[0] >= least]
    return max(near, key=lambda point: order(point)[::-1])
