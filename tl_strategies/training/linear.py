"""Linear classifiers on codes: what the solvers give for each C."""

import dataclasses
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

UNSEEN = 100.0  # by which the score of a label without training images is below the others
MOST_STEPS, TOLERANCE = 20_000, 1e-4  # of a solver

Solution = tuple[float, np.ndarray, np.ndarray]  # C, kernel (features, labels), bias (labels,)


@dataclasses.dataclass(frozen=True)
class Linear:
    """Scores are `codes @ kernel + bias`; softmax, or sigmoid for several labels, ends them."""

    kernel: np.ndarray  # of shape (values, labels)
    bias: np.ndarray
    choice: float  # C

    def scores(self, codes: np.ndarray) -> np.ndarray:
        """Of shape (images, labels)."""
        return codes @ self.kernel + self.bias

    def scaled(self, factor: float) -> "Linear":
        """The same with other probabilities and the same ranking."""
        return dataclasses.replace(self, kernel=self.kernel * factor, bias=self.bias * factor)

    def install(self, model: keras.Model) -> keras.Model:
        """The model with this classifier as its last layer."""
        model.layers[-1].set_weights([self.kernel, self.bias])
        return model


def solutions(
    classifier: str,
    codes: np.ndarray,
    labels: np.ndarray,
    count: int,
    weights: np.ndarray,
    seed: int,
    penalties: Sequence[float],
) -> Iterator[Solution]:
    """Fit for each C, as scikit-learn defines it; of several labels, one against the rest.

    Logistic regression goes on from one C to the next, which makes the later ones nearly free.

    Args:
        classifier: "linear_svm" (one against the rest), "logistic_regression", or "ridge", whose
            penalty is 1 / C.
        codes, labels: of training images, of shape (images, features), and as in a Listing.
        count: how many labels there are; one without training images gets the lowest score.
        weights: of the images.
        seed: of the solver.
        penalties: the values of C, in rising order.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    if classifier == "ridge":
        yield from _ridge(codes, 2 * one_hot(labels, count) - 1, weights, penalties)
        return

    options = {"random_state": seed, "max_iter": MOST_STEPS, "tol": TOLERANCE}

    def make() -> LinearSVC | LogisticRegression:
        if classifier == "linear_svm":
            return LinearSVC(**options)
        return LogisticRegression(warm_start=True, **options)

    columns = labels.T.astype(int) if labels.ndim == 2 else [labels]
    models = [make() for _ in columns]
    for penalty in penalties:
        found = [
            _fit(model.set_params(C=penalty), codes, own, weights)
            for model, own in zip(models, columns, strict=True)
        ]
        if labels.ndim == 1:
            yield penalty, *_of_all(*found[0], np.unique(labels), count)
        else:
            kernels, biases = zip(*found, strict=True)
            yield penalty, np.hstack(kernels), np.hstack(biases)


def one_hot(labels: np.ndarray, count: int) -> np.ndarray:
    """Labels as in a Listing as 0 and 1, float32 of shape (images, count)."""
    return labels.astype("float32") if labels.ndim == 2 else np.eye(count, dtype="float32")[labels]


def _ridge(
    codes: np.ndarray, targets: np.ndarray, weights: np.ndarray, penalties: Sequence[float]
) -> Iterator[Solution]:
    """In closed form, from one Gram matrix for all penalties: of values or of images."""
    means = [np.average(values, axis=0, weights=weights) for values in (codes, targets)]
    root = np.sqrt(weights)[:, None]
    x, y = (root * (values - mean) for values, mean in zip((codes, targets), means, strict=True))
    wide = x.shape[1] > len(x)
    squares, axes = np.linalg.eigh(x @ x.T if wide else x.T @ x)
    turned = axes.T @ (y if wide else x.T @ y)
    for penalty in penalties:
        kernel = axes @ (turned / (np.maximum(squares, 0) + 1 / penalty)[:, None])
        kernel = (x.T @ kernel if wide else kernel).astype("float32")
        yield penalty, kernel, (means[1] - means[0] @ kernel).astype("float32")


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
    return model.coef_.T.astype("float32"), model.intercept_.astype("float32")


def _of_all(
    kernel: np.ndarray, bias: np.ndarray, present: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias with a column for each label, also for those that were not there."""
    if len(present) == 2:  # one score, for the second
        kernel, bias = np.hstack([-kernel, kernel]) / 2, np.hstack([-bias, bias]) / 2
    whole = np.zeros((len(kernel), count), "float32")
    low = np.full(count, bias.min() - UNSEEN, "float32")
    whole[:, present], low[present] = kernel, bias
    return whole, low
