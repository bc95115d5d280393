"""Batches for `fit`: the order of images is a pure function of seed and epoch."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tl_strategies.data.rows import LazyRows
from tl_strategies.training.inputs import Inputs

Array = np.ndarray | LazyRows


def training_batches(
    array: Array,
    inputs: Inputs,
    targets: np.ndarray,
    weights: np.ndarray,
    batch_size: int,
    seed: int,
    epochs: range,
) -> tf.data.Dataset:
    """Shuffled batches of several epochs, one after the other.

    Args:
        array: images or features, one row for each of the inputs.
        inputs: say how many views there are; an epoch sees one of them.
        targets: see `targets_of`.
        weights: of the images in the loss, of shape (images,).
        batch_size: images a batch; the last one of an epoch may be smaller.
        seed: of the order.
        epochs: numbers of the epochs, which fix their order and their view.
    """

    def generate() -> Iterator:
        for epoch in epochs:
            order = np.random.default_rng([seed, epoch]).permutation(inputs.images)
            view = epoch % inputs.views * inputs.images
            yield from _gather(array, view, order, targets, weights, batch_size)

    steps = len(epochs) * batch_count(inputs.images, batch_size)
    return _dataset(generate, array, targets, steps)


def evaluation_batches(array: Array, targets: np.ndarray, batch_size: int) -> tf.data.Dataset:
    """Batches of one pass over all rows, in their order."""
    order, weights = np.arange(len(targets)), np.ones(len(targets), "float32")
    steps = batch_count(len(targets), batch_size)
    return _dataset(
        lambda: _gather(array, 0, order, targets, weights, batch_size), array, targets, steps
    )


def batch_count(rows: int, batch_size: int) -> int:
    """How many batches an epoch has."""
    return -(-rows // batch_size)


def targets_of(labels: np.ndarray, count: int) -> np.ndarray:
    """One-hot, or 0 and 1 for each label: float32 of shape (images, count)."""
    if labels.ndim == 2:
        return labels.astype("float32")
    return np.eye(count, dtype="float32")[labels]


def class_weights(labels: np.ndarray, policy: str) -> np.ndarray:
    """Each image's weight in the loss: 1, or "balanced", so that all classes weigh the same."""
    if policy == "none":
        return np.ones(len(labels), "float32")
    counts = np.bincount(labels)
    return (len(labels) / (np.count_nonzero(counts) * counts[labels])).astype("float32")


def _gather(array, view, order, targets, weights, batch_size) -> Iterator:
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        rows = array[view + chosen].astype("float32", copy=False)
        yield rows, targets[chosen], weights[chosen]


def _dataset(generate, array: Array, targets: np.ndarray, steps: int) -> tf.data.Dataset:
    signature = (
        tf.TensorSpec((None, *array.shape[1:]), "float32"),
        tf.TensorSpec((None, targets.shape[1]), "float32"),
        tf.TensorSpec((None,), "float32"),
    )
    dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
    options = tf.data.Options()
    # Its thread sleeps twice as long each time, and the end of an epoch waits for it.
    options.autotune.enabled = False
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps))
    return dataset.prefetch(2).with_options(options)
