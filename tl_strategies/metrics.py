"""What predictions are worth: metrics of tasks with one label an image, and with several."""

from collections.abc import Sequence

import numpy as np

BINS = 15  # of confidence, for the calibration error (Guo et al. 2017)
TOP = 5
LEAST = 1e-7  # of a probability in a logarithm


def score(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Metrics of predictions.

    Args:
        probabilities: of shape (images, labels).
        labels: indices of shape (images,); or booleans of shape (images, labels), where an image
            may have several labels.

    Returns:
        With one label an image: accuracy; loss, the log loss in nats; balanced_accuracy, the mean
        recall of the classes that are there; macro_f1; calibration_error, the expected one; and
        top_5_accuracy where there are more than 5 labels. With several: mean_average_precision,
        exact, and as VOC 2007 defines it; loss, the mean over labels; macro_f1 at a probability of
        one half; calibration_error.
    """
    from sklearn.metrics import f1_score

    values = np.clip(probabilities.astype("float64"), LEAST, 1 - LEAST)
    calibration_off = calibration_error(*confidences(probabilities, labels))
    if labels.ndim == 2:
        f1 = f1_score(labels, probabilities > 0.5, average="macro", zero_division=0)
        voc07 = [voc07_precision(*pair) for pair in zip(probabilities.T, labels.T, strict=True)]
        return {
            "mean_average_precision": _mean(average_precisions(probabilities, labels)),
            "mean_average_precision_voc07": _mean(voc07),
            "loss": float(-np.where(labels, np.log(values), np.log(1 - values)).mean()),
            "macro_f1": float(f1),
            "calibration_error": calibration_off,
        }
    predicted = probabilities.argmax(axis=1)
    right = predicted == labels
    present = np.unique(labels)
    f1 = f1_score(labels, predicted, labels=present, average="macro", zero_division=0)
    metrics = {
        "accuracy": float(right.mean()),
        "loss": float(-np.log(values[np.arange(len(labels)), labels]).mean()),
        "balanced_accuracy": float(np.mean([right[labels == label].mean() for label in present])),
        "macro_f1": float(f1),
        "calibration_error": calibration_off,
    }
    if probabilities.shape[1] > TOP:
        best = np.argpartition(-probabilities, TOP, axis=1)[:, :TOP]
        metrics["top_5_accuracy"] = float((best == labels[:, None]).any(axis=1).mean())
    return metrics


def score_classes(
    probabilities: np.ndarray, labels: np.ndarray, names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Metrics of each class: recall and precision; average precision where images have several.

    A class that has no image, or is never predicted, lacks what that leaves without meaning.
    """
    if labels.ndim == 2:
        values = {"average_precision": average_precisions(probabilities, labels)}
    else:
        predicted = probabilities.argmax(axis=1)
        count = probabilities.shape[1]
        hits = np.bincount(labels[predicted == labels], minlength=count)
        with np.errstate(invalid="ignore"):
            values = {
                "recall": hits / np.bincount(labels, minlength=count),
                "precision": hits / np.bincount(predicted, minlength=count),
            }
    return {
        name: {metric: float(v[i]) for metric, v in values.items() if np.isfinite(v[i])}
        for i, name in enumerate(names)
    }


def average_precisions(probabilities: np.ndarray, labels: np.ndarray) -> list[float]:
    """The exact average precision of each label; NaN for one that no image has."""
    from sklearn.metrics import average_precision_score

    return [
        float(average_precision_score(truth, scores)) if truth.any() else float("nan")
        for scores, truth in zip(probabilities.T, labels.T, strict=True)
    ]


def voc07_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """VOC 2007's average precision: the mean, at recalls 0, 0.1 … 1, of the best precision there
    or beyond; NaN where nothing is true."""
    if not truth.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(truth[order])
    precision = hits / np.arange(1, len(order) + 1)
    # Recall is at least k / 10, in whole numbers: 0.3 is not 3 * 0.1.
    return float(np.mean([precision[10 * hits >= k * hits[-1]].max() for k in range(11)]))


def confidences(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How sure each prediction is, and whether it is right; of several labels, all of them."""
    if labels.ndim == 2:
        predicted = probabilities > 0.5
        sure = np.where(predicted, probabilities, 1 - probabilities)
        return sure.ravel(), (predicted == labels).ravel()
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == labels


def calibration(sure: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean confidence, accuracy and count of each bin of confidence that has predictions."""
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    there = counts > 0
    means = [np.bincount(bins, v, BINS)[there] / counts[there] for v in (sure, right)]
    return *means, counts[there]


def calibration_error(sure: np.ndarray, right: np.ndarray) -> float:
    """The expected one: the mean distance of confidence and accuracy over the bins."""
    confidence, accuracy, counts = calibration(sure, right)
    return float(np.sum(counts * np.abs(confidence - accuracy)) / counts.sum())


def image_losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The loss of each image."""
    values = np.clip(probabilities, LEAST, 1 - LEAST)
    if labels.ndim == 2:
        return -np.where(labels, np.log(values), np.log(1 - values)).mean(axis=1)
    return -np.log(values[np.arange(len(labels)), labels])


def margins(probabilities: np.ndarray, multilabel: bool) -> np.ndarray:
    """How far each prediction is from another one: small is uncertain."""
    if multilabel:
        return np.abs(probabilities - 0.5).min(axis=1)
    top = np.sort(probabilities, axis=1)[:, -2:]
    return top[:, 1] - top[:, 0]


def _mean(values: Sequence[float]) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else 0.0
