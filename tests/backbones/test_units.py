"""Units of real architectures, and cuts that change nothing."""

import keras
import numpy as np
import pytest
from keras import layers

import tl_strategies as tl
from tl_strategies.backbones.surgery import copy_model, cut, reinitialize
from tl_strategies.backbones.units import coarse_units, find_units, multiply_adds, unit_output
from tl_strategies.backbones.zoo import load_backbone
from tl_strategies.testing import tiny_backbone


def test_units_of_the_bundled_network():
    model = load_backbone("efficientnet_lite0", "none", 64)
    units = find_units(model)
    assert len(units) == 18
    assert not coarse_units(model, units)
    images = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    whole = np.asarray(model(images))
    for unit in units:
        prefix, suffix = cut(model, unit_output(model, unit))
        assert prefix.outputs[0].shape[1:] == unit.output_shape
        np.testing.assert_array_equal(suffix(prefix(images)), whole)


def test_names_do_not_depend_on_what_was_built_before():
    first = [unit.name for unit in find_units(load_backbone("xception", "none", 96))]
    second = [unit.name for unit in find_units(load_backbone("xception", "none", 96))]
    assert first == second
    assert first[:3] == ["block1_conv1", "block1_conv2", "block2"]


def test_a_plain_chain_without_names():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation="relu")(inputs)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(4, 3)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    units = find_units(keras.Model(inputs, x))
    assert [unit.name for unit in units] == ["unit1", "unit2"]
    assert [len(unit.layers) for unit in units] == [3, 3]


def test_two_branches_are_one_unit():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 1, name="stem")(inputs)
    x = layers.Concatenate(name="joined")(
        [layers.Conv2D(2, 1, name="left")(x), layers.Conv2D(2, 3, padding="same", name="right")(x)]
    )
    x = layers.Conv2D(4, 1, name="top")(x)
    assert [unit.name for unit in find_units(keras.Model(inputs, x))] == ["stem", "joined", "top"]


def test_a_suffix_of_a_model_is_still_cut_by_its_own_graph():
    """Layers that also take part in other models are read by the model at hand."""
    model = tiny_backbone()
    units = find_units(model)
    cut(model, unit_output(model, units[2]))
    assert find_units(model) == units


def test_copies_share_nothing():
    model = tiny_backbone()
    copy = copy_model(model)
    reinitialize(copy.get_layer("stem_conv"))
    assert not np.array_equal(
        model.get_layer("stem_conv").kernel, copy.get_layer("stem_conv").kernel
    )
    np.testing.assert_array_equal(
        model.get_layer("top_conv").kernel, copy.get_layer("top_conv").kernel
    )


def test_an_adapted_normalization_survives_copies():
    image = keras.Input((8, 8, 3))
    normalization = layers.Normalization(name="normalization")
    model = keras.Model(image, layers.Conv2D(2, 1, name="one")(normalization(image)))
    images = np.random.default_rng(0).uniform(50, 200, (4, 8, 8, 3)).astype("float32")
    normalization.adapt(images)
    copy = copy_model(model)
    np.testing.assert_array_equal(copy(images), model(images))
    reinitialize(copy.get_layer("normalization"))
    np.testing.assert_array_equal(copy(images), model(images))


def test_a_nested_chain_is_reinitialised():
    chain = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(3)])
    before = chain.get_weights()
    for layer in chain.layers:
        reinitialize(layer)
    assert not np.array_equal(before[0], chain.get_weights()[0])


@pytest.mark.parametrize("kind", ["shared", "two inputs", "no kernel", "subclass"])
def test_what_cannot_be_cut_is_said(kind):
    image = keras.Input((8, 8, 3))
    if kind == "shared":
        layer = layers.Conv2D(3, 1, name="twice")
        model = keras.Model(image, layer(layer(image)))
    elif kind == "two inputs":
        other = keras.Input((8, 8, 3))
        model = keras.Model([image, other], layers.Conv2D(2, 1)(image + other))
    elif kind == "no kernel":
        model = keras.Model(image, layers.ReLU()(image))
    else:
        model = type("Mine", (keras.Model,), {})()
    with pytest.raises(tl.UsageError, match=r"A backbone must .*"):
        find_units(model)


def test_the_cost_of_each_kind_of_kernel():
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(6, 3, 2, "same", name="conv")(inputs)  # 4 x 4 places
    x = layers.ReLU()(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.ReLU()(x)
    x = layers.Conv2D(6, 1, groups=2, name="grouped")(x)
    x = layers.ReLU()(x)
    x = layers.Flatten()(x * 2)  # an operation that is no layer
    x = layers.Dense(5, name="dense")(x)
    model = keras.Model(inputs, x)
    costs = multiply_adds(model, find_units(model))
    assert costs == [16 * 9 * 4 * 6, 16 * 9 * 6, 16 * 6 * 6 // 2, 96 * 5]
