"""Evaluation of a saved model: predictions.csv, metrics, figures."""

import csv
import io
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from matplotlib.figure import Figure

from tl_strategies.data.images import Images
from tl_strategies.files import write_text
from tl_strategies.metrics import (
    calibration,
    confidences,
    image_losses,
    margins,
    score,
    score_classes,
)
from tl_strategies.output import cell, shown
from tl_strategies.task import Task
from tl_strategies.tracking.figures import (
    confusion_figure,
    reliability_figure,
    save_figure,
    sheet_figure,
)
from tl_strategies.tracking.tensorboard import Tracker
from tl_strategies.training.features import Features
from tl_strategies.training.forward import make_forward, run_batches
from tl_strategies.training.inputs import part_inputs

EVALUATED_PARTS = ("validation", "test")
SHOWN = 24  # images on a contact sheet


def evaluate_saved(directory: pathlib.Path, images: Images, tracker: Tracker) -> dict[str, Any]:
    """Load the model that a run has saved, evaluate that, and write what comes out.

    Returns:
        Metrics by part, those of each class on test images, and the seconds that it took.
    """
    start = time.perf_counter()
    model = keras.models.load_model(directory / "model.keras")
    predictions = predict(model, images)
    write_text(directory / "predictions.csv", predictions_csv(images, predictions))
    listing = images.listing
    labels = {part: listing.labels[images.positions(part)] for part in predictions}
    results = {part: score(values, labels[part]) for part, values in predictions.items()}
    write_scores(tracker, results)
    for name, figure in _figures(images, predictions["test"], labels["test"], results["test"]):
        pixels = save_figure(figure, directory / f"{name.replace(' ', '_')}.png")
        tracker.write_image(f"{name}, test", pixels)
    tracker.flush()
    classes = score_classes(predictions["test"], labels["test"], listing.task.names)
    return {**results, "classes": classes, "seconds": time.perf_counter() - start}


def _figures(
    images: Images, probabilities: np.ndarray, labels: np.ndarray, metrics: dict[str, float]
) -> Iterator[tuple[str, Figure]]:
    """Name and figure of what the test part shows."""
    task, positions = images.listing.task, images.positions("test")
    metric = task.metric
    title = f"{len(labels)} test images, {metric.replace('_', ' ')} {metrics[metric]:.3f}"
    if not task.multilabel:
        matrix = confusion_matrix(probabilities, labels)
        yield "confusion matrix", confusion_figure(matrix, task.names, title)
    bins = calibration(*confidences(probabilities, labels))
    error = f"expected calibration error {metrics['calibration_error']:.3f}"
    yield "reliability", reliability_figure(*bins, f"{len(labels)} test images, {error}")
    orders = {
        "worst": (-image_losses(probabilities, labels), "test images with the highest loss"),
        "least certain": (margins(probabilities, task.multilabel), "least certain test images"),
    }
    for name, (order, what) in orders.items():
        chosen = np.argsort(order, kind="stable")[:SHOWN]
        captions = [
            f"{shown(images.listing.label_text(positions[i])) or 'none'}\n"
            f"→ {shown(predicted_text(task, probabilities[i])) or 'none'} "
            f"{probabilities[i].max():.2f}"
            for i in chosen
        ]
        yield name, sheet_figure(images[positions[chosen]], captions, f"{what}: label → predicted")


def write_scores(tracker: Tracker, results: dict[str, dict[str, float]]) -> None:
    """Tell the tracker the metrics of each part."""
    for part, metrics in results.items():
        for name, value in metrics.items():
            tracker.write_scalar(f"{part}/{name}", value)


def evaluate_features(features: Features) -> dict[str, dict[str, float]]:
    """Metrics by part of the model as it stands, from features that no phase trained."""
    depth = features.frozen_depth
    inputs = {part: part_inputs(features.images, part) for part in EVALUATED_PARTS}
    arrays = features.fetch(depth, inputs)
    forward = features.forward(depth, None)
    results = {}
    for part, array in arrays.items():
        batches = run_batches(forward, array, np.arange(array.shape[0]))
        probabilities = np.concatenate([values for _, values in batches])
        results[part] = score(probabilities, inputs[part].labels)
    return results


def predict(model: keras.Model, images: Images) -> dict[str, np.ndarray]:
    """Probabilities of each evaluated part that has images, float32 of shape (images, labels)."""
    forward = make_forward(model)
    return {
        part: np.concatenate(
            [values for _, values in run_batches(forward, images, images.positions(part))]
        )
        for part in EVALUATED_PARTS
        if len(images.positions(part))
    }


def confusion_matrix(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Counts of shape (labels, labels): true label by predicted one."""
    count = probabilities.shape[1]
    matrix = np.zeros((count, count), dtype=int)
    np.add.at(matrix, (labels, probabilities.argmax(axis=1)), 1)
    return matrix


def predicted_text(task: Task, probabilities: np.ndarray) -> str:
    """The name of the likeliest label; of several labels, those that are likelier than not."""
    if not task.multilabel:
        return task.names[probabilities.argmax()]
    return ";".join(task.names[i] for i in np.flatnonzero(probabilities > 0.5))


def predictions_csv(images: Images, predictions: dict[str, np.ndarray]) -> str:
    """The text of predictions.csv; a label that a spreadsheet would compute begins with '.

    Args:
        images: the data set.
        predictions: probabilities by part.
    """
    names = images.listing.task.names
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "label", "predicted", "part", *map(cell, names)])
    for part, probabilities in predictions.items():
        for position, row in zip(images.positions(part), probabilities, strict=True):
            label = cell(images.listing.label_text(position))
            predicted = cell(predicted_text(images.listing.task, row))
            path = images.listing.paths[position]
            writer.writerow([path, label, predicted, part, *(f"{value:.7g}" for value in row)])
    return text.getvalue()
