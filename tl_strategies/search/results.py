"""What a search has found: points with their results, and the choice among them."""

import dataclasses
import math
import pathlib
import statistics
from typing import Any

from tl_strategies.files import read_json
from tl_strategies.runs.trainer import RESULT


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


def read_results(directory: pathlib.Path, trial_id: str) -> list[dict[str, Any]]:
    """The results of a trial's seeds, as far as they are there."""
    files = (directory / "trials" / trial_id).glob(f"seed*/{RESULT}")
    results = [result for result in map(read_json, files) if result is not None]
    return sorted(results, key=lambda result: result["seed"])


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


def best_training(directory: pathlib.Path, point: Point) -> pathlib.Path:
    """The directory of a point's training that is best on validation images."""
    best = max(point.results, key=lambda result: result["validation_score"])
    return directory / "trials" / point.trial_id / f"seed{best['seed']}"


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
