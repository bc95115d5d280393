"""Batches for `fit`: the order of images is a pure function of seed and epoch."""

import functools
import itertools
import weakref
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tl_strategies.store.rows import LazyRows
from tl_strategies.training.inputs import Inputs

Array = np.ndarray | LazyRows
Batch = Callable[[int], tuple[np.ndarray, ...]]  # rows, targets and weights of a step

_makers: dict[int, Batch] = {}  # by the numbers of the data sets that are in use
_numbers = itertools.count()


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
        targets, weights: see `Inputs.targets`; of each image in the loss.
        batch_size: images a batch; the last one of an epoch may be smaller.
        seed, epochs: fix the order; an epoch's number also its view.
    """
    each = batch_count(inputs.images, batch_size)

    @functools.lru_cache(1)
    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng([seed, epoch]).permutation(inputs.images)

    def batch(step: int) -> tuple[np.ndarray, ...]:
        epoch, first = epochs[step // each], step % each * batch_size
        chosen = order(epoch)[first : first + batch_size]
        rows = array[epoch % inputs.views * inputs.images + chosen]
        return rows.astype("float32", copy=False), targets[chosen], weights[chosen]

    return _dataset(batch, len(epochs) * each, array, targets)


def evaluation_batches(array: Array, targets: np.ndarray, batch_size: int) -> tf.data.Dataset:
    """Batches of one pass over all rows, in their order."""
    weights = np.ones(len(targets), "float32")

    def batch(step: int) -> tuple[np.ndarray, ...]:
        chosen = np.arange(len(targets))[step * batch_size : (step + 1) * batch_size]
        return array[chosen].astype("float32", copy=False), targets[chosen], weights[chosen]

    return _dataset(batch, batch_count(len(targets), batch_size), array, targets)


def batch_count(rows: int, batch_size: int) -> int:
    """How many batches an epoch has."""
    return -(-rows // batch_size)


def _dataset(batch: Batch, steps: int, array: Array, targets: np.ndarray) -> tf.data.Dataset:
    """Batches of so many steps; what makes them is let go with the data set."""
    number = next(_numbers)
    _makers[number] = batch
    call = _caller((None, *array.shape[1:]), (None, targets.shape[1]))
    dataset = tf.data.Dataset.range(steps).map(lambda step: call(number, step))
    weakref.finalize(dataset, _makers.pop, number)
    options = tf.data.Options()
    # Its thread sleeps twice as long each time, and the end of an epoch waits for it.
    options.autotune.enabled = False
    return dataset.prefetch(2).with_options(options)


@functools.cache
def _caller(rows: tuple, targets: tuple) -> tf.types.experimental.GenericFunction:
    """A function from a data set's number and a step to a batch of these shapes.

    TensorFlow never forgets a Python function that a graph calls, nor what that holds, which would
    be the features of each data set: all of a shape share one function.
    """

    def make(number: np.int64, step: np.int64) -> tuple[np.ndarray, ...]:
        return _makers[number](step)

    @tf.function(input_signature=[tf.TensorSpec((), "int64")] * 2)
    def call(number, step):
        batch = tf.numpy_function(make, [number, step], ["float32"] * 3)
        return tuple(map(tf.ensure_shape, batch, (rows, targets, (None,))))

    return call
