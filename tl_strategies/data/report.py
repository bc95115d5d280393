"""What a data set holds, and what looks wrong with it, before anything is trained."""

import difflib
import io
import warnings
from typing import Any

import numpy as np
from PIL import Image

from tl_strategies.data.images import Images
from tl_strategies.data.split import PARTS

SAMPLE = 500  # images whose sizes are looked at
SHOWN = 5  # examples in the text
NAMES = 8  # classes in the short text
ODD_NAMES = ("train", "training", "test", "val", "valid", "validation", "images", "__macosx")


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
        "odd_names": _odd_names(listing.task.names),
        "notes": list(listing.notes),
    }


def data_text(report: dict[str, Any], whole: bool = False) -> str:
    """A report as lines; `whole` with every class and every oddity."""
    shown = None if whole else SHOWN
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
    lines += _some("left out", [f"{path}: {why}" for path, why in report["left_out"]], shown)
    same = [
        " = ".join(f"{path} ({label})" for path, label in group) for group in report["duplicates"]
    ]
    lines += _some("same image", same, shown)
    lines += _some("odd names", report["odd_names"], shown)
    lines += [f"{'note':<12}{note}" for note in report["notes"]]
    return "\n".join(lines)


def _some(title: str, entries: list[str], shown: int | None) -> list[str]:
    if not entries:
        return []
    lines = [f"{title:<12}{len(entries)}: {entries[0]}"]
    lines += [f"{'':<12}{entry}" for entry in entries[1:shown]]
    if shown is not None and len(entries) > shown:
        lines.append(f"{'':<12}and {len(entries) - shown} more; tl-inspect --dataset lists all")
    return lines


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
            else:
                with Image.open(
                    io.BytesIO(source) if isinstance(source, bytes) else source
                ) as image:
                    sizes.append(image.size)
    sizes = sorted((tuple(map(int, size)) for size in sizes), key=lambda size: size[0] * size[1])
    return {
        "smallest": sizes[0],
        "median": sizes[len(sizes) // 2],
        "largest": sizes[-1],
        "looked_at": len(sizes),
    }


def _duplicates(images: Images) -> list[list[tuple[str, str]]]:
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


def _odd_names(names: tuple[str, ...]) -> list[str]:
    """Names that look like another one, or like no class."""
    odd = [f"{name!r} looks like no class" for name in names if name.lower() in ODD_NAMES]
    plain = {name: "".join(c for c in name.casefold() if c.isalnum()).rstrip("s") for name in names}
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
