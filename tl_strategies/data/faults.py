"""Why a file or folder cannot be used, in words; and which faults are not its own."""

import errno
import pathlib

MACHINE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # another file would fare no better


def raise_machine_fault(error: Exception) -> None:
    """Raise an error that says nothing about the file at hand: no memory, no more open files."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) in MACHINE:
        raise error


def reason(error: Exception, path: str) -> str:
    """Why something at a path cannot be read; an empty path is that of nothing."""
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, FileNotFoundError):
        if pathlib.Path(path).is_symlink():
            return "a link to nothing"
        return "the file does not exist" + ("; its path has backslashes" if "\\" in path else "")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).replace(path or "\0", "the file") or type(error).__name__
