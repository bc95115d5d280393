"""Classifiers on codes: fitted on training images, tuned on validation images, scored on test ones.

Codes are standardised by the training images, and scaled to unit length on the mean, so that the
same penalties suit every unit. Where images are fewer than code values, codes are first turned into
the space that the training images span: a linear classifier with an L2 penalty is the same there.
"""

import functools

import numpy as np

from tl_strategies.analysis.probe.settings import DROPOUT
from tl_strategies.metrics import average_precisions
from tl_strategies.training.linear import fit_linear

LINEAR = {"svm": "linear_svm", "softmax": "logistic_regression"}
NEIGHBOURS = (1, 3, 5, 10, 20, 50)
VOTE = 0.07  # a neighbour's vote falls by e over this cosine distance (Wu et al. 2018)
PENALTIES = np.logspace(-4, 4, 9)  # of ridge
MASKS = 4  # of each training image, with dropout
EVALUATED = ("validation", "test")
KEPT = 0.5  # of its code values (Donahue et al. 2014)

Parts = dict[str, np.ndarray]  # of "train", "validation" and "test"


def score_codes(
    name: str, codes: Parts, labels: Parts, count: int, seed: int
) -> tuple[float, float]:
    """Validation and test accuracy, or where images have several labels mean average precision.

    Args:
        name: one of CLASSIFIERS, with dropout of the training codes or without.
        codes: of shape (images, features).
        labels: as in a Listing.
        count: how many labels there are.
        seed: of the solver and of the dropout.
    """
    kind = name.removesuffix(DROPOUT)
    codes, labels = standardised(codes), dict(labels)
    if kind != name:
        random = np.random.default_rng(seed)
        train = np.tile(codes["train"], (MASKS, 1))
        codes["train"] = train * (random.random(train.shape, "float32") < KEPT) / KEPT
        labels["train"] = np.concatenate([labels["train"]] * MASKS)
    if kind == "knn":
        scores = _neighbours(codes, labels, count)
    else:
        codes = spanned(codes)
        fit = _ridge if kind == "ridge" else functools.partial(_linear, LINEAR[kind], seed)
        scores = fit(codes, labels, count)
    validation, test = (_score(scores[part], labels[part]) for part in EVALUATED)
    return validation, test


def standardised(codes: Parts) -> Parts:
    """Codes with mean 0 and one deviation in all values of training images, of mean length 1."""
    mean, scale = codes["train"].mean(axis=0), codes["train"].std(axis=0) + 1e-6
    scale = scale * np.sqrt(len(scale))
    return {part: (values - mean) / scale for part, values in codes.items()}


def spanned(codes: Parts) -> Parts:
    """Codes in the space that those of the training images span, where that is smaller."""
    count, size = codes["train"].shape
    if size <= count:
        return codes
    axes = np.linalg.svd(codes["train"], full_matrices=False)[2].T
    return {part: values @ axes for part, values in codes.items()}


def _linear(kind: str, seed: int, codes: Parts, labels: Parts, count: int) -> Parts:
    weights = np.ones(len(codes["train"]), "float32")
    kernel, bias, _ = fit_linear(kind, codes, labels, count, weights, seed, lambda done: None)
    return {part: codes[part] @ kernel + bias for part in EVALUATED}


def _ridge(codes: Parts, labels: Parts, count: int) -> Parts:
    """Scores of the penalty with the lowest leave-one-out error, in closed form."""
    from sklearn.linear_model import RidgeCV

    targets = 2.0 * _one_hot(labels["train"], count) - 1
    model = RidgeCV(PENALTIES).fit(codes["train"], targets)
    return {part: model.predict(codes[part]) for part in EVALUATED}


def _neighbours(codes: Parts, labels: Parts, count: int) -> Parts:
    """Votes of the nearest training images by cosine, as many as are best on validation images."""
    from sklearn.neighbors import NearestNeighbors

    most = min(max(NEIGHBOURS), len(codes["train"]))
    nearest = NearestNeighbors(n_neighbors=most, metric="cosine").fit(codes["train"])
    targets = _one_hot(labels["train"], count)
    votes = {}
    for part in EVALUATED:
        distances, found = nearest.kneighbors(codes[part])
        votes[part] = np.cumsum(targets[found] * np.exp(-distances / VOTE)[..., None], axis=1)
    numbers = [number for number in NEIGHBOURS if number <= most]
    own, true = votes["validation"], labels["validation"]
    best = max(numbers, key=lambda number: _score(own[:, number - 1], true))
    return {part: values[:, best - 1] for part, values in votes.items()}


def _one_hot(labels: np.ndarray, count: int) -> np.ndarray:
    return labels.astype("float32") if labels.ndim == 2 else np.eye(count, dtype="float32")[labels]


def _score(scores: np.ndarray, labels: np.ndarray) -> float:
    if labels.ndim == 2:
        precisions = np.array(average_precisions(scores, labels))
        return float(precisions[np.isfinite(precisions)].mean())
    return float(np.mean(scores.argmax(axis=1) == labels))
