"""Evaluation of a saved model: predictions.csv, metrics, the confusion matrix."""

import csv
import io

import keras
import numpy as np

from tl_strategies.data.images import Images
from tl_strategies.training.features import make_forward, run_batches

EVALUATED_PARTS = ("validation", "test")


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
