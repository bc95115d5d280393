"""Finished runs side by side: ranked by validation score, and which differences are real.

Runs that differ in their seeds only are one row, as are the folds of a run and the trials of a
search. Nothing here needs Keras.
"""

import csv
import dataclasses
import itertools
import math
import os
import pathlib
import statistics
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any

from tl_strategies.directories import expanded
from tl_strategies.errors import UsageError
from tl_strategies.files import read_json, read_text
from tl_strategies.output import shown
from tl_strategies.runs.manifest import RECORD
from tl_strategies.settings.run import PLACES

SEARCH, OTHERS = "search.json", ("study.json", "probing.json")
SEEDS = ("seed", "split_seed")
SHOWN = ("strategy", "n", "backbone", "dataset")  # columns of their own
NORMAL = 1.96  # deviations on both sides that hold 95 %


@dataclasses.dataclass
class Row:
    """Runs that differ in their seeds only."""

    directories: list[pathlib.Path]
    settings: dict[str, Any] = dataclasses.field(repr=False)  # that they share
    metrics: list[dict[str, Any]] = dataclasses.field(repr=False)
    metric: str
    note: str  # what was folded into it
    # By test image, of each run that it was tested in, the share of its labels that are right.
    right: dict[str, list[float]] = dataclasses.field(repr=False)
    # In the share of labels that are right, to the first row of its task; its interval, the images.
    difference: tuple[float, float, float, int] | None = None

    @property
    def task(self) -> tuple[str, str]:
        """The data set and the metric: rows of one task are compared."""
        return self.settings["dataset"], self.metric

    def score(self, part: str) -> tuple[float, float | None]:
        """Mean and deviation of the metric on a part, NaN where it has none."""
        values = [metrics[part].get(self.metric, math.nan) for metrics in self.metrics]
        spread = self.metrics[0].get("spread", {}).get(part, {}).get(self.metric)
        if len(values) > 1:
            spread = statistics.stdev(values) if all(map(math.isfinite, values)) else None
        return statistics.fmean(values), spread

    @property
    def name(self) -> str:
        """The directory of the first run, and what else is in the row."""
        count = len(self.directories)
        notes = [self.note] * bool(self.note) + [f"{count} runs"] * (count > 1)
        return str(self.directories[0]) + (f" ({', '.join(notes)})" if notes else "")

    def record(self, names: Sequence[str]) -> dict[str, Any]:
        """The row of a table: with some settings, scores, what was trained, seconds, difference."""
        cells: dict[str, Any] = {"run": self.name, "metric": self.metric}
        cells |= {name: self.settings.get(name, "") for name in (*SHOWN, *names)}
        for part in ("validation", "test"):
            cells[part], cells[f"{part}_deviation"] = self.score(part)
        cells["trained_parameters"] = self.metrics[0]["trainable_parameters"]
        cells["seconds"] = sum(each["seconds"]["total"] for each in self.metrics)
        ends = ("difference", "lower", "upper", "images")
        return cells | dict(zip(ends, self.difference or (None,) * 4, strict=True))

    @property
    def told_apart(self) -> bool | None:
        """Whether the first row is better, or worse, by more than chance; None: nobody knows."""
        if self.difference is None:
            return None
        return not self.difference[1] <= 0 <= self.difference[2]


def compare(directories: Any) -> list[Row]:
    """The finished runs below some directories, by task, the best on validation images first.

    What is damaged or unfinished is left out, which is said.

    Args:
        directories: paths, or runs.

    Returns:
        Rows; `record([])` gives one as a dictionary. Scores and differences are from 0 to 1.

    Raises:
        UsageError: there are no runs.
    """
    if isinstance(directories, str | os.PathLike) or hasattr(directories, "directory"):
        directories = [directories]
    roots = [expanded(getattr(each, "directory", each)) for each in directories]
    found: dict[str, Row] = {}
    for root in roots:
        runs = list(find_runs(root))
        if not runs:
            absent = "no finished run" if root.is_dir() else "no directory"
            print(f"left out: {shown(str(root))}: {absent}", flush=True)
        for path, note in runs:
            try:
                row = _read(path, note)
            except (OSError, StopIteration, KeyError, ValueError) as error:
                print(f"left out: {shown(str(path))}: damaged, {error!r}", flush=True)
                continue
            same = found.setdefault(repr((sorted(row.settings.items()), note)), row)
            known = {known.resolve() for known in same.directories}
            if same is not row and path.resolve() not in known:
                same.directories.append(path)
                same.metrics += row.metrics
                for image, shares in row.right.items():
                    same.right.setdefault(image, []).extend(shares)
    if not found:
        raise UsageError(
            "Directories to compare must have finished runs, those with a metrics.json. Received: "
            f"{', '.join(map(str, roots)) or 'none'}, without any."
        )
    rows = sorted(found.values(), key=_rank)
    for first, others in by_task(rows):
        scores = _means(first.right)
        for row in others:
            row.difference = paired_difference(_means(row.right), scores)
    return rows


