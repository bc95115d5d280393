"""Features: equal to the network's own output, whoever asks; digests see every change."""

import keras
import numpy as np

from tl_strategies.backbones.surgery import cut
from tl_strategies.backbones.units import find_units, unit_output
from tl_strategies.testing import tiny_backbone, tiny_batch
from tl_strategies.training.features import make_forward, model_digest, run_batches


def prefix_of(model, depth):
    return cut(model, unit_output(model, find_units(model)[depth - 1]))[0]


def test_a_row_does_not_depend_on_its_neighbours():
    prefix = make_forward(prefix_of(tiny_backbone(), 3))
    images = (tiny_batch(40)[0]).astype("uint8")
    whole = np.concatenate([out for _, out in run_batches(prefix, images, np.arange(40))])
    for rows in (np.array([3]), np.array([39, 0, 7]), np.arange(33, 40)):
        some = np.concatenate([out for _, out in run_batches(prefix, images, rows)])
        np.testing.assert_array_equal(some, whole[rows])
    assert len(whole) == 40


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
