"""Tables of images, one row each: a path and its label; split.csv, a path and its part."""

import csv
import os
import pathlib
import re

import numpy as np

from tl_strategies.data.listing import Listing
from tl_strategies.data.part_names import parts_notes, parts_of
from tl_strategies.data.split import PARTS
from tl_strategies.errors import UsageError
from tl_strategies.files import csv_text
from tl_strategies.task import Task

COLUMNS = ("path", "label", "labels", "split", "group", "weight")


def list_csv(file: str | os.PathLike) -> Listing:
    """List the rows of a CSV file.

    It has a first line with the names of its columns: `path` (those that are relative count from
    the file; backslashes are read as in Windows where that leads to a file), `label`, or `labels`
    with `;` or `|` between them; and where wanted `split` (train, validation or test, or names like
    these), `group` (images of one stay in one part) and `weight` (in the loss). Other columns are
    passed over.
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
    read_labels = _several if "labels" in names else _one
    labels, task = read_labels(path, rows)
    parts = groups = weights = None
    part = {}
    if "split" in names:
        values = [row["split"].strip() for row in rows]
        part = parts_of(dict.fromkeys(values))
        for row, value in zip(rows, values, strict=True):
            if value not in part:
                raise _wrong(path, row, f"have a split out of {', '.join(PARTS)}", row["split"])
        parts = np.array([part[value] for value in values])
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
        notes=(*notes, *repeated, *parts_notes(part)),
    )


def read_split(file: str, listing: Listing) -> np.ndarray:
    """The part that split.csv gives to each image; "" where it has none."""
    try:
        with pathlib.Path(file).open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"--split must be a split.csv. Received: {file}: {error}.") from error
    if not rows or not {"path", "part"} <= rows[0].keys():
        raise UsageError(f"--split must have columns path and part. Received: {file}.")
    part_of = {}
    for number, row in enumerate(rows, 2):
        if row["part"] not in PARTS:
            raise UsageError(
                f"A part in --split must be one of {', '.join(PARTS)}. Received: {row['part']!r} "
                f"in row {number} of {file}."
            )
        part_of[row["path"]] = row["part"]
    known = {*listing.paths, *(path for path, _ in listing.left_out)}
    unknown = [path for path in part_of if path not in known]
    if unknown:
        raise UsageError(
            f"--split must name images of {listing.source}. Received: {len(unknown)} others in "
            f"{file}, such as {unknown[0]}."
        )
    return np.array([part_of.get(path, "") for path in listing.paths], dtype="<U10")


def split_csv(listing: Listing, parts: np.ndarray) -> str:
    """The text of split.csv: path, label, part; and group and weight where there are any."""
    columns = {"group": listing.groups, "weight": listing.weights}
    more = {name: values for name, values in columns.items() if values is not None}
    rows = [["path", "label", "part", *more]]
    for i, (path, part) in enumerate(zip(listing.paths, parts, strict=True)):
        rest = [f"{values[i]:.7g}" for values in more.values()]
        rows.append([path, listing.label_text(i), part, *rest])
    return csv_text(rows)


def _locate(path: pathlib.Path, rows: list[dict]) -> list[str]:
    """Number the rows and make their paths absolute; what was done for that."""
    windows = 0
    for number, row in enumerate(rows, 2):
        values = list(row.values())
        row["row"] = number
        if None in row or None in values:
            raise _wrong(path, row, "have a value for each column", values)
        if not row["path"]:
            raise _wrong(path, row, "have a path")
        written = os.path.join(path.parent, row["path"])  # noqa: PTH118
        if "\\" in written and not os.path.exists(written):  # noqa: PTH110
            other = written.replace("\\", "/")
            if os.path.exists(other):  # noqa: PTH110
                written, windows = other, windows + 1
        row["path"] = os.path.normpath(written)
    return [f"backslashes in {windows} paths: read as in Windows"] if windows else []


def _unique(path: pathlib.Path, rows: list[dict]) -> tuple[list[dict], list[str]]:
    """The rows without those that say again what an earlier one said."""
    first: dict[str, dict] = {}
    for row in rows:
        same = first.setdefault(row["path"], row)
        if any(row.get(name) != same.get(name) for name in COLUMNS):
            raise UsageError(
                f"An image must have one row in {path}, or the same one again. Received: rows "
                f"{same['row']} and {row['row']} of {row['path']}, which differ."
            )
    repeated = len(rows) - len(first)
    return [*first.values()], [f"{repeated} rows are there twice: used once"] if repeated else []


def _several(path: pathlib.Path, rows: list[dict]) -> tuple[np.ndarray, Task]:
    texts = [re.split(r"[;|]", row["labels"]) for row in rows]
    labels = [{name.strip() for name in text if name.strip()} for text in texts]
    names = sorted(set().union(*labels))
    if not names:
        raise UsageError(f"{path} must have labels. Received: an empty column labels.")
    index = {name: i for i, name in enumerate(names)}
    matrix = np.zeros((len(rows), len(names)), bool)
    for present, found in zip(matrix, labels, strict=True):
        present[[index[name] for name in found]] = True
    return matrix, Task(tuple(names), multilabel=True)


def _one(path: pathlib.Path, rows: list[dict]) -> tuple[np.ndarray, Task]:
    for row in rows:
        if not row["label"].strip():
            raise _wrong(path, row, "have a label")
        if re.search(r"[;|]", row["label"]):
            must = "have one label (several go into a column called labels)"
            raise _wrong(path, row, must, row["label"])
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
        raise _wrong(path, row, "have a weight of at least 0", row["weight"])
    return weight


def _wrong(path: pathlib.Path, row: dict, must: str, received: object = None) -> UsageError:
    text = "none" if received is None else repr(received)
    return UsageError(f"Row {row['row']} of {path} must {must}. Received: {text}.")
