"""Evaluation of a saved model: predictions.csv, metrics, the confusion matrix."""

import csv
import io
import pathlib
import time
from typing import Any

import keras
import numpy as np

from tl_strategies.data.cache import write_text
from tl_strategies.data.images import Images
from tl_strategies.tracking.figures import confusion_figure, figure_pixels, save_figure
from tl_strategies.tracking.tensorboard import Tracker
from tl_strategies.training.features import Features
from tl_strategies.training.forward import make_forward, run_batches
from tl_strategies.training.inputs import part_inputs

EVALUATED_PARTS = ("validation", "test")


def evaluate_saved(directory: pathlib.Path, images: Images, tracker: Tracker) -> dict[str, Any]:
    """Load the model that a run has saved, evaluate that, and write what comes out.

    Returns:
        Metrics by part, and the seconds that it took.
    """
    start = time.perf_counter()
    model = keras.models.load_model(directory / "model.keras")
    predictions = predict(model, images)
    write_text(directory / "predictions.csv", predictions_csv(images, predictions))
    labels = {part: images.listing.labels[images.positions(part)] for part in predictions}
    results = {part: score(values, labels[part]) for part, values in predictions.items()}
    write_scores(tracker, results)
    names = images.listing.task.names
    accuracy = results["test"]["accuracy"]
    title = f"{len(labels['test'])} test images, accuracy {accuracy:.3f}"
    figure = confusion_figure(confusion_matrix(predictions["test"], labels["test"]), names, title)
    save_figure(figure, directory / "confusion_matrix.png")
    tracker.write_image("confusion matrix, test", figure_pixels(figure))
    tracker.flush()
    return {**results, "seconds": time.perf_counter() - start}


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
    forward = make_forward(features.cut(depth)[1])
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


def score(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy, and log loss in nats."""
    chosen = probabilities[np.arange(len(labels)), labels]
    return {
        "accuracy": float(np.mean(probabilities.argmax(axis=1) == labels)),
        "loss": float(-np.log(np.clip(chosen, 1e-7, 1)).mean()),
    }


def confusion_matrix(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Counts of shape (labels, labels): true label by predicted one."""
    count = probabilities.shape[1]
    matrix = np.zeros((count, count), dtype=int)
    np.add.at(matrix, (labels, probabilities.argmax(axis=1)), 1)
    return matrix


def predictions_csv(images: Images, predictions: dict[str, np.ndarray]) -> str:
    """The text of predictions.csv.

    Args:
        images: the data set.
        predictions: probabilities by part.
    """
    names = images.listing.task.names
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "label", "predicted", "part", *names])
    for part, probabilities in predictions.items():
        for position, row in zip(images.positions(part), probabilities, strict=True):
            label = names[images.listing.labels[position]]
            predicted = names[row.argmax()]
            path = images.listing.paths[position]
            writer.writerow([path, label, predicted, part, *(f"{value:.7g}" for value in row)])
    return text.getvalue()
