"""Directories say whose they are by a mark in them, and one process at a time works in each."""

import contextlib
import errno
import os
import pathlib
import re
import secrets
from collections.abc import Iterable, Iterator

from tl_strategies.errors import FULL_DISK, UsageError
from tl_strategies.opening import locked, open_regular

MARK = ".tl_strategies"  # a file, as CACHEDIR.TAG is in a cache
MADE, USED = "made by tl-strategies", "used by tl-strategies"  # its first line
RECORDS = (
    "plan.json",
    "search.json",
    "study.json",
    "probing.json",
)  # each marks a piece of long work
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
NUMBER = re.compile(r"[0-9a-f]{16}")  # its second line


def expanded(path: str | os.PathLike) -> pathlib.Path:
    """A path with ~ for a home; a UsageError where nobody has it."""
    try:
        return pathlib.Path(path).expanduser()
    except RuntimeError as error:
        raise UsageError(f"A path must be one that you can read. Received: {path}: {error}") from (
            error
        )


def is_ours(directory: str | os.PathLike) -> bool:
    """Whether tl-strategies made a directory, and all that is in it: a run's, a cache's."""
    return _read_mark(pathlib.Path(directory))[0] == MADE


def make_directory(directory: pathlib.Path, marked: bool = False) -> None:
    """Make a directory, and those above it, for the user alone, with the mark that it is ours.

    `marked` gives it a mark of its own even where it lies in one that has.
    """
    if directory.is_dir():
        return
    inside = not marked and any(map(is_ours, directory.absolute().parents))
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
    if not inside:  # who holds it already marks it
        with contextlib.suppress(BlockingIOError), locked(directory / MARK, wait=False):
            _write_mark(directory, MADE)


@contextlib.contextmanager
def claimed(directory: pathlib.Path, record: str, names: Iterable[str]) -> Iterator[None]:
    """Hold a directory for this process, made and marked where it is new.

    Nothing is left of it where nothing was written. `record` is the file that shows that such work
    was begun here, `names` are all that it writes: what the user has of these is not replaced.
    """
    make_directory(directory)
    with contextlib.ExitStack() as stack:
        _hold(directory, stack)
        entries = {path.name for path in directory.iterdir() if not is_ours(path)} - {MARK}
        if record not in entries:
            begun = _read_mark(directory)[1]  # and killed at once
            replaced = sorted(entries & set(RECORDS if begun else names))
            if replaced:
                raise UsageError(
                    "--run_dir must not hold files that would be replaced. Received: "
                    f"{directory}, which has {', '.join(replaced[:5])}. Name another directory."
                )
        _write_mark(directory, USED if entries else MADE)
        try:
            yield
        finally:
            if is_ours(directory) and [path.name for path in directory.iterdir()] == [MARK]:
                (directory / MARK).unlink()
                directory.rmdir()


def number_near(directory: pathlib.Path) -> str:
    """The number of the mark in a directory, or in the nearest one above it that has one."""
    absolute = directory.absolute()
    marks = (_read_mark(path)[1] for path in (absolute, *absolute.parents))
    return next(filter(None, marks), "")


def _hold(directory: pathlib.Path, stack: contextlib.ExitStack) -> None:
    """Lock a directory until the stack is left."""
    try:
        stack.enter_context(locked(directory / MARK, wait=False))
    except BlockingIOError as error:
        raise UsageError(
            f"--run_dir must be free. Received: {directory}, where another process is at work."
        ) from error
    except OSError as error:
        if error.errno in FULL_DISK:
            raise
        if error.errno not in NO_LOCKS:
            raise UsageError(
                f"--run_dir must be a directory that can be held by a lock, {MARK} in it. "
                f"Received: {directory}: {error.strerror}."
            ) from error
        print(f"going on without a lock: {directory} is on a disk that has none", flush=True)


def _read_mark(directory: pathlib.Path) -> tuple[str, str]:
    """First line and number of a directory's mark; empty where it has none."""
    try:
        with open_regular(directory / MARK, follow=False) as file:
            lines = file.read(200).decode(errors="replace").split("\n")
    except OSError:
        return "", ""
    known = len(lines) > 1 and lines[0] in (MADE, USED) and NUMBER.fullmatch(lines[1])
    return (lines[0], lines[1]) if known else ("", "")


def _write_mark(directory: pathlib.Path, kind: str) -> None:
    """Fill the mark that the lock has made."""
    with (directory / MARK).open("r+b") as file:
        if not file.read(1):
            file.write(f"{kind}\n{secrets.token_hex(8)}\n".encode())
