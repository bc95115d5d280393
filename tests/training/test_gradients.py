"""Custom gradients go with their graphs, and work until then."""

import gc

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.ops import gradient_registry

from tl_strategies.training.gradients import release_gradients


def registered():
    return {name for name in gradient_registry.list() if name.startswith("CustomGradient-")}


def optimizer_step():
    """A function that traces the step of an optimizer."""
    weight = keras.Variable(np.ones(3, "float32"))
    optimizer = keras.optimizers.SGD()
    optimizer.build([weight])

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(x * weight.value)
        optimizer.apply_gradients([(tape.gradient(loss, weight.value), weight)])

    return step


def activation():
    return tf.function(lambda x: tf.nn.silu(x))


@pytest.mark.parametrize("make", [optimizer_step, activation])
def test_gradients_die_with_their_graphs(make):
    release_gradients()
    gc.collect()
    before = registered()
    function = make()
    function(tf.ones(3))
    assert len(registered() - before) == 1
    release_gradients()
    gc.collect()
    assert len(registered() - before) == 1
    del function
    gc.collect()
    assert registered() <= before


def test_gradients_work_as_long_as_their_graphs_live():
    function = activation()
    x = tf.constant([0.5, -2.0])

    @tf.function
    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        return tape.gradient(y, x)

    function(x)
    for _ in range(2):
        release_gradients()
        gc.collect()
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = slope(x)
        sigmoid = tf.sigmoid(x)
        expected = sigmoid * (1 + x * (1 - sigmoid))
        np.testing.assert_allclose(y, expected, rtol=1e-6)
        release_gradients()
        assert np.isfinite(tape.gradient(y, x)).all()
