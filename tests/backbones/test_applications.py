"""Every network of keras.applications: inspected and cut in three places; of each family, trained.

Weights are drawn anew in a cheap way: only that they differ from each other matters here.
"""

import math

import keras
import numpy as np
import pytest
from keras import layers

import tl_strategies as tl
from tl_strategies.backbones.names import BUNDLED, UNTRAINED, backbone_names
from tl_strategies.backbones.surgery import cut
from tl_strategies.backbones.units import coarse_units, unit_output
from tl_strategies.backbones.zoo import load_backbone

UNITS = {
    "convnexttiny": 22,
    "densenet121": 62,
    "efficientnetb0": 18,
    "efficientnetv2b0": 23,
    "inceptionresnetv2": 49,
    "inceptionv3": 16,
    "mobilenetv2": 19,
    "nasnetmobile": 2,
    "resnet50": 17,
    "resnet50v2": 17,
    "vgg16": 13,
    "xception": 16,
}
FAMILIES = (*UNITS, "mobilenet", "mobilenetv3small")  # one network of each is trained
SMALLEST = {"inceptionresnetv2": 75, "inceptionv3": 75, "xception": 71}  # pixels


SLOW = (
    "convnext",
    "efficientnetb5",
    "efficientnetb6",
    "efficientnetb7",
    "efficientnetv2",
    "nasnetl",
)


@pytest.fixture
def _cheap_weights(monkeypatch):
    """Kernels are pieces of one long row of normal values, as large as Keras would have them."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal(1_000_003).astype("float32")

    def draw(self, shape, dtype=None):
        fan_in = math.prod(shape[:-1]) if len(shape) != 4 or shape[-1] > 1 else shape[0] * shape[1]
        drawn = np.resize(values[rng.integers(1000) :], shape)
        drawn *= math.sqrt(1 / fan_in)
        return keras.ops.convert_to_tensor(drawn)

    monkeypatch.setattr(keras.initializers.VarianceScaling, "__call__", draw)


@pytest.mark.usefixtures("_cheap_weights")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name.startswith(SLOW) else [])
        for name in backbone_names()
        if name not in (BUNDLED, *UNTRAINED)
    ],
)
def test_a_network_is_cut(name):
    size = SMALLEST.get(name, 32)
    model = load_backbone(name, "none", size)
    units = tl.find_units(model)
    assert len(units) == UNITS.get(name, len(units))
    assert len({unit.name for unit in units}) == len(units)
    assert [unit.depth for unit in units] == list(range(1, len(units) + 1))
    assert bool(coarse_units(model, units)) == name.startswith("nasnet")
    assert [layer for unit in units for layer in unit.layers] == [
        node.operation.name
        for depth in sorted(model._nodes_by_depth, reverse=True)
        for node in model._nodes_by_depth[depth]
    ]
    assert sum(unit.parameters for unit in units) == model.count_params()
    top = max(1, len(units) - 2)
    places = sorted({1, max(1, 3 * len(units) // 4), top, len(units)})
    tensors = [unit_output(model, units[depth - 1]) for depth in places]
    images = np.random.default_rng(0).uniform(0, 255, (3, size, size, 3)).astype("float32")
    values, features, source = images, {}, model.inputs[0]
    for depth, tensor in zip(places, tensors, strict=True):
        if tensor is not source:
            values = keras.Model(source, tensor)(values, training=False)
        assert tuple(values.shape[1:]) == tuple(units[depth - 1].output_shape)
        features[depth], source = values, tensor
    np.testing.assert_allclose(values, model(images, training=False), rtol=1e-3, atol=1e-4)

    if name in FAMILIES:
        train_a_step(model, tensors[places.index(top)], features[top])
    del model, units, tensors, tensor, values, features, source
    keras.backend.clear_session()  # collects garbage


def train_a_step(model, tensor, features):
    """Train what is above a tensor; the bias of its head must move."""
    prefix, suffix = cut(model, tensor)
    prefix.trainable = False
    suffix.trainable = True
    pooled = layers.GlobalAveragePooling2D()(suffix.outputs[0])
    trained = keras.Model(suffix.inputs[0], layers.Dense(2, "softmax")(pooled))
    bias = trained.layers[-1].bias
    before = bias.numpy()
    # Traced graphs of these networks take far longer than a step without.
    trained.compile(keras.optimizers.SGD(1e-4), "sparse_categorical_crossentropy", run_eagerly=True)
    labels = np.array([0, 0, 1])  # of which one is more frequent: the bias must move
    assert np.isfinite(trained.train_on_batch(features, labels))
    assert not np.array_equal(before, bias.numpy())
