"""Opening files that anybody may have put there: links, named pipes, locks of other processes."""

import contextlib
import errno
import fcntl
import os
import pathlib
import stat
from collections.abc import Iterator
from typing import BinaryIO

TRIES = 10  # to lock; some network drives never give a file the same number twice


def open_regular(path: pathlib.Path, follow: bool = True) -> BinaryIO:
    """Open a file to read it; an OSError where it is none, also for a pipe that has no writer."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    file = os.fdopen(os.open(path, flags), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it must be a regular file", str(path))
    return file


@contextlib.contextmanager
def locked(path: pathlib.Path, wait: bool = True, shared: bool = False) -> Iterator[None]:
    """Hold the lock that a file stands for, alone or shared; a process that dies lets it go.

    The file may have been put there by anyone: it is neither followed nor cut. Without `wait`, a
    lock that another process holds is a BlockingIOError.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    for left in reversed(range(TRIES)):
        descriptor = os.open(path, flags, 0o600)
        try:
            held = os.fstat(descriptor)
            if not stat.S_ISREG(held.st_mode):
                raise OSError(errno.EINVAL, "a lock must be a regular file", str(path))
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(descriptor, kind | (0 if wait else fcntl.LOCK_NB))
            if _is_at(held, path) or not left:
                yield
                return
        finally:
            os.close(descriptor)


def _is_at(held: os.stat_result, path: pathlib.Path) -> bool:
    """Whether a file that was opened is still the one at a path, not deleted in the meantime."""
    try:
        return os.path.samestat(held, path.lstat())
    except FileNotFoundError:
        return False
