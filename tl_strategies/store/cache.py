"""Where a user's cached files lie."""

import contextlib
import os
import pathlib
import stat
import tempfile

from tl_strategies.errors import UsageError


def cache_directory(given: str | os.PathLike | None = None) -> pathlib.Path:
    """The directory given, or tl_strategies in the user's cache directory. It may not exist yet.

    Who has no home has one in the system's directory for temporary files.
    """
    if given:
        return pathlib.Path(given).expanduser().absolute()
    base = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))  # noqa: PTH111
    if not base.is_absolute():
        base = temporary_directory()
    return base / "tl_strategies"


def temporary_directory() -> pathlib.Path:
    """A directory for temporary files that nobody else can have prepared or can write to."""
    directory = pathlib.Path(tempfile.gettempdir()) / f"tl_strategies-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    status = directory.lstat()
    open_to_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not open_to_others:
        return directory
    return pathlib.Path(tempfile.mkdtemp(prefix="tl_strategies-"))


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
