"""A table of images: one row each, with its path and its label."""

import csv
import os
import pathlib
import re

import numpy as np

from tl_strategies.data.listing import Listing
from tl_strategies.data.part_names import parts_notes, parts_of
from tl_strategies.data.split import PARTS
from tl_strategies.errors import UsageError
from tl_strategies.task import Task

COLUMNS = ("path", "label", "labels", "split", "group", "weight")


def list_csv(file: str | os.PathLike) -> Listing:
    """List the rows of a CSV file.

    Args:
        file: has a first line with the names of its columns: `path` (those that are relative count
            from the file; backslashes are read as in Windows where that leads to a file), `label`,
            or `labels` with `;` or `|` between them; and where wanted `split` (train, validation or
            test, or names like these), `group` (images of one stay in one part) and `weight` (in
            the loss). Other columns are passed over.

    Raises:
        UsageError: a column or a value is not as it must be; the message names the row.
    """
    path = pathlib.Path(file).expanduser().absolute()
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, strict=True)
            names = reader.fieldnames or []
            rows = list(reader)
    except (OSError, ValueError, csv.Error) as error:  # ValueError: not UTF-8, or NUL in the path
        raise UsageError(
            f"--dataset csv:FILE must be a CSV file. Received: {path}: {error}."
        ) from error
    if "path" not in names or ("label" in names) == ("labels" in names):
        raise UsageError(
            f"{path} must have the columns path and label, or path and labels. Received: "
            f"{', '.join(map(str, names)) or 'an empty file'}."
        )
    notes = _locate(path, rows)
    rows, repeated = _unique(path, rows)
    notes += repeated
    labels, task = _labels(path, rows, "labels" in names)
    parts = groups = weights = None
    if "split" in names:
        values = [row["split"].strip() for row in rows]
        part = parts_of(set(values))
        for row, value in zip(rows, values, strict=True):
            if value not in part:
                must = f"have a split out of {', '.join(PARTS)}"
                raise _wrong(path, row["row"], must, repr(row["split"]))
        parts = np.array([part[value] for value in values])
        notes += parts_notes(part)
    if "group" in names:
        _, groups = np.unique([row["group"] for row in rows], return_inverse=True)
    if "weight" in names:
        weights = np.array([_weight(path, row) for row in rows], "float32")
    return Listing(
        source=f"csv:{file}",
        paths=tuple(row["path"] for row in rows),
        labels=labels,
        task=task,
        parts=parts,
        groups=groups,
        weights=weights,
        notes=notes,
    )


def _locate(path: pathlib.Path, rows: list[dict]) -> tuple[str, ...]:
    """Make the paths of rows absolute; what was done for that."""
    windows = 0
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise _wrong(path, number, "have a value for each column", list(row.values()))
        if not row["path"]:
            raise _wrong(path, number, "have a path", "none")
        row["row"] = number
        written = os.path.join(path.parent, row["path"])  # noqa: PTH118
        if "\\" in written and not os.path.exists(written):  # noqa: PTH110
            other = written.replace("\\", "/")
            if os.path.exists(other):  # noqa: PTH110
                written, windows = other, windows + 1
        row["path"] = os.path.normpath(written)
    return (f"backslashes in {windows} paths: read as in Windows",) if windows else ()


def _unique(path: pathlib.Path, rows: list[dict]) -> tuple[list[dict], tuple[str, ...]]:
    """The rows without those that say again what an earlier one said."""
    first: dict[str, dict] = {}
    kept = []
    for row in rows:
        same = first.setdefault(row["path"], row)
        if same is row:
            kept.append(row)
        elif any(row.get(name) != same.get(name) for name in COLUMNS):
            raise UsageError(
                f"An image must have one row in {path}, or the same one again. Received: rows "
                f"{same['row']} and {row['row']} of {row['path']}, which differ."
            )
    repeated = len(rows) - len(kept)
    return kept, (f"{repeated} rows are there twice: used once",) if repeated else ()


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
