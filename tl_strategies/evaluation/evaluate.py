"""Evaluation of a saved model: predictions.csv, metrics, figures."""

import itertools
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from matplotlib.figure import Figure

from tl_strategies import metrics
from tl_strategies.data.images import Images
from tl_strategies.evaluation.sheets import predicted_text, trouble_sheets
from tl_strategies.files import csv_text, write_text
from tl_strategies.output import cell
from tl_strategies.tracking import figures
from tl_strategies.tracking.tensorboard import Tracker
from tl_strategies.training.calibration import uncalibrated
from tl_strategies.training.features import Features
from tl_strategies.training.forward import make_forward, run_rows
from tl_strategies.training.inputs import part_inputs

EVALUATED_PARTS = ("validation", "test")


def evaluate_saved(
    directory: pathlib.Path,
    images: Images,
    tracker: Tracker,
    validation: np.ndarray | None = None,
    temperature: float | None = None,
) -> dict[str, Any]:
    """Load the model that a run has saved, evaluate that, and write what comes out.

    Args:
        directory: of the run.
        images: the data set.
        tracker: is told what comes out.
        validation: probabilities of a model that was not fitted on the validation images, where
            the saved one was.
        temperature: that the model was given; see `calibrate`.

    Returns:
        Metrics by part, those of each class on test images, what the temperature has changed, and
        the seconds that it took.
    """
    start = time.perf_counter()
    model = keras.models.load_model(directory / "model.keras")
    forward = make_forward(model)
    positions = {part: images.positions(part) for part in EVALUATED_PARTS}
    predictions = {} if validation is None else {"validation": validation}
    for part, own in positions.items():
        if len(own) and part not in predictions:
            predictions[part] = np.stack([*run_rows(forward, images, own)])
    write_text(directory / "predictions.csv", predictions_csv(images, predictions))
    listing = images.listing
    labels = {part: listing.labels[positions[part]] for part in predictions}
    results = {part: metrics.score(values, labels[part]) for part, values in predictions.items()}
    write_scores(tracker, results)
    drawn = _figures(images, predictions["test"], labels["test"], results["test"])
    sheets = trouble_sheets(images, predictions["test"], model)
    for name, figure in itertools.chain(drawn, sheets):
        pixels = figures.save_figure(figure, directory / f"{name.replace(' ', '_')}.png")
        tracker.write_image(f"{name}, test", pixels)
    tracker.flush()
    classes = metrics.score_classes(predictions["test"], labels["test"], listing.task.names)
    calibration = {"temperature": temperature}
    for part, values in predictions.items() if temperature else ():
        before = uncalibrated(values, temperature, listing.task.multilabel)
        error = metrics.score(before, labels[part])["calibration_error"]
        calibration[f"{part}_error_before"] = error
    seconds = time.perf_counter() - start
    return {**results, "classes": classes, "calibration": calibration, "seconds": seconds}


def _figures(
    images: Images, probabilities: np.ndarray, labels: np.ndarray, scores: dict[str, float]
) -> Iterator[tuple[str, Figure]]:
    """Name and figure of what the test part shows."""
    from sklearn.metrics import confusion_matrix

    task = images.listing.task
    count, metric = f"{len(labels)} test images", task.metric.replace("_", " ")
    if not task.multilabel:
        predicted = probabilities.argmax(axis=1)
        title = f"{count}, {metric} {scores[task.metric]:.3f}"
        matrix = confusion_matrix(labels, predicted, labels=range(task.label_count))
        yield "confusion matrix", figures.confusion_figure(matrix, task.names, title)
    bins = metrics.calibration(*metrics.confidences(probabilities, labels))
    title = f"{count}, expected calibration error {scores['calibration_error']:.3f}"
    yield "reliability", figures.reliability_figure(*bins, title)


def write_scores(tracker: Tracker, results: dict[str, dict[str, float]]) -> None:
    """Tell the tracker the metrics of each part."""
    for part, scores in results.items():
        for name, value in scores.items():
            tracker.write_scalar(f"{part}/{name}", value)


def evaluate_features(
    features: Features, validation: np.ndarray | None
) -> dict[str, dict[str, float]]:
    """Metrics by part of the model as it stands, from features that no phase trained.

    Probabilities of validation images may be given, as in `evaluate_saved`.
    """
    depth = features.plan.frozen_depth
    inputs = {part: part_inputs(features.images, part) for part in EVALUATED_PARTS}
    forward = features.forward(depth, None)
    results = {}
    for part, array in features.fetch(depth, inputs).items():
        if validation is not None and part == "validation":
            probabilities = validation
        else:
            probabilities = np.stack([*run_rows(forward, array, np.arange(array.shape[0]))])
        results[part] = metrics.score(probabilities, inputs[part].labels)
    return results


def predictions_csv(images: Images, predictions: dict[str, np.ndarray]) -> str:
    """The text of predictions.csv; a label that a spreadsheet would compute begins with '."""
    listing = images.listing
    rows = [["path", "label", "predicted", "part", *map(cell, listing.task.names)]]
    for part, probabilities in predictions.items():
        for position, row in zip(images.positions(part), probabilities, strict=True):
            label, predicted = listing.label_text(position), predicted_text(listing.task, row)
            names = [listing.paths[position], cell(label), cell(predicted), part]
            rows.append([*names, *(f"{value:.7g}" for value in row)])
    return csv_text(rows)
