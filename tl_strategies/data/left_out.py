"""What was left out, as few lines: by cause and by extension, with examples."""

import collections
import pathlib
import re
from collections.abc import Sequence

from tl_strategies.output import shown

EXAMPLES = 3  # files that are named for each cause
CAUSES = 8  # the most frequent ones
EXTENSIONS = 5
LONGEST = 400  # characters of a path


def left_out_lines(left_out: Sequence[tuple[str, str]]) -> list[str]:
    """Lines for people: of each cause some files, and how many more of which extensions.

    Args:
        left_out: path and reason of each file. Reasons that differ in numbers alone are one cause.
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
