"""Views are fixed by their keys, whatever their neighbours; each policy does what it says."""

import hashlib

import keras
import numpy as np
import pytest

from tl_strategies.data.augment import (
    FIXED_VIEWS,
    augment,
    augment_by_layers,
    fixed_views,
)
from tl_strategies.errors import UsageError
from tl_strategies.training.batches import training_batches
from tl_strategies.training.inputs import Inputs

POLICIES = ("flip", "standard", "strong")


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 255, (12, 20, 20, 3)).astype("uint8")


@pytest.fixture
def keys():
    return np.array([hashlib.md5(bytes([i])).hexdigest() for i in range(12)], "S32")


@pytest.mark.parametrize("policy", POLICIES)
def test_a_view_does_not_depend_on_its_neighbours(policy, images, keys):
    whole = augment(policy, images, keys)
    assert whole.shape == images.shape
    assert whole.dtype == np.uint8
    np.testing.assert_array_equal(augment(policy, images[3:5], keys[3:5]), whole[3:5])
    assert not np.array_equal(augment(policy, images, keys[::-1]), whole)


def test_flips_are_exact_and_both_ways_happen(images, keys):
    views = augment("flip", images, keys)
    flipped = [
        np.array_equal(view, image[:, ::-1]) for view, image in zip(views, images, strict=True)
    ]
    same = [np.array_equal(view, image) for view, image in zip(views, images, strict=True)]
    assert all(a != b for a, b in zip(flipped, same, strict=True))
    assert any(flipped)
    assert any(same)


def test_a_crop_keeps_at_least_half(keys):
    """Of a horizontal ramp a crop shows a part, stretched: its range tells its width."""
    ramp = np.broadcast_to(np.arange(0, 200, 10)[None, None, :, None], (12, 20, 20, 3))
    views = augment("standard", ramp.astype("uint8"), keys).astype(int)
    widths = np.ptp(views, axis=(1, 2, 3)) / 190
    assert widths.min() >= np.sqrt(0.5 * 3 / 4) - 0.02
    assert widths.min() < 0.95
    strong = augment("strong", ramp.astype("uint8"), keys).astype(int)
    assert not np.array_equal(strong, views)


def test_an_epoch_sees_its_view():
    labels = np.arange(4)
    inputs = Inputs(None, np.zeros(12, "S32"), labels, np.ones(4), views=3)
    array = np.arange(12)[:, None]  # row: view * 4 + image
    targets, weights = np.eye(4, dtype="float32"), np.ones(4, "float32")
    batches = training_batches(array, inputs, targets, weights, 3, seed=0, epochs=range(1, 6))
    rows = [int(row) for images, _, _ in batches for row in images.numpy().ravel()]
    epochs = np.array(rows).reshape(5, 4)
    np.testing.assert_array_equal(epochs // 4, np.repeat([[1], [2], [0], [1], [2]], 4, axis=1))
    np.testing.assert_array_equal(np.sort(epochs % 4, axis=1), np.tile(np.arange(4), (5, 1)))
    assert len({tuple(epoch % 4) for epoch in epochs}) > 1


def turned():
    """Layers whose seeds Keras draws."""
    chain = [keras.layers.RandomRotation(0.2), keras.layers.RandomBrightness(0.3)]
    return [keras.Sequential(chain[:1]), *chain[1:]]


def test_layers_begin_each_view_from_its_key(images, keys):
    whole = augment_by_layers(turned(), images, keys)
    assert whole.dtype == np.uint8
    np.testing.assert_array_equal(augment_by_layers(turned(), images[3:5], keys[3:5]), whole[3:5])
    others = augment_by_layers(turned(), images, keys[::-1])
    assert all((one != other).any() for one, other in zip(whole, others, strict=True))


def test_layers_must_leave_the_size(images, keys):
    with pytest.raises(UsageError, match="must leave images as large as they are"):
        augment_by_layers(keras.layers.RandomCrop(8, 8), images, keys)


def test_fixed_views_are_the_image_its_corners_and_turns_and_their_mirrors():
    side = 30
    y, x = np.mgrid[:side, :side] * 8
    image = np.stack([y, x, np.full_like(x, 90)], axis=-1).astype("uint8")
    views = fixed_views(np.stack([image] * FIXED_VIEWS), np.arange(FIXED_VIEWS)).astype(int)
    np.testing.assert_array_equal(views[0], image)
    for number in range(0, 12, 2):
        np.testing.assert_allclose(views[number + 1], views[number][:, ::-1], atol=1)
    middles = views[2:12:2, :, :, :2].mean(axis=(1, 2)) - image[..., :2].mean(axis=(0, 1))
    shift = 8 * side / 6
    expected = np.array([(0, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)]) * shift
    np.testing.assert_allclose(middles, expected, atol=6)
    assert np.ptp(views[2, ..., 0]) == pytest.approx(2 / 3 * np.ptp(image[..., 0]), abs=8)
    turned = views[12], views[14]
    assert [view[0, 0].tolist() for view in turned] == [[255] * 3] * 2  # a corner from outside
    for view, sign in zip(turned, (1, -1), strict=True):
        middle = view[12:18, 12:18].astype(float)
        slope = np.diff(middle[..., 0], axis=1).mean() / np.diff(middle[..., 0], axis=0).mean()
        assert np.degrees(np.arctan(slope)) == pytest.approx(sign * 15, abs=1.5)
