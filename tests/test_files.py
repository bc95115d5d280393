"""Files: whole or not at all, flushed to the disk, and what was never ended is found again."""

import os
import pathlib

import pytest

from tl_strategies.directories import make_directory
from tl_strategies.errors import UsageError
from tl_strategies.files import atomic_write, read_json, remove_leftovers, write_text


def test_what_a_killed_process_left_is_deleted_and_nothing_else(tmp_path):
    run = tmp_path / "run"
    make_directory(run)
    aside = atomic_write(run / "plan.json")
    left = aside.__enter__()  # and killed
    left.write_text("half")
    copy = run / left.name.replace(left.name.split("-")[1], "f" * 16)
    copy.write_text("looks like ours")
    remove_leftovers(run)
    assert not left.exists()
    assert copy.read_text() == "looks like ours"


def name_of(descriptor):
    return str(pathlib.Path(f"/proc/self/fd/{descriptor}").readlink())


def test_what_is_written_is_flushed_before_it_has_its_name(tmp_path, monkeypatch):
    flushed = []
    target = tmp_path / "a.txt"
    monkeypatch.setattr(os, "fsync", lambda file: flushed.append((name_of(file), target.exists())))
    write_text(target, "text")
    assert flushed[0][0].endswith("-a.txt")
    assert not flushed[0][1]
    assert flushed[-1] == (str(tmp_path), True)


def test_damaged_json_is_as_none(tmp_path, capsys):
    path = tmp_path / "a.json"
    assert read_json(path) is None
    assert capsys.readouterr().out == ""
    for text in ("", "{", "[]", "\x00\x00"):
        path.write_text(text)
        assert read_json(path) is None
        assert "a damaged file is not used" in capsys.readouterr().out
    path.write_text('{"a": 1}')
    assert read_json(path) == {"a": 1}


@pytest.mark.parametrize("planted", ["directory", "pipe"])
def test_what_is_in_the_place_of_a_file(tmp_path, planted):
    path = tmp_path / "a.json"
    if planted == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
        with pytest.raises(UsageError, match="must be a file, or not be there"):
            write_text(path, "{}")
        assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]
    assert read_json(path) is None
