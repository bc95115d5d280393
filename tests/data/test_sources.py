"""The bundled data unpack where nobody else can have put anything."""

import os
import pathlib
import stat

import pytest

from tl_strategies.data import sources


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The place for temporary files; that for cached ones cannot be written to."""
    (tmp_path / "temporary").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    return tmp_path / "temporary" / f"tl_strategies-{os.getuid()}"


def test_it_is_unpacked_once(temporary):
    folder = sources.unpack_clipart()
    assert folder.parent == temporary
    assert stat.S_IMODE(temporary.stat().st_mode) == 0o700
    assert sources.unpack_clipart() == folder


@pytest.mark.parametrize("kind", ["a link", "a file", "open to all", "open to a group", "other's"])
def test_what_others_may_have_prepared_is_not_used(temporary, monkeypatch, kind):
    prepared = temporary.parent / "prepared"
    prepared.mkdir(mode=0o700)
    if kind == "a link":
        temporary.symlink_to(prepared)
    elif kind == "a file":
        temporary.touch()
    else:
        temporary.mkdir()
        temporary.chmod({"open to all": 0o707, "open to a group": 0o770}.get(kind, 0o700))
    if kind == "other's":
        lstat = pathlib.Path.lstat

        def owned(path):
            status = list(lstat(path))
            status[stat.ST_UID] += 1
            return os.stat_result(status)

        monkeypatch.setattr(pathlib.Path, "lstat", owned)
    folder = sources.unpack_clipart()
    assert folder.is_dir()
    assert folder.parent not in (temporary, prepared)
    assert not list(prepared.iterdir())
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
