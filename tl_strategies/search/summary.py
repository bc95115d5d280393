"""What a search ends with: summary.json and the depth curve."""

import pathlib
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial

from tl_strategies.runs.job import Job
from tl_strategies.search.results import Point, visible
from tl_strategies.tracking.figures import depth_figure, save_figure
from tl_strategies.tracking.tensorboard import Tracker


def summarise(
    job: Job, points: list[Point], chosen: Point, trials: list[Trial], left_out: dict[str, Any]
) -> dict[str, Any]:
    """The content of summary.json.

    Args:
        job: of the search.
        points: those that were trained to the end.
        chosen: one of them.
        trials: all.
        left_out: what a probe has left out.
    """
    return {
        "strategy": chosen.values.get("strategy", job.settings.strategy),
        "backbone": job.settings.backbone,
        "dataset": job.settings.dataset,
        "units": len(job.units),
        "metric": job.task.metric,
        "chosen": {**_scores(chosen), "trial": chosen.trial_id, "values": visible(chosen.values)},
        "seeds": len(chosen.results),
        "trials": {
            status.lower(): sum(trial.status == status for trial in trials)
            for status in ("COMPLETED", "FAILED")
        },
        "left_out": left_out,
        "curve": [_scores(point) for point in _curve(points)],
    }


def draw(job: Job, summary: dict[str, Any], space: keras_tuner.HyperParameters) -> None:
    """The depth curve, as a file and for TensorBoard, and the space for its HParams page."""
    title = f"{summary['strategy']} on {pathlib.Path(summary['backbone']).name}: "
    several = summary["seeds"] > 1
    title += f"mean ± standard deviation of {summary['seeds']} seeds" if several else "one seed"
    depth, metric = summary["chosen"]["n"], summary["metric"]
    figure = depth_figure(summary["curve"], summary["units"], depth, title, metric)
    pixels = save_figure(figure, job.directory / "depth_curve.png")
    tracker = Tracker(job.directory)
    tracker.write_image("depth curve", pixels)
    tracker.write_space(sorted({hp.name for hp in space.space} | {"n"}), metric)
    tracker.flush()


def _curve(points: list[Point]) -> list[Point]:
    """The best point of each depth, ascending."""
    best: dict[int, Point] = {}
    for point in points:
        rival = best.get(point.n)
        if not rival or point.mean("validation_score") > rival.mean("validation_score"):
            best[point.n] = point
    return [best[n] for n in sorted(best)]


def _scores(point: Point) -> dict[str, Any]:
    scores = {
        part: (point.mean(f"{part}_score"), point.spread(f"{part}_score"))
        for part in ("validation", "test")
    }
    return {"n": point.n, **scores, "seconds": point.mean("seconds")}
