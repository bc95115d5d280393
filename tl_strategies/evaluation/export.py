"""A run's model in another format, compared with the model before it is handed over."""

import json
import math
import pathlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tl_strategies import metrics
from tl_strategies.directories import expanded
from tl_strategies.environment import plain_keras
from tl_strategies.errors import UsageError
from tl_strategies.evaluation.formats import check_format, check_out
from tl_strategies.evaluation.predict import LABELS, labels_of, load_model, model_places
from tl_strategies.evaluation.run_images import images_of_run
from tl_strategies.evaluation.runtimes import load_export
from tl_strategies.evaluation.writers import write_model
from tl_strategies.files import atomic_write, remove_leftovers, write_text
from tl_strategies.image_size import parse_size
from tl_strategies.task import Task
from tl_strategies.training.forward import BATCH, Forward, make_forward, run_rows

REPORT = "export.json"
COMPARED = 1000  # test images
CALIBRATED = 200  # training images
# The largest difference of a probability.
DIFFERENCES = {"float32": 1e-4, "float16": 2e-2}
LOSS = 0.02  # of accuracy, or of the task's metric, that int8 may cost


@plain_keras()
def export(
    directory: pathlib.Path,
    name: str | None,
    precision: str = "float32",
    out: str | pathlib.Path | None = None,
    force: bool = False,
    data: Any = None,
) -> dict[str, Any]:
    """Write a run's model in another format, beside labels.txt and export.json.

    It is loaded in its own runtime and compared with the model on test images of the run.

    Args:
        directory: of a run, or of a search, whose best counts.
        name: of the format.
        precision: "float32", "float16" or "int8", which looks at training images of the run.
        out: the directory to make; None for one in `export/` below the run.
        force: hand it over though it differs.
        data: what the run was given from memory; see `list_data`.

    Returns:
        The content of export.json, and under "directory" where it lies.

    Raises:
        UsageError: there is no such format, run or image, or the export differs.
    """
    kind = check_format(name, precision)
    place = _only_place(directory)
    out = place / "export" / f"{name}-{precision}" if out is None else expanded(out)
    check_out(out)
    task = Task(*labels_of(place))
    with tf.device("CPU"):  # as the runtimes are
        model = load_model(place, task.label_count)
        forward = make_forward(model)
        size = parse_size(tuple(model.inputs[0].shape[1:3]))

        def images(part: str, most: int) -> tuple[np.ndarray, np.ndarray]:
            return images_of_run(place, part, most, size, task, data)

        calibration = images("train", CALIBRATED)[0] if precision == "int8" else None
        tested = images("test", COMPARED)
        remove_leftovers(out.parent, f"-{out.name}")
        with atomic_write(out) as aside:
            aside.mkdir()
            file = aside / kind.file
            try:
                write_model(model, file, name, precision, task.names, calibration)
                compared = _compare(forward, load_export(file, name), *tested, task)
            except (OSError, MemoryError):
                raise
            except Exception as error:  # converters and runtimes have each their own kinds
                raise UsageError(
                    f"The model must be one that {name} holds in {precision}. Received: "
                    f"{type(error).__name__}: {' '.join(str(error).split())[-300:]} Try another "
                    "--precision or --format."
                ) from error
            report = {"format": name, "precision": precision, "run": str(place)} | compared
            report["bytes"] = sum(path.stat().st_size for path in aside.rglob("*"))
            if not force:
                _refuse_different(report, precision)
            write_text(aside / LABELS, "".join(f"{label}\n" for label in task.names))
            write_text(aside / REPORT, json.dumps(report, indent=1) + "\n")
    return report | {"directory": out}


def _only_place(directory: pathlib.Path) -> pathlib.Path:
    places = model_places(directory)
    if len(places) > 1:
        raise UsageError(
            f"RUN must be one run. Received: {directory}, which has several. Name one of "
            f"{', '.join(map(str, places))}."
        )
    return places[0]


def _compare(
    model: Forward, exported: Forward, images: np.ndarray, labels: np.ndarray, task: Task
) -> dict[str, Any]:
    """The task's metric and the speed of both, and the largest difference of probabilities."""
    found = [_measured(forward, images) for forward in (model, exported)]
    (expected, _), (actual, _) = found
    scores = [metrics.score(values, labels)[task.metric] for values, _ in found]
    return {
        "images": len(images),
        "largest_difference": float(np.abs(expected - actual).max()),
        "metric": task.metric,
        "model": {task.metric: scores[0], "images_per_second": found[0][1]},
        "export": {task.metric: scores[1], "images_per_second": found[1][1]},
    }


def _measured(forward: Callable, images: np.ndarray) -> tuple[np.ndarray, float]:
    """Probabilities of images, and how many go through in a second, in batches of BATCH."""
    rows = np.arange(len(images))
    forward(images[np.resize(rows, BATCH)])  # what is built at first use
    start = time.perf_counter()
    probabilities = np.stack([*run_rows(forward, images, rows)])
    return probabilities, -(-len(rows) // BATCH) * BATCH / (time.perf_counter() - start)


def _refuse_different(report: dict[str, Any], precision: str) -> None:
    difference, metric = report["largest_difference"], report["metric"]
    before, after = (report[which][metric] for which in ("model", "export"))
    if precision in DIFFERENCES:
        most = DIFFERENCES[precision]
        within, must = difference <= most, f"a difference of at most {most:g}"
    else:
        within = math.isfinite(difference) and after >= before - LOSS
        must = f"a loss of at most {100 * LOSS:.0f} points"
    if not within:
        raise UsageError(
            f"An export of {precision} must predict what the model does, with {must}. Received: "
            f"probabilities that differ by {difference:.2g}, {metric.replace('_', ' ')} "
            f"{after:.3f} in place of {before:.3f}, on {report['images']} test images. Nothing was "
            "written; --force hands it over."
        )
