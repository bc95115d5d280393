"""What a data set holds, and what looks wrong with it, before anything is trained."""

import collections
import contextlib
import difflib
import itertools
import json
import unicodedata
import warnings
from typing import Any

import numpy as np

from tl_strategies.data.formats import open_image
from tl_strategies.data.images import Images
from tl_strategies.data.left_out import left_out_lines
from tl_strategies.data.part_names import PART_NAMES
from tl_strategies.data.split import PARTS
from tl_strategies.output import shown

SAMPLE = 500  # images whose sizes are looked at
SHOWN = 5  # examples in the text
NAMES = 8  # classes in the short text
ODD_NAMES = (*PART_NAMES, "images", "__macosx")
LOOKED_AT = 1000  # images that are looked at where not all are in memory
CHUNK = 2**24  # bytes looked at together
SAME = 2  # values that differ by no more are one colour


def describe_data(images: Images) -> dict[str, Any]:
    """Counts, sizes and oddities of a data set, as plain data."""
    listing = images.listing
    used = {part: images.positions(part) for part in PARTS}
    counts = {part: listing.counts(positions) for part, positions in used.items()}
    return {
        "source": listing.source,
        "images": {part: len(positions) for part, positions in used.items()},
        "classes": {
            name: {part: int(counts[part][i]) for part in PARTS}
            for i, name in enumerate(listing.task.names)
        },
        "multilabel": listing.task.multilabel,
        "sizes": _sizes(images),
        "left_out": [list(pair) for pair in listing.left_out],
        "duplicates": _duplicates(images),
        "blank": _blank_images(images),
        "odd_names": _odd_names(listing.task.names),
        "notes": list(listing.notes),
    }


def report_json(report: dict[str, Any]) -> str:
    """A report as JSON that is valid whatever bytes are in the names of files."""
    text = json.dumps(report, indent=1, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()


def data_text(report: dict[str, Any], whole: bool = False) -> str:
    """A report as lines; `whole` with every class and every oddity."""
    several = "labels, several an image" if report["multilabel"] else "classes"
    parts = ", ".join(f"{count} {part}" for part, count in report["images"].items())
    same = [
        " = ".join(f"{path} ({label})" for path, label in group) for group in report["duplicates"]
    ]
    lines = [f"images      {parts}; {len(report['classes'])} {several}"]
    lines += _table(report["classes"]) if whole else [_classes(report["classes"])]
    lines += _size_lines(report["sizes"])
    lines += _block("left out", len(report["left_out"]), left_out_lines(report["left_out"]))
    for title, entries in (
        ("same image", same),
        ("one colour", report["blank"]),
        ("no image", _absent(report)),
        ("odd names", report["odd_names"]),
    ):
        examples = [shown(entry) for entry in (entries if whole else entries[:SHOWN])]
        if more := len(entries) - len(examples):
            examples.append(f"and {more} more; tl-inspect --dataset lists all")
        lines += _block(title, len(entries), examples)
    return "\n".join([*lines, *(f"note        {shown(note)}" for note in report["notes"])])


def _table(classes: dict[str, dict[str, int]]) -> list[str]:
    width = max(map(len, classes))
    rows = {"class": {part: part for part in PARTS}, **classes}
    return [
        f"{name:<{width}}" + "".join(f"{cells[part]:>12}" for part in PARTS)
        for name, cells in rows.items()
    ]


def _classes(classes: dict[str, dict[str, int]]) -> str:
    totals = {name: sum(counts.values()) for name, counts in classes.items()}
    order = sorted(totals, key=totals.get)
    least, most = order[0], order[-1]
    if totals[least] == totals[most]:
        return f"classes     {totals[least]} images each"
    if len(totals) > NAMES:
        return f"classes     from {totals[least]} ({least}) to {totals[most]} images ({most})"
    return "classes     " + ", ".join(f"{name} {count}" for name, count in totals.items())


def _size_lines(sizes: dict[str, Any]) -> list[str]:
    if not sizes:
        return []
    small, middle, large = (
        "{} × {}".format(*sizes[which]) for which in ("smallest", "median", "largest")
    )
    text = f"{small} pixels" if small == large else f"{small} to {large} pixels, median {middle}"
    some = f", of {SAMPLE} images" if sizes["looked_at"] >= SAMPLE else ""
    return [f"sizes       {text}{some}"]


def _block(title: str, count: int, lines: list[str]) -> list[str]:
    titles = [f"{title:<12}{count}: ", *[" " * 12] * len(lines)]
    return [before + line for before, line in zip(titles, lines, strict=False)]


def _absent(report: dict[str, Any]) -> list[str]:
    """Which classes have no image in a part that has images of others."""
    absent = []
    for name, counts in report["classes"].items():
        parts = [part for part in PARTS if report["images"][part] and not counts[part]]
        absent += [f"of {name} in {' and '.join(parts)}"] if parts else []
    return absent


def _sizes(images: Images) -> dict[str, Any]:
    """Width and height of the smallest, the middle and the largest of some images, by area."""
    step = max(1, len(images.rows) // SAMPLE)
    sizes = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for source in images.listing.contents.read(images.rows[::step][:SAMPLE]):
            if isinstance(source, np.ndarray):
                sizes.append(source.shape[1::-1])
                continue
            # What was decoded can be opened, unless its metadata is broken or it is gone by now.
            with contextlib.suppress(Exception), open_image(source) as image:
                sizes.append(tuple(map(int, image.size)))
    if not sizes:
        return {}
    sizes.sort(key=lambda size: size[0] * size[1])
    return {
        "smallest": sizes[0],
        "median": sizes[len(sizes) // 2],
        "largest": sizes[-1],
        "looked_at": len(sizes),
    }


def _duplicates(images: Images) -> list[list[tuple[str, str]]]:
    """Path and label of images that have the same content, a list for each content."""
    listing = images.listing
    positions = collections.defaultdict(list)
    for i, key in enumerate(images.keys.tolist()):
        positions[key].append(i)
    return [
        [(listing.paths[i], listing.label_text(i)) for i in same]
        for same in positions.values()
        if len(same) > 1
    ]


def _odd_names(names: tuple[str, ...]) -> list[str]:
    """Names that look like another one, or like no class."""
    odd = [f"{name!r} looks like no class" for name in names if name.lower() in ODD_NAMES]
    folded = {name: unicodedata.normalize("NFC", name.casefold()) for name in names}
    plain = {n: "".join(filter(str.isalnum, text)).rstrip("s") for n, text in folded.items()}
    first: dict[str, str] = {}
    pairs = []
    for name, key in plain.items():
        if key and first.setdefault(key, name) != name:
            pairs.append((first[key], name))
    if len(names) <= 200:
        pairs += [
            (name, other)
            for name, other in itertools.product(names, names)
            if name < other and _alike(plain[name], plain[other])
        ]
    return odd + [f"{one!r} and {other!r} look alike" for one, other in pairs]


def _alike(one: str, other: str) -> bool:
    if len(one) <= 5 or one == other or any(map(str.isdigit, one)):
        return False
    return difflib.SequenceMatcher(None, one, other).ratio() > 0.9


def _blank_images(images: Images) -> list[str]:
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
    """Whether images show one colour, but for the white that pads them."""
    middle, across = pixels.shape[1] // 2, pixels.shape[2] // 2
    centre = pixels[:, middle, across]
    blank = np.zeros(len(pixels), bool)
    rows, columns = pixels[:, middle], pixels[:, :, across]
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
