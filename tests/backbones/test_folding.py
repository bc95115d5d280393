"""Folding: the same output with fewer layers, and nothing else touched."""

import random

import keras
import numpy as np
import pytest
from keras import layers

from tl_strategies.backbones.folding import assign_folded, fold
from tl_strategies.backbones.units import find_units, unit_output
from tl_strategies.backbones.zoo import load_backbone
from tl_strategies.testing import tiny_backbone

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")


def norms(model):
    return [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]


def shake(model):
    """Give BatchNormalization values as training leaves them."""
    rng = np.random.default_rng(0)
    for norm in norms(model):
        for weight in norm.weights:
            low, high = (0.5, 2) if weight.name in ("gamma", "moving_variance") else (-0.5, 0.5)
            weight.assign(rng.uniform(low, high, weight.shape))
    return model


def check_fold(model, left, images=IMAGES, tolerance=1e-5):
    """What is folded computes the same with so many BatchNormalization; the model stays."""
    shake(model)
    weights, expected = model.get_weights(), model.predict_on_batch(images)
    folded = fold(model)
    assert len(norms(folded)) == left
    difference = np.abs(folded.predict_on_batch(images) - expected).max()
    assert difference <= tolerance * np.abs(expected).max()
    np.testing.assert_array_equal(model.predict_on_batch(images), expected)
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert folded.output_shape == model.output_shape
    return folded


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("efficientnet_lite0", 0),
        ("mobilenetv2", 0),
        ("mobilenetv3small", 0),
        ("resnet50", 0),
        ("densenet121", 62),  # of what is joined
    ],
)
def test_networks_compute_the_same(name, left):
    check_fold(load_backbone(name, "none", (32, 32)), left)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda bias: layers.Conv2D(6, 3, 2, padding="same", use_bias=bias), (9, 9, 4)),
        (lambda bias: layers.Conv2D(6, 3, groups=2, use_bias=bias), (9, 9, 4)),
        (lambda bias: layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=bias), (9, 9, 4)),
        (lambda bias: layers.SeparableConv2D(6, 3, use_bias=bias), (9, 9, 4)),
        (lambda bias: layers.Dense(6, use_bias=bias), (7,)),
        (lambda bias: layers.Dense(6, use_bias=bias), (5, 7)),
    ],
)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("parts", [{}, {"scale": False}, {"center": False, "epsilon": 0.1}])
def test_kernels_compute_the_same(make, shape, bias, parts):
    inputs = keras.Input(shape)
    kernel = make(bias)
    model = keras.Model(inputs, layers.BatchNormalization(**parts)(kernel(inputs)))
    if bias:
        kernel.bias.assign(np.random.default_rng(1).normal(size=kernel.bias.shape))
    check_fold(model, 0, np.random.default_rng(0).normal(size=(3, *shape)).astype("float32"))


def network(case):
    """A kernel and BatchNormalization that cannot be folded into it."""
    inputs = keras.Input((32, 32, 3))
    kernel, norm = layers.Conv2D(4, 3, name="block1_conv"), layers.BatchNormalization()
    if case == "activation":
        kernel = layers.Conv2D(4, 3, activation="relu")
    if case == "channels first":
        kernel = layers.Conv2D(4, 3, data_format="channels_first")
    if case == "quantized":
        kernel = layers.Dense(4)
    if case == "axis":
        norm = layers.BatchNormalization(axis=1)
    if case == "another block":
        norm = layers.BatchNormalization(name="block2_bn")
    if case == "another policy":
        norm = layers.BatchNormalization(dtype="mixed_bfloat16")
    if case == "unknown kernel":
        kernel = layers.Conv2DTranspose(4, 3)
    if case == "subclass":
        kernel = type("Mine", (layers.Conv2D,), {"call": lambda self, x: super().call(x) ** 2})(
            4, 3
        )
    x = kernel(inputs)
    y = norm(x, training=True) if case == "statistics of the batch" else norm(x)
    if case == "low rank":
        kernel.enable_lora(2)
    if case == "quantized":
        kernel.quantize("int8")
    if case == "read twice":
        y = layers.Add()([x, y])
    if case == "an output":
        return keras.Model(inputs, [x, y])
    if case == "kernel used twice":
        y = layers.Add()([y, kernel(layers.ReLU()(inputs))])
    if case == "norm used twice":
        y = norm(layers.Conv2D(4, 1)(y))
    return keras.Model(inputs, y)


@pytest.mark.parametrize(
    "case",
    [
        *("activation", "axis", "another block", "another policy", "unknown kernel", "subclass"),
        *("statistics of the batch", "read twice", "an output"),
        *("kernel used twice", "norm used twice", "channels first", "low rank", "quantized"),
    ],
)
def test_what_cannot_be_folded_is_left(case):
    model = network(case)
    assert fold(model) is model


def test_a_fold_follows_weights_when_it_is_told():
    model = shake(tiny_backbone())
    folded, images = fold(model), IMAGES[:, :16, :16]
    before = folded.predict_on_batch(images)
    for weight in model.weights:
        weight.assign(weight * 1.5)
    np.testing.assert_array_equal(folded.predict_on_batch(images), before)
    assign_folded(folded, model)
    expected = model.predict_on_batch(images)
    assert not np.allclose(before, expected, rtol=0.1)
    np.testing.assert_allclose(folded.predict_on_batch(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_precision_is_kept(precision):
    model = tiny_backbone()
    for layer in model.layers[2:]:
        layer.dtype_policy = precision
    model = keras.Model(model.inputs[0], model.outputs[0])
    folded = check_fold(model, 0, IMAGES[:, :16, :16], tolerance=0.05)
    for layer in folded.layers[2:]:
        assert layer.dtype_policy.name == precision
        assert {weight.dtype for weight in layer.weights} <= {"float32"}


def test_a_compiled_suffix_is_folded_and_nothing_is_drawn():
    model = tiny_backbone()
    suffix = keras.Model(unit_output(model, find_units(model)[1]), model.outputs[0])
    suffix.compile("adam", "mse")
    state = random.getstate()
    folded = check_fold(suffix, 0, np.random.default_rng(0).normal(size=(3, 8, 8, 6)))
    assert random.getstate() == state
    assert not folded.compiled
