"""Batches come in an order of their own for each epoch; nothing of them outlives its data set."""

import dataclasses
import gc
import weakref

import numpy as np
import pytest
from tensorflow.python.ops.script_ops import _py_funcs

from tl_strategies.store.rows import LazyRows
from tl_strategies.training.batches import evaluation_batches, training_batches


@dataclasses.dataclass
class Views:
    """Of ten images."""

    images: int = 10
    views: int = 2


def rows(count):
    return np.arange(count * 2, dtype="float32").reshape(count, 2)


TARGETS = np.eye(3, dtype="float32")[np.arange(10) % 3]
WEIGHTS = np.linspace(1, 2, 10, dtype="float32")


def training(array, epochs, batch_size=4, seed=1):
    return training_batches(array, Views(), TARGETS, WEIGHTS, batch_size, seed, epochs)


@pytest.mark.parametrize("batch_size", [1, 4, 10, 16])
def test_each_epoch_sees_every_image_of_its_view_once(batch_size):
    array = rows(20)
    dataset = training(array, range(3, 6), batch_size)
    batches = [[part.numpy() for part in batch] for batch in dataset]
    steps = -(-10 // batch_size)
    assert len(batches) == len(dataset) == 3 * steps
    for epoch in range(3, 6):
        own = batches[(epoch - 3) * steps : (epoch - 2) * steps]
        order = np.random.default_rng([1, epoch]).permutation(10)
        seen, targets, weights = (np.concatenate(parts) for parts in zip(*own, strict=True))
        np.testing.assert_array_equal(seen, array[epoch % 2 * 10 + order])
        np.testing.assert_array_equal(targets, TARGETS[order])
        np.testing.assert_array_equal(weights, WEIGHTS[order])


def test_a_training_that_goes_on_sees_what_it_would_have_seen():
    whole, rest = (list(training(rows(20), range(first, 4))) for first in (0, 2))
    for one, other in zip(whole[6:], rest, strict=True):
        np.testing.assert_array_equal(one[0], other[0])


def test_two_data_sets_of_a_shape_do_not_mix():
    """As validation begins while training goes on."""
    array = rows(20)
    seen = iter(training(array, range(1)))
    next(seen)
    evaluated = np.concatenate(
        [part.numpy() for part, _, _ in evaluation_batches(-array, TARGETS, 4)]
    )
    np.testing.assert_array_equal(evaluated, -array[:10])
    assert (next(seen)[0].numpy() >= 0).all()


def test_data_sets_leave_nothing_behind():
    """No array, and no Python function that TensorFlow may call."""
    list(evaluation_batches(rows(10), TARGETS, 4))
    before = len(_py_funcs._funcs)
    gc.disable()
    try:
        array = rows(20)
        gone = weakref.ref(array)
        lazy = LazyRows(array.__getitem__, array.shape, "float32")
        for dataset in (training(lazy, range(2)), evaluation_batches(lazy, TARGETS, 4)):
            for _ in dataset:
                pass
        del array, lazy, dataset
        assert gone() is None
    finally:
        gc.enable()
    assert len(_py_funcs._funcs) == before
