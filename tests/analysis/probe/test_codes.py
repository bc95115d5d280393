"""Codes of every unit: pooled outputs, computed once."""

import numpy as np
import pytest

from tl_strategies.analysis.probe.codes import unit_codes
from tl_strategies.runs.job import check, prepare
from tl_strategies.runs.trainer import Trainer
from tl_strategies.settings.run import Settings


@pytest.fixture
def trainer(settings):
    def trainer(**flags):
        return Trainer(prepare(check(Settings(**(settings | flags)))))

    return trainer


@pytest.mark.parametrize("cache", ["auto", "off"])
def test_they_are_pooled_outputs_in_the_order_of_the_images(trainer, cache):
    made = trainer(cache=cache)
    images = made.images()
    positions = images.positions("test")[::-1]
    codes = unit_codes(made, images, positions)
    assert [rows.shape[1] for rows in codes] == [6, 6, 6, 6, 8]
    top = made.job.backbone.predict(images[positions], verbose=0).mean(axis=(1, 2))
    np.testing.assert_allclose(codes[-1], top, rtol=1e-5, atol=1e-6)


def test_they_are_computed_once(trainer, capfd):
    made = trainer()
    images = made.images()
    first = unit_codes(made, images, np.arange(20))
    made.job.backbone.layers[-1].trainable = True
    stored = [table["rows"] for table in made.store.tables() if table["kind"] == "features"]
    again = unit_codes(trainer(), images, np.arange(10, 30))
    assert stored == [20]
    for own, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(own[10:], other[:10])
    stored = [table["rows"] for table in made.store.tables() if table["kind"] == "features"]
    assert stored == [30]
