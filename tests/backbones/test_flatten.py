"""Networks with networks inside are opened; what comes out is what went in."""

import keras
import numpy as np
import pytest
from keras import layers

import tl_strategies as tl
from tl_strategies.backbones.flatten import flatten
from tl_strategies.backbones.units import coarse_units
from tl_strategies.backbones.zoo import load_backbone
from tl_strategies.testing import tiny_backbone

IMAGES = np.random.default_rng(0).uniform(0, 255, (3, 16, 16, 3)).astype("float32")


def value(model, images=IMAGES):
    return np.asarray(model(images, training=False))


def user_model(base):
    """As Keras's guide to transfer learning builds one."""
    image = keras.Input((16, 16, 3))
    x = keras.Sequential([layers.RandomFlip(), layers.RandomRotation(0.1)])(image)
    x = base(x, training=False)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(image, layers.Dense(4, "softmax")(x))


def test_a_nested_network_is_opened(tmp_path):
    base = tiny_backbone()
    user_model(base).save(tmp_path / "mine.keras")
    model = load_backbone(str(tmp_path / "mine.keras"))
    assert [unit.name for unit in tl.find_units(model)] == [
        unit.name for unit in tl.find_units(base)
    ]
    np.testing.assert_allclose(value(model), value(base), atol=1e-6)
    assert not [layer for layer in model.layers if type(layer).__name__.startswith("Random")]
    model.save(tmp_path / "again.keras")
    np.testing.assert_array_equal(
        value(keras.models.load_model(tmp_path / "again.keras")), value(model)
    )


def test_the_classifier_can_be_kept(tmp_path):
    mine = user_model(tiny_backbone())
    mine.save(tmp_path / "mine.keras")
    model = load_backbone(str(tmp_path / "mine.keras"), keep_top=True)
    np.testing.assert_allclose(value(model), value(mine), atol=1e-6)
    with pytest.raises(tl.UsageError, match="--keep_top must come with"):
        load_backbone("resnet50", "none", keep_top=True)


def test_two_networks_of_the_same_names_are_opened():
    def part(name, channels):
        x = keras.Input((16, 16, channels))
        y = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")(x)
        return keras.Model(x, y + 0.0, name=name)

    image = keras.Input((16, 16, 3))
    nested = keras.Model(image, part("second", 4)(part("first", 3)(image)))
    flat = flatten(nested)
    assert [unit.name for unit in tl.find_units(flat)] == ["conv", "second_conv"]
    np.testing.assert_allclose(value(flat), value(nested), atol=1e-6)
    assert len({weight.path for weight in flat.weights}) == 4


@keras.saving.register_keras_serializable("tests")
class Block(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.one, self.two = layers.Dense(3, "relu"), layers.Dense(3)

    def build(self, shape):
        self.one.build(shape)
        self.two.build(shape)

    def call(self, x):
        return x + self.two(self.one(x))


@keras.saving.register_keras_serializable("tests")
class Tower(layers.Layer):
    """Blocks one after the other; with a weight of its own where it is told to have one."""

    def __init__(self, closed=False, **kwargs):
        super().__init__(**kwargs)
        self.closed = closed
        self.blocks = [Block(name=f"stage{i}") for i in range(3)]

    def build(self, shape):
        for block in self.blocks:
            block.build(shape)
        if self.closed:
            self.scale = self.add_weight(shape=(), initializer="ones")

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return x * self.scale if self.closed else x

    def get_config(self):
        return super().get_config() | {"closed": self.closed}


@pytest.mark.parametrize("closed", [False, True])
def test_layers_that_only_call_layers_are_opened(closed):
    image = keras.Input((16, 16, 3))
    model = keras.Model(image, Tower(closed, name="body")(image))
    flat = flatten(model)
    units = tl.find_units(flat)
    assert [unit.name for unit in units] == (["body"] if closed else ["stage0", "stage1", "stage2"])
    np.testing.assert_allclose(value(flat), value(model), atol=1e-4)
    assert [unit.name for unit in coarse_units(flat, units)] == (["body"] if closed else [])


@keras.saving.register_keras_serializable("tests")
class Residual(Tower):
    def call(self, x):
        for block in self.blocks:
            x = x + block(x)
        return x


def test_what_comes_out_of_a_layer_gets_free_names(tmp_path):
    """In a new session Keras counts names from the beginning, and those of a file are taken."""
    image = keras.Input((16, 16, 3))
    model = keras.Model(image, Residual(name="body")(image + 1.0 + image))
    model.save(tmp_path / "mine.keras")
    keras.backend.clear_session()
    backbone = load_backbone(str(tmp_path / "mine.keras"))
    assert len(tl.find_units(backbone)) == 3
    np.testing.assert_allclose(value(backbone), value(model), rtol=1e-4)


def test_a_network_of_gray_images(tmp_path):
    model = keras.Sequential([keras.Input((16, 16, 1)), layers.Conv2D(4, 3, name="one")])
    model.save(tmp_path / "gray.keras")
    backbone = load_backbone(str(tmp_path / "gray.keras"))
    assert backbone.input_shape == (None, 16, 16, 3)
    gray = np.repeat(IMAGES[..., :1], 3, axis=-1)
    np.testing.assert_allclose(
        value(backbone, gray), value(model, gray[..., :1]), rtol=1e-3, atol=0.1
    )
    backbone.save(tmp_path / "again.keras")
    assert [unit.name for unit in tl.find_units(load_backbone(str(tmp_path / "again.keras")))] == [
        "one"
    ]


def test_a_saved_model_is_refused(tmp_path):
    tiny_backbone().export(str(tmp_path / "saved"), verbose=False)
    with pytest.raises(tl.UsageError, match="a SavedModel"):
        load_backbone(str(tmp_path / "saved"))
