"""A small data set of four classes, and what a study of it needs."""

import numpy as np
import pytest

from tl_strategies.analysis.curve import open_job
from tl_strategies.analysis.settings import CurveSettings
from tl_strategies.training.settings import Settings

CLASSES = 4


@pytest.fixture(scope="session")
def arrays(tmp_path_factory):
    """An .npz file of images in which one corner is bright: what the label is can be learnt."""
    rng = np.random.default_rng(0)
    labels = np.arange(96) % CLASSES
    images = rng.integers(0, 150, (96, 28, 28, 3))
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(label, 2)
        image[14 * row : 14 * row + 14, 14 * column : 14 * column + 14] += 100
    path = tmp_path_factory.mktemp("arrays") / "corners.npz"
    parts = {"train": slice(0, 56), "validation": slice(56, 76), "test": slice(76, 96)}
    np.savez(
        path,
        **{f"x_{part}": images[of].astype("uint8") for part, of in parts.items()},
        **{f"y_{part}": labels[of] for part, of in parts.items()},
    )
    return path


@pytest.fixture
def settings(arrays, tmp_path):
    return Settings(
        backbone="caffenet_mini",
        dataset=f"npz:{arrays}",
        epochs=2,
        batch_size=8,
        optimizer="sgd",
        learning_rate=0.01,
        run_dir=str(tmp_path / "study"),
        cache_dir=str(tmp_path / "cache"),
        deterministic=True,
    )


@pytest.fixture
def open_study(settings):
    """A job and its settings, from those of the study."""

    def open_study(**curve):
        curve = CurveSettings(**{"splits": 1, **curve})
        return curve, open_job(settings, curve)

    return open_study
