"""Fixtures: tiny photos in folders, a cache of the test's own."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def _seeded():
    np.random.seed(0)


def draw(seed: int, colour: int, size: int = 40) -> Image.Image:
    """A noisy picture in which one channel is bright: what its label is can be learnt."""
    pixels = np.random.default_rng(seed).integers(0, 120, (size, size + 8, 3))
    pixels[..., colour] += 100
    return Image.fromarray(pixels.astype("uint8"))


@pytest.fixture
def photos(tmp_path):
    """A folder with three classes of 14 pictures each."""
    root = tmp_path / "photos"
    for colour, name in enumerate(("red", "green", "blue")):
        (root / name).mkdir(parents=True)
        for i in range(14):
            draw(100 * colour + i, colour).save(root / name / f"{i:02}.png")
    return root
