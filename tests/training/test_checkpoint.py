"""Checkpoints: read back as they were; what cannot be written leaves the last good one."""

import resource

import numpy as np
import pytest

from tl_strategies.directories import MARK
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
    save(checkpoint, progress, 0.3)
    names = {path.name for path in checkpoint.directory.iterdir()} - {MARK}
    assert names == {"last.npz", "before.npz", "best-1-2.npz", "best-1-3.npz"}


@pytest.mark.parametrize("damaged", ["last.npz", "best-0-2.npz"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "text"])
def test_a_damaged_one_falls_back_to_the_one_before(checkpoint, damaged, damage, capsys):
    progress = Progress()
    for value in (0.1, 0.2):
        save(checkpoint, progress, value)
    path = checkpoint.directory / damaged
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    damages = {"flip": data, "cut": data[: len(data) // 2], "empty": b"", "text": b"no zip"}
    path.write_bytes(damages[damage])
    loaded, weights = Checkpoint(checkpoint.directory).load()
    assert loaded.epoch == 1
    np.testing.assert_array_equal(weights[0], np.full(1000, 0.1))
    np.testing.assert_array_equal(checkpoint.load_best(loaded)[0], np.full(1000, 0.1))
    assert f"a damaged checkpoint is not used: {checkpoint.directory}" in capsys.readouterr().out


def test_two_damaged_ones_are_as_none(checkpoint):
    progress = Progress()
    for value in (0.1, 0.2):
        save(checkpoint, progress, value)
    for name in ("last.npz", "before.npz"):
        (checkpoint.directory / name).write_bytes(b"")
    assert checkpoint.load() is None


def test_the_state_before_keeps_its_best_weights_after_a_resume(checkpoint):
    progress = Progress()
    for value in (0.1, 0.2):
        save(checkpoint, progress, value)
    resumed = Checkpoint(checkpoint.directory)
    progress, _ = resumed.load()
    save(resumed, progress, 0.3)
    (checkpoint.directory / "last.npz").write_bytes(b"")
    loaded, _ = Checkpoint(checkpoint.directory).load()
    assert loaded.epoch == 2


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
    names = {path.name for path in checkpoint.directory.iterdir()} - {MARK}
    assert names == {"last.npz", "best-0-1.npz"}
