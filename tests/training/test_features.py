"""Features: equal to the network's own output, whoever asks; digests see every change."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

import tl_strategies as tl
from tl_strategies.backbones.surgery import cut
from tl_strategies.backbones.units import find_units, unit_output
from tl_strategies.backbones.zoo import load_backbone
from tl_strategies.plans.model import build_model, set_trainable
from tl_strategies.store.store import Store
from tl_strategies.testing import TASK, tiny_backbone, tiny_batch
from tl_strategies.training.features import Features
from tl_strategies.training.forward import make_forward, model_digest, run_rows
from tl_strategies.training.inputs import Inputs

pytestmark = pytest.mark.usefixtures("_optimized")


def prefix_of(model, depth):
    return cut(model, unit_output(model, find_units(model)[depth - 1]))[0]


def test_a_row_does_not_depend_on_its_neighbours():
    prefix = make_forward(prefix_of(tiny_backbone(), 3))
    images = (tiny_batch(40)[0]).astype("uint8")
    whole = np.stack([*run_rows(prefix, images, np.arange(40))])
    for rows in (np.array([3]), np.array([39, 0, 7]), np.arange(33, 40)):
        some = np.stack([*run_rows(prefix, images, rows)])
        np.testing.assert_array_equal(some, whole[rows])
    assert len(whole) == 40


@pytest.mark.parametrize("depth", [3, 9, 18])
def test_a_place_in_the_batch_changes_no_bit(depth):
    """Of the real network, whose matrix products leave a rest with most batch sizes."""
    backbone = load_backbone("efficientnet_lite0")
    forward = make_forward(cut(backbone, unit_output(backbone, find_units(backbone)[depth - 1]))[0])
    images = np.random.default_rng(0).integers(0, 255, (100, 128, 128, 3)).astype("uint8")
    whole = np.stack([*run_rows(forward, images, np.arange(100))])
    for seed, count in enumerate((32, 9, 50)):
        rows = np.random.default_rng(seed).permutation(100)[:count]
        some = np.stack([*run_rows(forward, images, rows)])
        np.testing.assert_array_equal(some, whole[rows])


def test_digests_see_weights_structure_and_depth_but_not_names():
    model = tiny_backbone()
    digest = model_digest(prefix_of(model, 3))
    assert digest == model_digest(prefix_of(model, 3))
    assert digest != model_digest(prefix_of(model, 2))
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    assert model_digest(prefix_of(copy, 3)) == digest
    copy.get_layer("stem_bn").epsilon = 0.1
    assert model_digest(prefix_of(copy, 3)) != digest
    kernel = model.get_layer("block1b_conv").kernel
    changed = kernel.numpy()
    changed[0, 0, 0, 0] += 1e-6
    kernel.assign(changed)
    assert model_digest(prefix_of(model, 3)) != digest


class Counted:
    """Images, and how many were asked for."""

    def __init__(self, images):
        self.images = images
        self.shape, self.dtype = images.shape, images.dtype
        self.asked = 0

    def __getitem__(self, rows):
        self.asked += len(rows)
        return self.images[rows]


@pytest.fixture
def make(tmp_path):
    """Features of one network, in a store of the test's own."""
    backbone = tiny_backbone()
    units = find_units(backbone)
    plan = tl.get_strategy("head")().plan(units, TASK, "tiny")
    model = build_model(plan, backbone, units)
    set_trainable(model, plan, units, None)
    images = tiny_batch(70)[0].astype("uint8")
    keys = np.array([f"{i:032x}" for i in range(70)], "S32")

    def make(folder):
        source = SimpleNamespace(decoding={"size": 16})
        features = Features(model, plan, units, source, Store(tmp_path / folder))
        inputs = Inputs(Counted(images), keys, np.zeros(70, int), np.ones(70), 1)
        return features, inputs

    return make


@pytest.mark.parametrize("deeper", [3, 4, 5])
def test_deeper_features_come_from_stored_shallower_ones(make, deeper):
    direct, images = make("direct")
    expected = direct.fetch(deeper, {"train": images})["train"]
    assert images.array.asked >= 70
    features, images = make("gone_on")
    features.fetch(2, {"train": images})
    asked = images.array.asked
    found = features.fetch(deeper, {"train": images})["train"]
    assert images.array.asked == asked
    np.testing.assert_array_equal(found, expected)
    assert features.summary["status"] == "miss"
    assert {table["depth"] for table in features.store.tables()} == {2, deeper}


def test_a_name_that_is_also_a_value_hides_nothing():
    """Two networks that differ in an activation only, with layers called like it."""

    def network(activation):
        inputs = keras.Input((4,))
        outputs = keras.layers.Activation(activation, name=activation)(inputs)
        return keras.Model(inputs, outputs)

    assert model_digest(network("relu")) == model_digest(network("relu"))
    assert model_digest(network("relu")) != model_digest(network("tanh"))


def test_a_changed_weight_or_depth_finds_nothing_wrong(make):
    features, images = make("store")
    first = features.fetch(3, {"train": images})["train"]
    assert not np.array_equal(features.fetch(4, {"train": images})["train"], first)
    kernel = features.model.get_layer("block1b_conv").kernel
    kernel.assign(kernel + 0.01)
    second = features.fetch(3, {"train": images})["train"]
    assert not np.array_equal(first, second)
    forward = make_forward(features.cut(3)[0])
    expected = np.stack([*run_rows(forward, images.array, np.arange(70))])
    np.testing.assert_array_equal(second, expected)


@pytest.mark.parametrize(("start", "end"), [(0, 3), (3, None)])
def test_a_forward_that_is_asked_for_again_follows_every_weight(make, start, end):
    features, images = make("store")
    rows = images.array[np.arange(5)]
    rows = features.forward(0, start)(rows) if start else rows
    before = features.forward(start, end)(rows)
    for weight in features.model.weights:
        weight.assign(weight * 1.1)
    after = features.forward(start, end)(rows)
    expected = make("other")[0].forward(start, end)(rows)
    assert not np.allclose(before, after, rtol=1e-3)
    np.testing.assert_array_equal(after, expected)


def test_features_of_another_rule_of_folding_are_not_found(make, monkeypatch):
    features, images = make("store")
    for version, found in ((1, False), (1, True), (2, False)):
        monkeypatch.setattr("tl_strategies.training.features.VERSION", version)
        asked = images.array.asked
        features.fetch(3, {"train": images})
        assert (images.array.asked == asked) == found
