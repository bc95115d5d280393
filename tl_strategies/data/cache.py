"""Where a user's cached files lie, and the one way in which files appear: whole or not at all."""

import contextlib
import fcntl
import os
import pathlib
import secrets
import shutil
import stat
from collections.abc import Iterator

from tl_strategies.errors import UsageError

MARK = ".tl_strategies"  # a file in each directory that we made, as CACHEDIR.TAG is in a cache
SIGNATURE = "made by tl-strategies"  # its first line


def is_ours(directory: str | os.PathLike) -> bool:
    """Whether tl-strategies made a directory, and all that is in it: a run's, a cache's."""
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(pathlib.Path(directory) / MARK, flags)
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as file:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return regular and file.read(len(SIGNATURE)) == SIGNATURE.encode()


def cache_directory(given: str | os.PathLike | None = None) -> pathlib.Path:
    """The directory given, or tl_strategies in the user's cache directory. It may not exist yet."""
    if given:
        return pathlib.Path(given).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "tl_strategies"


def store_directory(given: str | os.PathLike | None = None) -> pathlib.Path:
    """Where decoded images and features lie below a cache directory."""
    return cache_directory(given) / "store"


def check_directory(flag: str, directory: pathlib.Path) -> pathlib.Path:
    """What exists of a directory's path.

    Raises:
        UsageError: that is no directory.
    """
    absolute = directory.absolute()
    existing = next(path for path in (absolute, *absolute.parents) if path.exists())
    if not existing.is_dir():
        raise UsageError(
            f"--{flag} must be a directory. Received: {directory}; {existing} is none."
        )
    return existing


def check_writable(flag: str, directory: pathlib.Path) -> pathlib.Path:
    """The directory, which need not exist yet, if it could be made and written to.

    Raises:
        UsageError: it could not.
    """
    existing = check_directory(flag, directory)
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UsageError(
            f"--{flag} must be a directory that you can write to. Received: {directory}."
        )
    return directory


@contextlib.contextmanager
def locked(path: pathlib.Path, wait: bool = True) -> Iterator[None]:
    """Hold the lock that a file stands for; a process that dies lets it go.

    Raises:
        BlockingIOError: another process holds it and `wait` is False.
        OSError: there can be no lock here.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


@contextlib.contextmanager
def written_aside(target: pathlib.Path) -> Iterator[pathlib.Path]:
    """A path beside `target` to write a file or directory to; renamed to it when the block ends.

    Where the block raises, nothing is left. A directory that another process has put there in the
    meantime stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{secrets.token_hex(4)}.{target.name}")
    try:
        yield aside
        if aside.is_dir() and target.exists():
            return
        aside.replace(target)
    finally:
        if aside.is_dir():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.unlink(missing_ok=True)


def remove_leftovers(directory: pathlib.Path) -> None:
    """Delete what processes that were killed had begun to write aside in a directory."""
    for path in directory.glob(".????????.*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def write_text(target: pathlib.Path, text: str) -> None:
    """Write a small text file, whole or not at all."""
    with written_aside(target) as aside:
        aside.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")


def read_text(path: pathlib.Path) -> str:
    """The text that `write_text` wrote, whatever file names are in it."""
    return path.read_bytes().decode("utf-8", errors="surrogateescape")
