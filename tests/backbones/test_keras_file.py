"""Networks of users' as they come: any batch size, any float, any input, layers used twice."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import tl_strategies as tl
from tl_strategies.backbones.zoo import load_backbone
from tl_strategies.runs.run import Run

IMAGES = np.random.default_rng(0).uniform(0, 255, (3, 16, 16, 3)).astype("float32")
POLICIES = ["mixed_float16", "mixed_bfloat16", "float16", "float64"]


@pytest.fixture
def _policies():
    """What a test does to the session is undone."""
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    yield
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)


def loaded(model, tmp_path, **choice):
    model.save(tmp_path / "mine.keras")
    return load_backbone(str(tmp_path / "mine.keras"), **choice)


def agree(backbone, model, images=IMAGES, **tolerance):
    expected = np.asarray(model(images, training=False), "float32")
    np.testing.assert_allclose(backbone(IMAGES, training=False), expected, **tolerance)


# One batch size


def chain(x, flat):
    x = layers.Conv2D(4, 3, 2, name="conv")(layers.Rescaling(1 / 255)(x))
    return layers.Dense(6, "relu", name="fc")(flat(x))


@pytest.mark.parametrize(
    "flat",
    [
        layers.Flatten(),
        layers.Reshape((-1,)),
        lambda x: ops.reshape(x, (3, -1)),
        lambda x: ops.reshape(ops.reshape(x, (x.shape[0], 49, 4)), (-1, 196)),
        lambda x: ops.reshape(x, (3, 196)) + ops.reshape(x, (-1, 196)),
    ],
)
def test_one_batch_size_becomes_any(flat, tmp_path):
    image = keras.Input(batch_shape=(3, 16, 16, 3))
    model = keras.Model(image, chain(image, flat))
    backbone = loaded(model, tmp_path, keep_top=True)
    agree(backbone, model, rtol=1e-5)
    assert backbone.input_shape == (None, 16, 16, 3)
    assert {operation.output.shape[0] for operation in backbone.operations} == {None}
    assert [unit.name for unit in tl.find_units(backbone)] == ["conv", "fc"]
    adapted = tl.get_strategy("partial")(n=1).adapt(backbone, tl.Task(("a", "b")))
    assert adapted.predict(IMAGES[:1], verbose=0).shape == (1, 2)


def test_what_holds_its_batch_size_is_refused(tmp_path):
    """A token for each of three images, as one constant."""
    image = keras.Input(batch_shape=(3, 16, 16, 3))
    token = ops.ones((3, 1, 4))
    model = keras.Model(
        image, chain(image, lambda x: ops.concatenate([token, layers.Reshape((49, 4))(x)], axis=1))
    )
    with pytest.raises(tl.UsageError, match=r"any number, 16, 16, 3.*built for \(3, 16, 16, 3\)"):
        loaded(model, tmp_path)


# Layers used twice


def stacked(image, between):
    """Three convolutions, each followed by the same layers."""
    x = image
    for name in ("one", "two", "three"):
        x = layers.Conv2D(4, 3, padding="same", name=name)(x)
        for layer in between:
            x = layer(x)
    return keras.Model(image, x)


def pool_block():
    return keras.Sequential(
        [keras.Input((None, None, 4)), layers.ReLU(), layers.MaxPooling2D()], name="block"
    )


@pytest.mark.parametrize(
    "between",
    [
        lambda: [layers.ReLU()],
        lambda: [layers.ReLU(name="act"), layers.Dropout(0.5), layers.MaxPooling2D()],
        lambda: [layers.Activation("gelu")],
        lambda: [keras.Sequential([layers.ReLU(), layers.Dropout(0.2)])],
        lambda: [pool_block()],
        lambda: [type(ops.relu(keras.Input(())).__dict__["_keras_history"].operation)()],
    ],
)
def test_a_layer_without_weights_may_be_used_again(between, tmp_path):
    model = stacked(keras.Input((16, 16, 3)), between())
    backbone = loaded(model, tmp_path)
    agree(backbone, model, rtol=1e-4, atol=1e-4)
    units = tl.find_units(backbone)
    assert [unit.name for unit in units] == ["one", "two", "three"]
    assert len({len(unit.layers) for unit in units[1:]}) == 1
    again = loaded(backbone, tmp_path)
    assert tl.find_units(again) == units


def test_names_of_further_uses_are_free(tmp_path):
    image = keras.Input((16, 16, 3))
    act = layers.ReLU(name="act")
    x = act(layers.Conv2D(4, 3, name="act_2")(act(layers.Conv2D(4, 3, name="one")(image))))
    backbone = loaded(keras.Model(image, x), tmp_path)
    assert [layer.name for layer in backbone.layers][1:] == ["one", "act", "act_2", "act_3"]


def test_a_layer_with_weights_is_used_once(tmp_path):
    image = keras.Input((16, 16, 3))
    twice = layers.Conv2D(3, 1, name="twice")
    with pytest.raises(tl.UsageError, match=r"each layer once\. Received: 'twice' used twice"):
        loaded(keras.Model(image, twice(twice(image))), tmp_path)


# Inputs and outputs


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16"])
def test_inputs_of_another_kind_and_name(dtype, channels, tmp_path):
    image = keras.Input((16, 16, channels), name="pixels", dtype=dtype)
    x = layers.Conv2D(4, 3, name="one")(ops.cast(image, "float32") / 255)
    model = keras.Model({"pixels": image}, [x])
    backbone = loaded(model, tmp_path)
    assert (backbone.inputs[0].name, backbone.inputs[0].dtype) == ("pixels", "float32")
    whole = IMAGES.round()
    if channels == 3:
        (expected,) = keras.tree.flatten(model({"pixels": whole.astype(dtype)}))
        np.testing.assert_allclose(backbone(whole), expected, atol=1e-2)
    assert backbone(whole).shape == (3, 14, 14, 4)


# float32


@keras.saving.register_keras_serializable("tests")
class Stubborn(layers.Layer):
    """A layer that makes its part itself, with a float of its own, and a weight of another."""

    def __init__(self, inner=None, own=False, **kwargs):
        super().__init__(**kwargs)
        self.inner, self.own = inner, own
        self.part = layers.Dense(4, dtype=inner)

    def build(self, shape):
        self.part.build(shape)
        if self.own:
            self.scale = self.add_weight(shape=(), initializer="ones", dtype="float16")

    def call(self, x):
        return self.part(x) * self.scale if self.own else self.part(x)

    def get_config(self):
        return super().get_config() | {"inner": self.inner, "own": self.own}


def mixture():
    image = keras.Input((16, 16, 3))
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(4, 3, 4, activation="relu", name="one")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu", dtype="float16")(ops.cast(x, "float16"))
    x = Stubborn()(layers.Reshape((-1, 4))(x))
    x = layers.MultiHeadAttention(2, 2)(x, x)
    return keras.Model(image, layers.Bidirectional(layers.GRU(2))(x))


def of_other_floats(model):
    layers_of = [leaf for layer in model.layers for leaf in layer._flatten_layers()]
    names = [leaf.name for leaf in layers_of if leaf.compute_dtype != "float32"]
    names += [
        operation.name for operation in model.operations if operation.output.dtype != "float32"
    ]
    return names + [w.path for w in model.weights if str(w.dtype) not in ("float32", "uint32")]


@pytest.mark.usefixtures("_policies")
@pytest.mark.parametrize("policy", POLICIES)
def test_a_file_of_another_float_becomes_float32(policy, tmp_path):
    """Loaded while the session still has the policy, or not."""
    keras.config.set_dtype_policy(policy)
    model = mixture()
    assert of_other_floats(model)
    within = loaded(model, tmp_path, keep_top=True)
    assert keras.config.dtype_policy().name == policy
    keras.config.set_dtype_policy("float32")
    after = load_backbone(str(tmp_path / "mine.keras"), keep_top=True)
    for backbone in (within, after):
        assert not of_other_floats(backbone)
        agree(backbone, model, atol=0.05 if "bfloat" in policy else 0.02)


@pytest.mark.usefixtures("_policies")
@pytest.mark.parametrize("policy", POLICIES)
def test_a_session_s_policy_reaches_no_new_layer(policy, tmp_path):
    keras.config.set_dtype_policy(policy)
    backbone = load_backbone("efficientnet_lite0", "none", 32)
    adapted = tl.get_strategy("add_fc")().adapt(backbone, tl.Task(("a", "b")))
    assert not of_other_floats(backbone)
    assert not of_other_floats(adapted)
    adapted.save(tmp_path / "model.keras")
    assert not of_other_floats(Run(tmp_path, {}, None).model)
    keras.config.set_floatx("float16")
    assert not of_other_floats(load_backbone("caffenet_mini", "none"))
    assert keras.config.floatx() == "float16"


@pytest.mark.parametrize("inner", ["mixed_float16", "float16"])
def test_a_float_in_a_layer_s_code(inner, tmp_path):
    """That of a layer inside it can be another one; that of a weight cannot."""
    image = keras.Input((16, 16, 3))
    model = keras.Model(image, Stubborn(inner)(image))
    agree(backbone := loaded(model, tmp_path), model, rtol=0.01, atol=0.5)
    assert not of_other_floats(backbone)
    model = keras.Model(image, Stubborn(inner, own=True)(image))
    with pytest.raises(tl.UsageError, match=r"weights that can be float32.*float16"):
        loaded(model, tmp_path)


def test_a_quantized_network_is_refused(tmp_path):
    image = keras.Input((16, 16, 3))
    dense = layers.Dense(4, name="dense")
    model = keras.Model(image, dense(layers.Flatten()(image)))
    dense.quantize("int8")
    with pytest.raises(tl.UsageError, match=r"must not be quantized.*'dense' is int8"):
        loaded(model, tmp_path)


# Files that cannot be loaded


def test_all_that_keras_does_not_know_is_named(tmp_path, monkeypatch):
    image = keras.Input((16, 16, 3))
    model = keras.Model(image, Stubborn()(layers.Dense(3, activation=odd)(image)))
    model.save(tmp_path / "mine.keras")
    for name in ("tests>Stubborn", "tests>odd"):
        monkeypatch.delitem(keras.saving.get_custom_objects(), name)
    with pytest.raises(tl.UsageError, match=r"with Stubborn, tests>odd\. .* --plugin FILE\.py"):
        load_backbone(str(tmp_path / "mine.keras"))


@keras.saving.register_keras_serializable("tests")
def odd(x):
    return x**3


def test_code_in_a_file_needs_trust(tmp_path):
    image = keras.Input((16, 16, 3))
    model = keras.Model(image, layers.Conv2D(2, 1)(layers.Lambda(lambda x: x / 2)(image)))
    with pytest.raises(tl.UsageError, match=r"--plugin FILE\.py.*enable_unsafe_deserialization"):
        loaded(model, tmp_path)
