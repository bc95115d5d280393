"""A table of images: one row each, with its path and its label."""

import csv
import os
import pathlib
import re

import numpy as np

from tl_strategies.data.listing import PART_NAMES, Listing
from tl_strategies.data.split import PARTS
from tl_strategies.data.task import Task
from tl_strategies.errors import UsageError

COLUMNS = ("path", "label", "labels", "split", "group", "weight")


def list_csv(file: str | os.PathLike) -> Listing:
    """List the rows of a CSV file.

    Args:
        file: has a first line with the names of its columns: `path` (those that are relative count
            from the file), `label`, or `labels` with `;` or `|` between them; and where wanted
            `split` (train, validation or test), `group` (images of one stay in one part) and
            `weight` (in the loss). Other columns are passed over.

    Raises:
        UsageError: a column or a value is not as it must be; the message names the row.
    """
    path = pathlib.Path(file).expanduser().absolute()
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, strict=True)
            names = reader.fieldnames or []
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            f"--dataset csv:FILE must be a CSV file. Received: {path}: {error}."
        ) from error
    if "path" not in names or ("label" in names) == ("labels" in names):
        raise UsageError(
            f"{path} must have the columns path and label, or path and labels. Received: "
            f"{', '.join(map(str, names)) or 'an empty file'}."
        )
    rows, notes = _unique(path, rows)
    directory = str(path.parent)
    paths = [os.path.normpath(os.path.join(directory, row["path"])) for row in rows]  # noqa: PTH118
    labels, task = _labels(path, rows, "labels" in names)
    parts = groups = weights = None
    if "split" in names:
        parts = np.array([_part(path, row) for row in rows])
    if "group" in names:
        _, groups = np.unique([row["group"] for row in rows], return_inverse=True)
    if "weight" in names:
        weights = np.array([_weight(path, row) for row in rows], "float32")
    listing = Listing(
        source=f"csv:{file}",
        paths=tuple(paths),
        labels=labels,
        task=task,
        parts=parts,
        groups=groups,
        weights=weights,
        notes=notes,
    )
    listing.check_counts()
    return listing


def _unique(path: pathlib.Path, rows: list[dict]) -> tuple[list[dict], tuple[str, ...]]:
    """The rows without those that say again what an earlier one said."""
    first: dict[str, tuple[int, dict]] = {}
    kept = []
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise _wrong(path, number, "have a value for each column", list(row.values()))
        if not row["path"]:
            raise _wrong(path, number, "have a path", "none")
        before, same = first.setdefault(row["path"], (number, row))
        if same is row:
            kept.append((number, row))
        elif {name: row.get(name) for name in COLUMNS} != {
            name: same.get(name) for name in COLUMNS
        }:
            raise UsageError(
                f"An image must have one row in {path}, or the same one again. Received: rows "
                f"{before} and {number} of {row['path']}, which differ."
            )
    for number, row in kept:
        row["row"] = number
    repeated = len(rows) - len(kept)
    notes = (f"{repeated} rows are there twice: used once",) if repeated else ()
    return [row for _, row in kept], notes


def _labels(path: pathlib.Path, rows: list[dict], multilabel: bool) -> tuple[np.ndarray, Task]:
    if multilabel:
        several = [
            sorted({name.strip() for name in re.split(r"[;|]", row["labels"]) if name.strip()})
            for row in rows
        ]
        names = sorted({name for labels in several for name in labels})
        if not names:
            raise UsageError(f"{path} must have labels. Received: an empty column labels.")
        index = {name: i for i, name in enumerate(names)}
        labels = np.zeros((len(rows), len(names)), bool)
        for i, found in enumerate(several):
            labels[i, [index[name] for name in found]] = True
        return labels, Task(tuple(names), multilabel=True)
    for row in rows:
        if not row["label"].strip():
            raise _wrong(path, row["row"], "have a label", "none")
        if re.search(r"[;|]", row["label"]):
            raise _wrong(
                path,
                row["row"],
                "have one label (several go into a column called labels)",
                repr(row["label"]),
            )
    names, labels = np.unique([row["label"].strip() for row in rows], return_inverse=True)
    if len(names) < 2:
        raise UsageError(
            f"{path} must have at least two labels. Received: {', '.join(names) or 'no rows'}."
        )
    return labels, Task(tuple(map(str, names)))


def _part(path: pathlib.Path, row: dict) -> str:
    name = row["split"].strip().lower()
    if name not in PART_NAMES:
        raise _wrong(
            path, row["row"], f"have a split out of {', '.join(PARTS)}", repr(row["split"])
        )
    return PART_NAMES[name]


def _weight(path: pathlib.Path, row: dict) -> float:
    try:
        weight = float(row["weight"])
    except ValueError:
        weight = -1.0
    if not 0 <= weight < float("inf"):
        raise _wrong(path, row["row"], "have a weight of at least 0", repr(row["weight"]))
    return weight


def _wrong(path: pathlib.Path, number: int, must: str, received: object) -> UsageError:
    return UsageError(f"Row {number} of {path} must {must}. Received: {received}.")
