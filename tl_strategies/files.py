"""Files appear whole or not at all, directories say whose they are, and one process holds each.

What is deleted is proven to be ours: a directory that we made holds a mark, and what was begun
beside a file and never ended has a name with the mark's own number in it.
"""

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from tl_strategies.errors import UsageError

MARK = ".tl_strategies"  # a file, as CACHEDIR.TAG is in a cache
MADE, USED = "made by tl-strategies", "used by tl-strategies"  # its first line
NUMBER = re.compile(r"[0-9a-f]{16}")  # its second line


def is_ours(directory: str | os.PathLike) -> bool:
    """Whether tl-strategies made a directory, and all that is in it: a run's, a cache's."""
    return _read_mark(pathlib.Path(directory))[0] == MADE


def make_directory(directory: pathlib.Path, marked: bool = False) -> None:
    """Make a directory for the user alone where there is none, with the mark that it is ours.

    Args:
        directory: is made with those above it.
        marked: whether it has a mark of its own even where it lies in one that has.
    """
    if directory.is_dir():
        return
    inside = not marked and any(map(is_ours, directory.absolute().parents))
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
    if not inside:  # who holds it already marks it
        with (
            contextlib.suppress(BlockingIOError),
            locked(directory / MARK, wait=False) as descriptor,
        ):
            _write_mark(descriptor, MADE)


@contextlib.contextmanager
def claimed(directory: pathlib.Path, record: str, names: Iterable[str]) -> Iterator[None]:
    """Hold a directory for this process, made and marked where it is new.

    Nothing is left of it where nothing was written.

    Args:
        directory: for a piece of long work.
        record: the file that shows that such work was begun here.
        names: of files and directories that the work will write.

    Raises:
        UsageError: another process holds it, or what it has of the user's would be replaced.
    """
    make_directory(directory)
    try:
        with locked(directory / MARK, wait=False) as descriptor:
            if not _read_mark(directory)[1]:
                entries = {path.name for path in directory.iterdir()} - {MARK}
                if not (directory / record).is_file():
                    _refuse_to_replace(directory, sorted(entries & set(names)))
                _write_mark(descriptor, USED if entries else MADE)
            try:
                yield
            finally:
                _drop_empty(directory)
    except BlockingIOError as error:
        raise UsageError(
            f"--run_dir must be free. Received: {directory}, where another process is at work."
        ) from error


@contextlib.contextmanager
def locked(path: pathlib.Path, wait: bool = True) -> Iterator[int]:
    """Hold the lock that a file stands for; a process that dies lets it go.

    The file may have been put there by anyone: it is neither followed nor cut.

    Yields:
        The open file's descriptor.

    Raises:
        BlockingIOError: another process holds it and `wait` is False.
        OSError: there can be no lock here.
    """
    make_directory(path.parent)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    while True:
        descriptor = os.open(path, flags, 0o600)
        try:
            held = os.fstat(descriptor)
            if not stat.S_ISREG(held.st_mode):
                raise OSError(errno.EINVAL, "a lock must be a regular file", str(path))
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(held, path.lstat()):  # not deleted in the meantime
                    yield descriptor
                    return
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def written_aside(target: pathlib.Path) -> Iterator[pathlib.Path]:
    """A path beside `target` to write a file or directory to; renamed to it when the block ends.

    Before that it is flushed to the disk. Where the block raises, nothing is left. A directory that
    another process has put there in the meantime stays.
    """
    make_directory(target.parent)
    name = f"{MARK}-{_number_near(target.parent)}-{secrets.token_hex(4)}-{target.name}"
    aside = target.with_name(name)
    try:
        yield aside
        if aside.is_dir() and target.exists():
            return
        for path in [*_inside(aside), aside]:
            _flush(path)
        aside.replace(target)
        _flush(target.parent)
    finally:
        _delete(aside)


def remove_leftovers(directory: pathlib.Path) -> None:
    """Delete what processes that were killed had begun to write aside in a directory of ours."""
    number = _number_near(directory)
    if number and directory.is_dir():
        for path in directory.iterdir():
            if path.name.startswith(f"{MARK}-{number}-"):
                _delete(path)


def write_text(target: pathlib.Path, text: str) -> None:
    """Write a small text file, whole or not at all."""
    with written_aside(target) as aside:
        aside.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")


def read_text(path: pathlib.Path) -> str:
    """The text that `write_text` wrote, whatever file names are in it."""
    with open_regular(path) as file:
        return file.read().decode("utf-8", errors="surrogateescape")


def open_regular(path: pathlib.Path, follow: bool = True) -> BinaryIO:
    """Open a file to read it; a named pipe does not wait for its writer.

    Raises:
        OSError: it cannot be opened, or is no regular file, or a link that is not to be followed.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    file = os.fdopen(os.open(path, flags), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it must be a regular file", str(path))
    return file


def read_json(path: pathlib.Path) -> dict[str, Any] | None:
    """The object in a JSON file; None where there is no file, or, which is said, a damaged one."""
    try:
        content = json.loads(read_text(path))
        if isinstance(content, dict):
            return content
    except FileNotFoundError:
        return None
    except ValueError:
        pass
    print(f"a damaged file is not used: {path}", flush=True)
    return None


def _read_mark(directory: pathlib.Path) -> tuple[str, str]:
    """First line and number of a directory's mark; empty where it has none."""
    try:
        with open_regular(directory / MARK, follow=False) as file:
            lines = file.read(200).decode(errors="replace").split("\n")
    except OSError:
        return "", ""
    known = len(lines) > 1 and lines[0] in (MADE, USED) and NUMBER.fullmatch(lines[1])
    return (lines[0], lines[1]) if known else ("", "")


def _write_mark(descriptor: int, kind: str) -> None:
    """Fill an empty mark."""
    if os.fstat(descriptor).st_size == 0:
        os.write(descriptor, f"{kind}\n{secrets.token_hex(8)}\n".encode())


def _number_near(directory: pathlib.Path) -> str:
    """The number of the mark in a directory, or in the nearest one above it that has one."""
    absolute = directory.absolute()
    marks = (_read_mark(path)[1] for path in (absolute, *absolute.parents))
    return next(filter(None, marks), "")


def _refuse_to_replace(directory: pathlib.Path, names: list[str]) -> None:
    if names:
        raise UsageError(
            "--run_dir must not hold files that would be replaced. Received: "
            f"{directory}, which has {', '.join(names[:5])}. Name another directory."
        )


def _drop_empty(directory: pathlib.Path) -> None:
    """Remove a directory that we made and that holds nothing but our mark."""
    if is_ours(directory) and [path.name for path in directory.iterdir()] == [MARK]:
        (directory / MARK).unlink()
        directory.rmdir()


def _inside(directory: pathlib.Path) -> list[pathlib.Path]:
    return list(directory.rglob("*")) if directory.is_dir() else []


def _flush(path: pathlib.Path) -> None:
    """Have the system write a file or a directory to its disk."""
    # Some network drives know no flushing of directories.
    with contextlib.suppress(OSError) if path.is_dir() else contextlib.nullcontext():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _delete(path: pathlib.Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
