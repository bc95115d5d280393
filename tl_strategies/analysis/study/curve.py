"""Yosinski's experiment, from top to bottom: the halves, the cells, the curve."""

import contextlib
import dataclasses
import hashlib
import pathlib
from typing import Any

import numpy as np

from tl_strategies.analysis.study.cells import Cell, make_cells, parse_treatments
from tl_strategies.analysis.study.checks import halves_of, paper_error
from tl_strategies.analysis.study.halves import Halves
from tl_strategies.analysis.study.report import track_report, write_report
from tl_strategies.analysis.study.settings import GROUPS, CurveSettings
from tl_strategies.analysis.study.study import Study, cell_directory, cell_result
from tl_strategies.backbones.units import find_depth
from tl_strategies.directories import claimed
from tl_strategies.execution.executor import execute
from tl_strategies.execution.tasks import Opening, Task
from tl_strategies.runs.job import Checked, Job, create_run_directory, prepare
from tl_strategies.runs.manifest import begin, to_json, to_toml
from tl_strategies.settings.groups import Workers
from tl_strategies.settings.run import PLACES
from tl_strategies.settings.schema import names_of
from tl_strategies.tracking.progress import TaskLines
from tl_strategies.training.forward import model_digest
from tl_strategies.training.inputs import same_views

MOST_DEPTHS = 8  # of --n auto
RECORD = "study.json"
NAMES = (  # of what a study writes
    *(RECORD, "config.toml", "cells", "curve.csv", "summary.json", "findings.txt"),
    *("curve.png", "differences.png", "workers"),
)
PAPER_DEPTHS = 7  # of CaffeNet


def open_curve(checked: Checked, curve: CurveSettings) -> Job:
    """What cells share, in a directory of its own.

    Args:
        checked: by `check_study`.
        curve: settings of the study.

    Raises:
        UsageError: something must change before any cell can be trained.
    """
    if checked.settings.run_dir is None:
        directory = checked.directory.with_name(f"{checked.directory.stem}-curve")
        checked = dataclasses.replace(checked, directory=directory)
    job = prepare(dataclasses.replace(checked, settings=same_views(checked.settings)))
    if curve.paper and len(job.units) != PAPER_DEPTHS:
        raise paper_error(job.settings.backbone)
    cells_of(curve, job, halves_of(curve, job))
    return create_run_directory(job)


def run_curve(curve: CurveSettings, job: Job) -> dict[str, Any]:
    """Train the cells of a study, or those that are left, and report.

    Args:
        curve: settings of the study.
        job: what the cells share.

    Returns:
        The content of summary.json.

    Raises:
        UsageError: something must change before cells can be trained, or workers keep dying.
    """
    with claimed(job.directory, RECORD, NAMES):
        return _run(curve, job)


def _run(curve: CurveSettings, job: Job) -> dict[str, Any]:
    halves = halves_of(curve, job)
    cells = cells_of(curve, job, halves)
    begin(job.directory, "study", _manifest(curve, job, halves, cells))
    found = {cell: cell_result(job.directory, cell) for cell in cells}
    results = {cell: result for cell, result in found.items() if result is not None}
    source = _Source(job.directory, cells, set(results))
    lines = TaskLines(len(cells), len(results))
    opening = Opening(
        "tl_strategies.analysis.study.study:open_study", (job.settings, curve, job.directory)
    )

    def study() -> Study:
        return Study(job, curve, halves)

    def write() -> dict[str, Any]:
        about = _about(job, halves)
        return write_report(job.directory, list(results.values()), curve, len(job.units), about)

    work = execute(source.take, curve, opening, job.directory, study)
    with contextlib.closing(work):
        for ended in work if source.left else ():  # else nothing is to be opened
            cell, result = ended.task.argument, ended.unwrap()
            results[cell] = result
            source.done.add(cell)
            accuracy, seconds = result["test_accuracy"], result["seconds"]
            lines.write(f"{cell.name}: test {accuracy:.3f}, {seconds:.1f} s")
            if _ends_block(cell, cells, results):
                write()
    summary = write()
    track_report(job.directory, summary)
    return summary


class _Source:
    """Tasks from cells: each after the base whose weights it takes.

    Args:
        directory: of the study.
        cells: all, in the order in which they are begun.
        done: those that have a result.
    """

    def __init__(self, directory: pathlib.Path, cells: list[Cell], done: set[Cell]):
        self.directory = directory
        self.left = [cell for cell in cells if cell not in done]
        self.done = done

    def take(self) -> Task | None:
        """The first cell that can be begun."""
        for cell in self.left:
            if cell.source is None or cell.source in self.done:
                self.left.remove(cell)
                return Task(cell.name, cell, cell_directory(self.directory, cell))
        return None


def cells_of(curve: CurveSettings, job: Job, halves: list[Halves]) -> list[Cell]:
    """All cells, in the order in which they are begun.

    Raises:
        UsageError: there is no such depth.
    """
    count = len(job.units)
    if curve.n == "all":
        depths = list(range(1, count + 1))
    elif curve.n == "auto":
        depths = sorted({*np.linspace(1, count, min(count, MOST_DEPTHS)).round().astype(int)})
    else:
        names = [part.strip() for part in curve.n.split(",") if part.strip()]
        depths = sorted({find_depth(name, job.units) for name in names} - {0})
    treatments = parse_treatments(curve.treatments, given=not halves[0].a)
    return make_cells(halves, treatments, list(map(int, depths)), curve.repeats)


def _ends_block(cell: Cell, cells: list[Cell], results: dict[Cell, Any]) -> bool:
    """Whether a repeat of a split is whole now."""
    block = [other for other in cells if (other.split, other.repeat) == (cell.split, cell.repeat)]
    return all(other in results for other in block)


def _about(job: Job, halves: list[Halves]) -> dict[str, Any]:
    return {
        "backbone": job.settings.backbone,
        "dataset": job.settings.dataset,
        "units": [unit.name for unit in job.units],
        "splits": [dataclasses.asdict(split) for split in halves],
    }


def _manifest(
    curve: CurveSettings, job: Job, halves: list[Halves], cells: list[Cell]
) -> dict[str, str]:
    """All that determines the results of a study; config.toml, which replays it."""
    own = {name: getattr(curve, name) for name in names_of(CurveSettings) if name not in _NO_RESULT}
    config = job.settings.to_config()
    listing = job.listing
    keys = hashlib.blake2b(b"".join(listing.contents.digests()))
    for column in (listing.labels, listing.parts, listing.groups, listing.weights):
        keys.update(repr(None if column is None else column.tolist()).encode())
    if job.settings.split is not None:
        keys.update(pathlib.Path(job.settings.split).expanduser().read_bytes())
    backbone = model_digest(job.backbone)[:16]
    identity = {
        **{name: value for name, value in config.items() if name not in PLACES},
        **{name: value for name, value in own.items() if name != "paper"},
        "the splits": [dataclasses.asdict(split) for split in halves],
        "the cells": len(cells),
        "the images": f"{len(listing.paths)} with digest {keys.hexdigest()[:16]}",
        "the backbone": f"{len(job.units)} units with digest {backbone}",
    }
    flags = {name: config.get(name) for name in names_of(*GROUPS)} | own
    return {RECORD: to_json(identity), "config.toml": to_toml("tl-curve", flags)}


_NO_RESULT = names_of(Workers)
