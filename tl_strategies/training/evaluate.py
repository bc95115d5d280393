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
from tl_strategies.training.forward import make_forward, run_batches

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
    labels = {part: images.listing.labels[images.positions(part)] for part in EVALUATED_PARTS}
    results = {part: score(predictions[part], labels[part]) for part in EVALUATED_PARTS}
    for part in EVALUATED_PARTS:
        for name, value in results[part].items():
            tracker.write_scalar(f"{part}/{name}", value)
    names = images.listing.task.names
    accuracy = results["test"]["accuracy"]
    title = f"{len(labels['test'])} test images, accuracy {accuracy:.3f}"
    figure = confusion_figure(confusion_matrix(predictions["test"], labels["test"]), names, title)
    save_figure(figure, directory / "confusion_matrix.png")
    tracker.write_image("confusion matrix, test", figure_pixels(figure))
    tracker.flush()
    return {**results, "seconds": time.perf_counter() - start}


def predict(model: keras.Model, images: Images) -> dict[str, np.ndarray]:
    """Probabilities of the images of each evaluated part, float32 of shape (images, labels)."""
    forward = make_forward(model)
    return {
        part: np.concatenate(
            [values for _, values in run_batches(forward, images, images.positions(part))]
        )
        for part in EVALUATED_PARTS
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
