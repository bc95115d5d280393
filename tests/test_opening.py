"""Files that somebody has planted are neither followed nor cut, and nobody waits for them."""

import os

import pytest

from tl_strategies.opening import locked


@pytest.mark.parametrize("planted", ["link", "dangling link", "pipe", "directory"])
def test_a_lock_that_somebody_planted(tmp_path, planted):
    lock, precious = tmp_path / "lock", tmp_path / "precious"
    precious.write_text("all of it")
    if planted == "pipe":
        os.mkfifo(lock)
    elif planted == "directory":
        lock.mkdir()
    else:
        lock.symlink_to(precious if planted == "link" else tmp_path / "not there")
    with pytest.raises(OSError), locked(lock):  # noqa: PT011
        pass
    assert precious.read_text() == "all of it"
    assert not (tmp_path / "not there").exists()


def test_a_lock_that_is_there_keeps_its_content(tmp_path):
    (tmp_path / "lock").write_text("mine")
    with locked(tmp_path / "lock"):
        pass
    assert (tmp_path / "lock").read_text() == "mine"
