"""Why files are left out, in words: of one, which faults are not its own; of many, in few lines."""

import collections
import errno
import pathlib
import re
from collections.abc import Sequence

from tl_strategies.output import shown

MACHINE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # another file would fare no better
EXAMPLES = 3  # files that are named for each cause
CAUSES = 8  # the most frequent ones
EXTENSIONS = 5
LONGEST = 400  # characters of a path


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


def left_out_lines(left_out: Sequence[tuple[str, str]]) -> list[str]:
    """Lines for people, from path and reason of each file; reasons alike but for numbers are one.

    Of each cause they have some files, and how many more of which extensions.
    """
    causes = collections.defaultdict(list)
    for path, why in left_out:
        causes[re.sub(r"\d+", "#", why)].append((path, why))
    order = sorted(causes.values(), key=len, reverse=True)
    lines = []
    for files in order[:CAUSES]:
        lines += [shown(f"{_short(path)}: {why}") for path, why in files[:EXAMPLES]]
        if rest := files[EXAMPLES:]:
            lines.append(f"and {len(rest):,} more like this: {_extensions(rest)}")
    if others := sum(map(len, order[CAUSES:])):
        lines.append(f"and {others:,} for {len(order) - CAUSES} other reasons")
    return lines


def _short(path: str) -> str:
    return path if len(path) <= LONGEST else f"{path[: LONGEST // 2]}…{path[-LONGEST // 2 :]}"


def _extensions(files: Sequence[tuple[str, str]]) -> str:
    counts = collections.Counter(pathlib.Path(path).suffix.lower() for path, _ in files)
    some = [
        f"{count:,} {shown(suffix) or 'without extension'}"
        for suffix, count in counts.most_common(EXTENSIONS)
    ]
    more = len(counts) - EXTENSIONS
    return ", ".join(some) + (f" and {more} other extensions" if more > 0 else "")
