"""Directories: what is not provably ours is never touched; one process works in each."""

import errno
import os
import stat

import numpy as np
import pytest

from tl_strategies.directories import MARK, claimed, is_ours, make_directory
from tl_strategies.errors import UsageError
from tl_strategies.files import remove_leftovers, write_text

RECORD, NAMES = "plan.json", ("plan.json", "config.toml", "checkpoints")
AWKWARD = (
    *(".eslintrc.json", ".htpasswd.bak", ".settings.d", ".lock", ".12345678.config.toml"),
    *("chunk-0123456789abcdef", "0123456789abcdef0123456789abcdef", "table.json", "rows.bin"),
    *(f"{MARK}-0123456789abcdef-12345678-plan.json", f"{MARK}-precious", "store", " ", "-rf"),
    *("new\nline", "caf\udce9", "🌲", "runs", "trials", ".git", "index.npy", "session.txt"),
)


def grow_tree(root, seed, depth=3):
    """A random tree of files and directories with awkward names; returns what is in it."""
    rng = np.random.default_rng(seed)
    root.mkdir(parents=True, exist_ok=True)
    for name in rng.choice(AWKWARD, size=9, replace=False):
        path = root / str(name)
        kind = rng.choice(["file", "empty", "directory", "link"])
        if os.path.lexists(path):
            continue
        if kind == "directory" and depth:
            grow_tree(path, rng.integers(2**31), depth - 1)
        elif kind == "link":
            path.symlink_to(root.parent / "outside")
        elif kind != "directory":
            path.write_bytes(b"" if kind == "empty" else name.encode("utf-8", "surrogateescape"))
    return snapshot(root)


def snapshot(root):
    """What lies in a tree: content by path, targets of links, and directories."""
    found = {}
    for path in root.rglob("*"):
        if path.is_symlink():
            found[path] = f"link to {path.readlink()}"
        else:
            found[path] = path.read_bytes() if path.is_file() else "directory"
    return found


@pytest.mark.parametrize("seed", range(20))
def test_nothing_of_the_user_s_is_touched(tmp_path, seed):
    root = tmp_path / "of_the_user"
    before = grow_tree(root, seed)
    for _ in range(2):
        with claimed(root, RECORD, NAMES):
            remove_leftovers(root)
            write_text(root / "plan.json", "{}")
    assert {path: content for path, content in snapshot(root).items() if path in before} == before
    assert not is_ours(root)
    new = {path.name for path in snapshot(root).keys() - before.keys()}
    assert new == {MARK, "plan.json"}


def test_files_that_would_be_replaced_are_refused(tmp_path):
    (tmp_path / "config.toml").write_text("mine")
    with (
        pytest.raises(UsageError, match=r"which has config\.toml"),
        claimed(tmp_path, RECORD, NAMES),
    ):
        pass
    assert snapshot(tmp_path)[tmp_path / "config.toml"] == b"mine"


def test_work_of_another_kind_is_refused(tmp_path):
    directory = tmp_path / "work"
    with claimed(directory, "search.json", ["search.json"]):
        write_text(directory / "search.json", "{}")
    with pytest.raises(UsageError, match=r"search\.json"), claimed(directory, RECORD, NAMES):
        pass


def test_one_process_holds_a_directory(tmp_path):
    with claimed(tmp_path / "run", RECORD, NAMES):
        other = claimed(tmp_path / "run", RECORD, NAMES)
        with pytest.raises(UsageError, match="another process is at work"), other:
            pass
        write_text(tmp_path / "run" / "plan.json", "{}")
    with claimed(tmp_path / "run", RECORD, NAMES):
        pass


def test_a_directory_in_which_nothing_was_written_is_not_left_behind(tmp_path):
    def fail(directory):
        with claimed(directory, RECORD, NAMES):
            raise ZeroDivisionError

    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "precious").touch()
    for name in ("new", "there"):
        with pytest.raises(ZeroDivisionError):
            fail(tmp_path / name)
    assert {path.name for path in tmp_path.iterdir()} == {"there"}
    assert (tmp_path / "there" / "precious").is_file()


@pytest.mark.parametrize("planted", ["link", "directory"])
def test_a_directory_that_cannot_be_held_is_refused(tmp_path, planted):
    if planted == "link":
        (tmp_path / MARK).symlink_to(tmp_path / "elsewhere")
    else:
        (tmp_path / MARK).mkdir()
    with pytest.raises(UsageError, match="held by a lock"), claimed(tmp_path, RECORD, NAMES):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_disk_without_locks(tmp_path, monkeypatch, capsys):
    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, "no locks")

    make_directory(tmp_path / "run")
    monkeypatch.setattr("fcntl.flock", refuse)
    with claimed(tmp_path / "run", RECORD, NAMES):
        write_text(tmp_path / "run" / "plan.json", "{}")
    assert "going on without a lock" in capsys.readouterr().out


def test_directories_are_ours_and_for_the_user_alone(tmp_path):
    make_directory(tmp_path / "a" / "b")
    make_directory(tmp_path / "a" / "b" / "c")
    assert is_ours(tmp_path / "a" / "b")
    assert not is_ours(tmp_path / "a")
    assert not (tmp_path / "a" / "b" / "c" / MARK).exists()  # all of b is
    for path in (tmp_path / "a", tmp_path / "a" / "b" / "c"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


@pytest.mark.parametrize("text", ["made by tl-strategies", "made by tl-strategies\n12\n", ""])
def test_a_mark_that_is_none(tmp_path, text):
    (tmp_path / MARK).write_text(text)
    assert not is_ours(tmp_path)
