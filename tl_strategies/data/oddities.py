"""What looks wrong with a data set: copies, pictures of one colour, names that are no class's."""

import difflib
import unicodedata

import numpy as np

from tl_strategies.data.images import Images
from tl_strategies.data.part_names import PART_NAMES

ODD_NAMES = (*PART_NAMES, "images", "__macosx")
LOOKED_AT = 1000  # images that are looked at where not all are in memory
CHUNK = 2**24  # bytes looked at together
SAME = 2  # values that differ by no more are one colour


def duplicates(images: Images) -> list[list[tuple[str, str]]]:
    """Path and label of images that have the same content, a list for each content."""
    order = np.argsort(images.keys, kind="stable")
    keys = images.keys[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    groups = [group for group in np.split(order, starts[1:]) if len(group) > 1]
    listing = images.listing
    return [
        [(listing.paths[i], listing.label_text(i)) for i in np.sort(group)]
        for group in sorted(groups, key=min)
    ]


def odd_names(names: tuple[str, ...]) -> list[str]:
    """Names that look like another one, or like no class."""
    odd = [f"{name!r} looks like no class" for name in names if name.lower() in ODD_NAMES]
    folded = {name: unicodedata.normalize("NFC", name.casefold()) for name in names}
    plain = {n: "".join(filter(str.isalnum, text)).rstrip("s") for n, text in folded.items()}
    seen: dict[str, str] = {}
    for name, key in plain.items():
        if key in seen and key:
            odd.append(f"{seen[key]!r} and {name!r} look alike")
        seen.setdefault(key, name)
    if len(names) <= 200:
        for name, key in plain.items():
            near = [
                other
                for other, its in plain.items()
                if other > name
                and len(key) > 5
                and key != its
                and not any(map(str.isdigit, key))
                and difflib.SequenceMatcher(None, key, its).ratio() > 0.9
            ]
            odd += [f"{name!r} and {other!r} look alike" for other in near]
    return odd


def blank_images(images: Images) -> list[str]:
    """The paths of images that are of one colour; of many images some are looked at."""
    positions = np.arange(len(images.rows))
    if not isinstance(images.array, np.ndarray):
        positions = positions[:: max(1, len(positions) // LOOKED_AT)]
    count = max(1, CHUNK // int(np.prod(images.array.shape[1:])))
    found = []
    for chunk in np.array_split(positions, 1 + len(positions) // count):
        found += chunk[_blank(images[chunk])].tolist()
    return [images.listing.paths[position] for position in found]


def _blank(pixels: np.ndarray) -> np.ndarray:
    """Whether square images show one colour, but for the white that makes them square."""
    middle = pixels.shape[1] // 2
    centre = pixels[:, middle, middle]
    blank = np.zeros(len(pixels), bool)
    rows, columns = pixels[:, middle], pixels[:, :, middle]
    plain = [np.ptp(line, axis=1).max(axis=1) <= SAME for line in (rows, columns)]
    for i in np.flatnonzero(plain[0] | plain[1]):  # few: most have no line of one colour
        same = (np.abs(pixels[i].astype("int16") - centre[i]) <= SAME).all(axis=-1)
        white = (pixels[i] == 255).all(axis=-1)
        blank[i] = _framed(same, white) or _framed(same.T, white.T)
    return blank


def _framed(same: np.ndarray, white: np.ndarray) -> bool:
    """Whether rows that are all the same lie in the middle, between white ones or none."""
    rows = same.all(axis=1)
    if not (rows | white.all(axis=1)).all() or not rows.any():
        return False
    first, last = np.flatnonzero(rows)[[0, -1]]
    return rows[first : last + 1].all() and abs(first - (len(rows) - 1 - last)) <= 1
