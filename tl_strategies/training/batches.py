"""Batches for `fit`: the order of images is a pure function of seed and epoch."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf


def training_batches(
    array: np.ndarray,
    rows: np.ndarray,
    labels: np.ndarray,
    batch_size: int,
    seed: int,
    epochs: range,
) -> tf.data.Dataset:
    """Shuffled batches of several epochs, one after the other.

    Args:
        array: images or features, one row each.
        rows: which of them to train on.
        labels: of these rows.
        batch_size: rows a batch; the last one of an epoch may be smaller.
        seed: of the order.
        epochs: numbers of the epochs, which fix their order.
    """

    def generate() -> Iterator:
        for epoch in epochs:
            order = np.random.default_rng([seed, epoch]).permutation(len(rows))
            yield from _gather(array, rows[order], labels[order], batch_size)

    return _dataset(generate, array, len(epochs) * batch_count(len(rows), batch_size))


def evaluation_batches(
    array: np.ndarray, rows: np.ndarray, labels: np.ndarray, batch_size: int
) -> tf.data.Dataset:
    """Batches of one pass, in the order of the rows."""
    steps = batch_count(len(rows), batch_size)
    return _dataset(lambda: _gather(array, rows, labels, batch_size), array, steps)


def batch_count(rows: int, batch_size: int) -> int:
    """How many batches an epoch has."""
    return -(-rows // batch_size)


def _gather(array, rows, labels, batch_size) -> Iterator:
    for start in range(0, len(rows), batch_size):
        chosen = slice(start, start + batch_size)
        yield array[rows[chosen]].astype("float32", copy=False), labels[chosen]


def _dataset(generate, array: np.ndarray, steps: int) -> tf.data.Dataset:
    signature = (
        tf.TensorSpec((None, *array.shape[1:]), "float32"),
        tf.TensorSpec((None,), "int64"),
    )
    dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
    options = tf.data.Options()
    # Its thread sleeps twice as long each time, and the end of an epoch waits for it.
    options.autotune.enabled = False
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps))
    return dataset.prefetch(2).with_options(options)
