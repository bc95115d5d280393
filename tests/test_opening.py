"""Files that somebody has planted are neither followed nor cut, and nobody waits for them."""

import fcntl
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


def test_an_error_of_who_holds_a_lock_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"), locked(tmp_path / "lock"):
        (tmp_path / "nowhere").read_text()


def test_a_lock_that_is_deleted_while_another_process_waits_for_it(tmp_path, monkeypatch):
    """Who comes next locks the new file, not the one that nobody else can see."""
    lock, flock = tmp_path / "lock", fcntl.flock

    def delete_once(descriptor, operation):
        flock(descriptor, operation)
        monkeypatch.setattr(fcntl, "flock", flock)
        lock.unlink()

    monkeypatch.setattr(fcntl, "flock", delete_once)
    with locked(lock), pytest.raises(BlockingIOError), locked(lock, wait=False):
        pass


def test_a_drive_that_numbers_files_anew_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(os.path, "samestat", lambda one, other: False)
    with locked(tmp_path / "lock"):
        pass
