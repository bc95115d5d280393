"""Stratified, seeded parts for training, validation and test, and split.csv."""

import csv
import io

import numpy as np

from tl_strategies.data.listing import Listing
from tl_strategies.errors import UsageError

PARTS = ("train", "validation", "test")
FRACTION = 0.15  # of each class, for validation and for test


def split(labels: np.ndarray, seed: int) -> np.ndarray:
    """A part for each image: 70 % train, 15 % validation, 15 % test of each class.

    Args:
        labels: integers of shape (images,), each at least three times.
        seed: the same one gives the same parts.

    Returns:
        Strings of PARTS, of shape (images,).
    """
    parts = np.full(len(labels), "train", dtype="<U10")
    for label in np.unique(labels):
        members = np.random.default_rng([seed, label]).permutation(np.flatnonzero(labels == label))
        count = max(1, round(FRACTION * len(members)))
        parts[members[:count]] = "validation"
        parts[members[count : 2 * count]] = "test"
    return parts


def limit_train(parts: np.ndarray, labels: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """Positions of `limit` training images, in proportion to their classes, at least one of each.

    Raises:
        UsageError: `limit` is below the number of classes.
    """
    train = np.flatnonzero(parts == "train")
    classes, counts = np.unique(labels[train], return_counts=True)
    if limit < len(classes):
        raise UsageError(
            f"--limit must be at least {len(classes)}, one a class. Received: {limit}."
        )
    if limit >= len(train):
        return train
    share = limit * counts / len(train)
    quota = np.maximum(1, np.floor(share).astype(int))
    for i in np.argsort(quota - share, kind="stable")[: max(0, limit - quota.sum())]:
        quota[i] += 1
    while quota.sum() > limit:
        quota[np.argmax(quota)] -= 1
    chosen = [
        np.random.default_rng([seed, label, 1]).permutation(train[labels[train] == label])[:count]
        for label, count in zip(classes, quota, strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def split_csv(listing: Listing, parts: np.ndarray) -> str:
    """The text of split.csv: path, label, part."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "label", "part"])
    names = listing.task.names
    for path, label, part in zip(listing.paths, listing.labels, parts, strict=True):
        writer.writerow([path, names[label], part])
    return text.getvalue()
