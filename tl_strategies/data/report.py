"""What a data set holds, and what looks wrong with it, before anything is trained."""

import contextlib
import json
import warnings
from typing import Any

import numpy as np

from tl_strategies.data.formats import open_image
from tl_strategies.data.images import Images
from tl_strategies.data.left_out import left_out_lines
from tl_strategies.data.oddities import blank_images, duplicates, odd_names
from tl_strategies.data.split import PARTS
from tl_strategies.output import shown

SAMPLE = 500  # images whose sizes are looked at
SHOWN = 5  # examples in the text
NAMES = 8  # classes in the short text


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
        "duplicates": duplicates(images),
        "blank": blank_images(images),
        "odd_names": odd_names(listing.task.names),
        "notes": list(listing.notes),
    }


def data_text(report: dict[str, Any], whole: bool = False) -> str:
    """A report as lines; `whole` with every class and every oddity."""
    most = None if whole else SHOWN
    several = "labels, several an image" if report["multilabel"] else "classes"
    parts = ", ".join(f"{count} {part}" for part, count in report["images"].items())
    lines = [f"images      {parts}; {len(report['classes'])} {several}"]
    totals = {name: sum(counts.values()) for name, counts in report["classes"].items()}
    if whole:
        width = max(map(len, totals))
        lines.append(f"{'class':<{width}}" + "".join(f"{part:>12}" for part in PARTS))
        lines += [
            f"{name:<{width}}" + "".join(f"{counts[part]:>12}" for part in PARTS)
            for name, counts in report["classes"].items()
        ]
    else:
        order = sorted(totals, key=totals.__getitem__)
        if len(set(totals.values())) == 1:
            lines.append(f"classes     {totals[order[0]]} images each")
        elif len(order) > NAMES:
            lines.append(
                f"classes     from {totals[order[0]]} ({order[0]}) to {totals[order[-1]]} images "
                f"({order[-1]})"
            )
        else:
            lines.append("classes     " + ", ".join(f"{n} {c}" for n, c in totals.items()))
    sizes = report["sizes"]
    if sizes:
        small, middle, large = (
            f"{w} × {h}" for w, h in (sizes["smallest"], sizes["median"], sizes["largest"])
        )
        text = (
            f"{small} to {large} pixels, median {middle}" if small != large else f"{small} pixels"
        )
        of = "" if sizes["looked_at"] < SAMPLE else f", of {SAMPLE} images"
        lines.append(f"sizes       {text}{of}")
    left_out = left_out_lines(report["left_out"])
    lines += _block("left out", len(report["left_out"]), left_out)
    same = [
        " = ".join(f"{path} ({label})" for path, label in group) for group in report["duplicates"]
    ]
    lines += _some("same image", same, most)
    lines += _some("one colour", report["blank"], most)
    lines += _some("no image", _absent(report), most)
    lines += _some("odd names", report["odd_names"], most)
    lines += [f"{'note':<12}{shown(note)}" for note in report["notes"]]
    return "\n".join(lines)


def report_json(report: dict[str, Any]) -> str:
    """A report as JSON that is valid whatever bytes are in the names of files."""
    text = json.dumps(report, indent=1, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()


def _absent(report: dict[str, Any]) -> list[str]:
    """Which classes have no image in a part that has images of others."""
    absent = []
    for name, counts in report["classes"].items():
        parts = [part for part in PARTS if report["images"][part] and not counts[part]]
        absent += [f"of {name} in {' and '.join(parts)}"] if parts else []
    return absent


def _some(title: str, entries: list[str], most: int | None) -> list[str]:
    lines = [shown(entry) for entry in entries[:most]]
    if len(entries) > len(lines):
        lines.append(f"and {len(entries) - len(lines)} more; tl-inspect --dataset lists all")
    return _block(title, len(entries), lines)


def _block(title: str, count: int, lines: list[str]) -> list[str]:
    titles = [f"{title:<12}{count}: ", *[" " * 12] * len(lines)]
    return [before + line for before, line in zip(titles, lines, strict=False)]


def _sizes(images: Images) -> dict[str, Any]:
    """Width and height of the smallest, the middle and the largest of some images, by area."""
    step = max(1, len(images.rows) // SAMPLE)
    rows = images.rows[::step][:SAMPLE]
    sizes = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for source in images.listing.contents.read(rows):
            if isinstance(source, np.ndarray):
                sizes.append(source.shape[1::-1])
                continue
            # What was decoded can be opened, unless its metadata is broken or it is gone by now.
            with contextlib.suppress(Exception), open_image(source) as image:
                sizes.append(image.size)
    if not sizes:
        return {}
    sizes = sorted((tuple(map(int, size)) for size in sizes), key=lambda size: size[0] * size[1])
    return {
        "smallest": sizes[0],
        "median": sizes[len(sizes) // 2],
        "largest": sizes[-1],
        "looked_at": len(sizes),
    }
