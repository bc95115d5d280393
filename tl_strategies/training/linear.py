"""Linear classifiers on stored codes, for each C; the best one becomes a Dense layer."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tl_strategies.metrics import average_precisions

UNSEEN = 100.0  # by which the score of a label without training images is below the others
MOST_STEPS = 20_000  # of a solver
C_VALUES = tuple(10.0**exponent for exponent in range(-2, 5))  # C of scikit-learn


def fit_linear(
    classifier: str,
    codes: dict[str, np.ndarray],
    labels: dict[str, np.ndarray],
    count: int,
    weights: np.ndarray,
    seed: int,
    progress: Callable[[int], None],
) -> tuple[np.ndarray, np.ndarray, float]:
    """Fit for each C, keep the one that is best on the validation part.

    Args:
        classifier: "linear_svm" (one against the rest) or "logistic_regression".
        codes, labels: of "train" and "validation"; of shape (images, features), as in a Listing.
        count: how many labels there are; one without training images gets the lowest score.
        weights: of the training images.
        seed: of the solver.
        progress: called with the number of fits done.

    Returns:
        kernel of shape (features, labels), bias of shape (labels,) and the C chosen. Softmax over
        their scores, or where images have several labels sigmoid, gives probabilities; an SVM's
        scores are scaled for that by one temperature, chosen on the validation part, which changes
        no ranking.
    """
    train, best = (codes["train"], labels["train"], count, weights), None
    for done, (penalty, kernel, bias) in enumerate(_fits(classifier, *train, seed), 1):
        scores = codes["validation"] @ kernel + bias
        metric = _metric(scores, labels["validation"])
        if best is None or metric > best[0]:  # on a tie the stronger penalty stays
            best = metric, kernel, bias, penalty, scores
        progress(done)
    _, kernel, bias, penalty, scores = best
    scale = _temperature(scores, labels["validation"]) if classifier == "linear_svm" else 1.0
    return kernel * scale, bias * scale, penalty


def _metric(scores: np.ndarray, labels: np.ndarray) -> float:
    if labels.ndim == 2:
        precisions = np.array(average_precisions(scores, labels))
        return float(precisions[np.isfinite(precisions)].mean())
    return float(np.mean(scores.argmax(axis=1) == labels))


def _fits(
    classifier: str,
    codes: np.ndarray,
    labels: np.ndarray,
    count: int,
    weights: np.ndarray,
    seed: int,
) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """Each C with the kernel and the bias that it gives; of several labels, one against the rest.

    Logistic regression goes on from one C to the next, which makes the later ones nearly free.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    def make() -> LinearSVC | LogisticRegression:
        if classifier == "linear_svm":
            return LinearSVC(random_state=seed, max_iter=MOST_STEPS)
        return LogisticRegression(warm_start=True, random_state=seed, max_iter=MOST_STEPS)

    columns = labels.T.astype(int) if labels.ndim == 2 else [labels]
    models = [make() for _ in columns]
    for penalty in C_VALUES:
        found = [
            _fit(model.set_params(C=penalty), codes, own, weights)
            for model, own in zip(models, columns, strict=True)
        ]
        if labels.ndim == 1:
            yield penalty, *_of_all(*found[0], np.unique(labels), count)
        else:
            kernel = np.stack([kernel[:, -1] for kernel, _ in found], axis=1)
            yield penalty, kernel, np.stack([bias[-1] for _, bias in found])


def _fit(model: Any, codes: np.ndarray, labels: np.ndarray, weights: np.ndarray):
    """Kernel and bias of a classifier of scikit-learn."""
    from sklearn.exceptions import ConvergenceWarning

    if (labels == labels[0]).all():  # of several, one that all images have, or none
        return np.zeros((codes.shape[1], 1), "float32"), np.float32([1 if labels[0] else -1])
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(codes, labels, sample_weight=weights)
    if noted:
        print(f"{type(model).__name__} with C = {model.C:g} ended after {MOST_STEPS} steps")
    kernel, bias = model.coef_.T, model.intercept_
    if kernel.shape[1] == 1:  # two labels: one score, for the second
        kernel, bias = np.hstack([-kernel, kernel]) / 2, np.hstack([-bias, bias]) / 2
    return kernel.astype("float32"), bias.astype("float32")


def _of_all(
    kernel: np.ndarray, bias: np.ndarray, present: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias with a column for each label, also for those that were not there."""
    whole = np.zeros((len(kernel), count), "float32")
    low = np.full(count, bias.min() - UNSEEN, "float32")
    whole[:, present], low[present] = kernel, bias
    return whole, low


def _temperature(scores: np.ndarray, labels: np.ndarray) -> float:
    """The factor on the scores at which their probabilities have the lowest log loss."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_expit, log_softmax

    def loss(exponent: float) -> float:
        scaled = np.exp(exponent) * scores
        if labels.ndim == 2:
            return -log_expit(np.where(labels, scaled, -scaled)).mean()
        return -log_softmax(scaled, axis=1)[np.arange(len(labels)), labels].mean()

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 5), method="bounded").x))
