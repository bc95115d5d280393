"""Dense tops as convolutions: the map of a large image is that of its windows."""

import keras
import numpy as np
import pytest
from keras import layers

import tl_strategies as tl
from tl_strategies.backbones.caffenet import build
from tl_strategies.backbones.convolutional import convolutionalize
from tl_strategies.backbones.flatten import flatten
from tl_strategies.testing import tiny_backbone


def run(model, *given):
    return np.asarray(model(*given, training=False))


def picture(height, width, seed=0):
    image = np.random.default_rng(seed).uniform(0, 255, (1, height, width, 3))
    return image.astype("float32")


def with_head(backbone):
    return keras.Model(
        backbone.inputs[0], layers.Dense(5, "softmax", name="head")(backbone.outputs[0])
    )


def unpadded(top):
    """A network whose convolutions pad nothing: windows of images are windows of features."""
    keras.utils.set_random_seed(1)
    x = inputs = keras.Input((17, 21, 3))
    x = layers.Rescaling(1 / 255)(x)
    x = layers.Conv2D(6, 3, 2, activation="relu")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Conv2D(8, 3, activation="relu")(x)
    x = layers.Dropout(0.2)(top()(x))
    if top is not layers.Flatten:  # whose length would be that of a window
        x = layers.UnitNormalization()(x)
    x = layers.Dropout(0.5)(layers.Dense(9, "relu")(x))
    x = layers.Dense(4, name="scores")(x)
    return keras.Model(inputs, layers.Activation("softmax")(x))


TOPS = [layers.Flatten, layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D]


@pytest.mark.parametrize("top", TOPS, ids=lambda top: top.__name__)
def test_each_place_is_what_the_model_gives_for_that_window(top):
    model = unpadded(top)
    whole = convolutionalize(model)
    image = picture(27, 35)
    found = run(whole, image)
    assert found.shape == (1, 6, 8, 4)
    for i in range(6):
        for j in range(8):
            window = image[:, 2 * i : 2 * i + 17, 2 * j : 2 * j + 21]
            np.testing.assert_allclose(found[0, i, j], run(model, window)[0], atol=1e-5)
    np.testing.assert_allclose(
        run(whole, image[:, :17, :21])[:, 0, 0], run(model, image[:, :17, :21]), atol=1e-6
    )


@pytest.mark.parametrize(
    ("name", "side", "larger"), [("vgg16", 64, (96, 160)), ("caffenet", 99, (131, 195))]
)
def test_published_networks(name, side, larger):
    """Against their tops, run over each window of the features of the whole image."""
    keras.utils.set_random_seed(0)
    if name == "vgg16":
        model = keras.applications.VGG16(weights=None, input_shape=(side, side, 3), classes=5)
    else:
        model = with_head(build("caffenet", side))
    flat, whole = flatten(model), convolutionalize(model)
    start = flat.get_layer("flatten").input
    top = keras.Model(start, flat.outputs[0])
    features_of = keras.Model(whole.inputs[0], whole.get_layer("flatten").input)
    height, width = start.shape[1:3]
    for size in larger:
        image = picture(size, size + 32)
        features, found = run(features_of, image), run(whole, image)
        rows, columns = features.shape[1] - height + 1, features.shape[2] - width + 1
        assert found.shape == (1, rows, columns, 5)
        for i in range(rows):
            for j in range(columns):
                window = features[:, i : i + height, j : j + width]
                np.testing.assert_allclose(found[0, i, j], run(top, window)[0], atol=1e-4)


def test_a_run_s_model(settings):
    model = tl.fit("head", **settings).model
    whole = tl.convolutionalize(model)
    image = picture(16, 16)
    np.testing.assert_allclose(run(whole, image)[:, 0, 0], run(model, image), atol=1e-5)
    assert run(whole, picture(32, 24)).shape[1] > 1


def test_what_cannot_be_one_is_said():
    backbone = tiny_backbone()
    with pytest.raises(tl.UsageError, match="must be made of flattening or global pooling"):
        convolutionalize(backbone)
    x = layers.Flatten()(backbone.outputs[0])
    odd = keras.Model(backbone.inputs[0], layers.Dense(3)(layers.LayerNormalization()(x)))
    with pytest.raises(tl.UsageError, match="Received: LayerNormalization"):
        convolutionalize(odd)
