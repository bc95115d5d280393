"""What parts must be: none of them empty, no image in two of them."""

import numpy as np

from tl_strategies.data.listing import Listing
from tl_strategies.data.split import PARTS
from tl_strategies.errors import UsageError


def refuse_empty(listing: Listing, groups: np.ndarray, parts: np.ndarray) -> None:
    """Raise a UsageError where there are too few different images for all parts."""
    absent = [part for part in PARTS if part not in parts]
    if absent:
        what = "contents" if listing.groups is None else "groups"
        raise UsageError(
            f"{listing.source} must have different images for training, validation and test: those "
            f"of one content or group stay in one part. Received: {len(parts)} images of "
            f"{len(np.unique(groups))} {what}, which leaves none for {' and '.join(absent)}. Add "
            "images that differ."
        )


def refuse_leaks(listing: Listing, groups: np.ndarray, parts: np.ndarray) -> None:
    """Raise a UsageError where images of one content or group are in several parts."""
    number = np.array([PARTS.index(part) for part in parts])
    order = np.lexsort((number, groups))
    same = groups[order][1:] == groups[order][:-1]
    pairs = np.flatnonzero(same & (number[order][1:] != number[order][:-1]))
    if not len(pairs):
        return
    lines = [
        " = ".join(f"{listing.paths[order[i + k]]} ({parts[order[i + k]]})" for k in (0, 1))
        for i in pairs[:5]
    ]
    raise UsageError(
        f"Parts must not share images or groups: the test part would not tell what is new. "
        f"Received: {len(pairs)} of {listing.source} that do, such as\n  "
        + "\n  ".join(lines)
        + "\n  "
        "Take them out of one part, or allow it with --allow_leaks."
    )
