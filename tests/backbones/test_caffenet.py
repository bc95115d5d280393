"""CaffeNet: the paper's parameters and shapes; normalization as TensorFlow's."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tl_strategies as tl
from tl_strategies.backbones import caffenet
from tl_strategies.backbones.units import find_units
from tl_strategies.backbones.zoo import load_backbone

UNITS = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"]


def test_caffenet_has_the_paper_s_parameters_and_shapes():
    model = load_backbone("caffenet", "none")
    assert model.inputs[0].shape == (None, 227, 227, 3)
    assert model.count_params() + 4096 * 1000 + 1000 == 60_965_224
    shapes = {layer.name: layer.output.shape[1:] for layer in model.layers}
    expected = {
        "conv1": (55, 55, 96),
        "pool1": (27, 27, 96),
        "norm1": (27, 27, 96),
        "conv2": (27, 27, 256),
        "pool2": (13, 13, 256),
        "norm2": (13, 13, 256),
        "conv3": (13, 13, 384),
        "conv4": (13, 13, 384),
        "conv5": (13, 13, 256),
        "pool5": (6, 6, 256),
        "flatten": (9216,),
        "fc6": (4096,),
        "fc7": (4096,),
    }
    assert {name: tuple(shapes[name]) for name in expected} == expected
    assert [unit.name for unit in find_units(model)] == UNITS


@pytest.mark.parametrize("size", [28, 32])
def test_the_small_one(size):
    model = load_backbone("caffenet_mini", "none", size)
    assert [unit.name for unit in find_units(model)] == UNITS
    assert 200_000 < model.count_params() < 900_000


def test_normalization_is_that_of_the_paper():
    inputs = keras.Input((5, 5, 7))
    model = keras.Model(inputs, caffenet._normalized(inputs, "norm"))
    values = np.random.default_rng(0).normal(0, 60, (3, 5, 5, 7)).astype("float32")
    expected = tf.nn.local_response_normalization(values, 2, 1.0, 1e-4 / 5, 0.75)
    np.testing.assert_allclose(model(values), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("caffenet_mini",), "must be none or a file"),
        (("caffenet_mini", "none", 20), "at least 28"),
        (("caffenet", "none", 200), "at least 227"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(tl.UsageError, match=message):
        load_backbone(*arguments)
