"""Checkpoints: read back as they were; what cannot be written leaves the last good one."""

import resource

import numpy as np
import pytest

from tl_strategies.training.checkpoint import Checkpoint, Progress


@pytest.fixture
def checkpoint(tmp_path):
    return Checkpoint(tmp_path / "checkpoints")


def save(checkpoint, progress, value):
    progress.epoch += 1
    progress.note(value, 1.0)
    weights = [np.full(1000, value), np.full((2, 2), value)]
    checkpoint.save_best(progress, weights[:1])
    checkpoint.save(progress, weights)


def test_what_is_saved_is_loaded(checkpoint):
    assert checkpoint.load() is None
    progress = Progress(phase=1, learning_rate=0.1)
    for value in (0.1, 0.2):
        save(checkpoint, progress, value)
    loaded, weights = checkpoint.load()
    assert loaded == progress
    assert [weight.shape for weight in weights] == [(1000,), (2, 2)]
    np.testing.assert_array_equal(checkpoint.load_best(loaded)[0], np.full(1000, 0.2))
    assert {path.name for path in checkpoint.directory.iterdir()} == {"last.npz", "best-1-2.npz"}


def test_a_full_disk_keeps_the_last_good_one(checkpoint):
    """The system refuses to let a file grow, as a full disk does."""
    progress = Progress()
    save(checkpoint, progress, 0.1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            save(checkpoint, progress, 0.2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    loaded, weights = checkpoint.load()
    assert loaded.epoch == 1
    np.testing.assert_array_equal(weights[0], np.full(1000, 0.1))
    np.testing.assert_array_equal(checkpoint.load_best(loaded)[0], np.full(1000, 0.1))
    assert len(list(checkpoint.directory.iterdir())) == 2