def by_task(rows: Sequence[Row]) -> list[tuple[Row, list[Row]]]:
    """The first row of each task, and the others."""
    tasks = [list(group) for _, group in itertools.groupby(rows, lambda row: row.task)]
    return [(group[0], group[1:]) for group in tasks]


def find_runs(root: pathlib.Path) -> Iterator[tuple[pathlib.Path, str]]:
    """Directories of finished runs below one, each with what was folded into it."""
    if not root.is_dir() or any((root / name).is_file() for name in OTHERS):
        return
    if (root / SEARCH).is_file():
        if (root / "best" / "metrics.json").is_file():
            count = sum(1 for _ in (root / "trials").glob("*/seed*/result.json"))
            yield root / "best", f"best of {count} trainings"
    elif (root / "metrics.json").is_file():
        folds = len(list(root.glob("fold[0-9]*/metrics.json")))
        yield root, f"{folds} folds" if folds else ""
    elif not (root / RECORD).is_file():  # a run that was stopped
        for path in sorted(root.iterdir()):
            if not path.is_symlink():  # which may lead back
                yield from find_runs(path)


def _read(directory: pathlib.Path, note: str) -> Row:
    metrics = read_json(directory / "metrics.json") or {}
    files = [path / "config.toml" for path in (directory, directory / "fold1")]
    config = tomllib.loads(read_text(next(file for file in files if file.is_file())))
    settings = {name: metrics[name] for name in SHOWN}
    passed = (*SHOWN, *SEEDS, *PLACES, "fold", "folds", "resume", "deterministic")
    settings |= {name: value for name, value in config.items() if name not in passed}
    metric = next(iter(metrics["test"]))
    row = Row([directory], settings, [metrics], metric, note, _right(directory))
    row.record([])  # has all that it must have
    return row


def _rank(row: Row) -> tuple:
    """By task; without validation images last: to rank by test images would be to choose."""
    score, _ = row.score("validation")
    score = -math.inf if math.isnan(score) else score
    return *row.task, -score, str(row.directories[0])


def differing(rows: Sequence[Row]) -> list[str]:
    """Names of the settings, besides those shown, in which rows differ."""
    names = dict.fromkeys(name for row in rows for name in row.settings if name not in SHOWN)
    return [name for name in names if len({repr(row.settings.get(name)) for row in rows}) > 1]


def _right(directory: pathlib.Path) -> dict[str, list[float]]:
    """By test image, the share of its labels that a run got right; of each fold that tests it."""
    found: dict[str, list[float]] = {}
    folded = sorted(directory.glob("fold[0-9]*/predictions.csv"))
    for file in folded or [directory / "predictions.csv"]:
        for path, right in _predictions(file):
            found.setdefault(path, []).append(right)
    return found


def _means(shares: dict[str, list[float]]) -> dict[str, float]:
    return {image: statistics.fmean(each) for image, each in shares.items()}


def _predictions(file: pathlib.Path) -> Iterator[tuple[str, float]]:
    """Each test image of predictions.csv, and the share of its labels that are right."""
    if not file.is_file():
        return
    with file.open(newline="", encoding="utf-8", errors="surrogateescape") as lines:
        reader = csv.reader(lines)
        count = len(next(reader, [])) - 4
        plan = read_json(file.with_name(RECORD)) or {}
        several = plan.get("head", {}).get("multilabel", False)
        for path, label, predicted, part, *_ in reader:
            if part != "test":
                continue
            if not several:
                yield path, float(label == predicted)
                continue
            true, told = (set(filter(None, text.split(";"))) for text in (label, predicted))
            yield path, 1 - len(true ^ told) / count


def paired_difference(
    scores: dict[str, float], others: dict[str, float]
) -> tuple[float, float, float, int] | None:
    """Mean difference over the images that both have, its 95 % interval, and their count.

    Two made-up images, half of one better, half of one worse, keep the interval honest where few
    images differ (Agresti and Min 2005). None where there are no common images.
    """
    common = scores.keys() & others.keys()
    if not common:
        return None
    differences = [scores[path] - others[path] for path in common]
    count, total = len(differences) + 2, sum(differences)
    squares = sum(difference**2 for difference in differences) + 1
    middle = total / count
    half = NORMAL * math.sqrt((squares - total**2 / count) / count / count)
    ends = max(middle - half, -1.0), min(middle + half, 1.0)
    return total / len(differences), *ends, len(differences)
