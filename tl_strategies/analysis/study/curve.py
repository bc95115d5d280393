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
from tl_strategies.analysis.study.report import write_report
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
    """What cells share, in a directory of its own, from settings that `check_study` has checked."""
    if checked.settings.run_dir is None:
        directory = checked.directory.with_name(f"{checked.directory.stem}-curve")
        checked = dataclasses.replace(checked, directory=directory)
    job = prepare(dataclasses.replace(checked, settings=same_views(checked.settings)))
    if curve.paper and len(job.units) != PAPER_DEPTHS:
        raise paper_error(job.settings.backbone)
    cells_of(curve, job, halves_of(curve, job))
    return create_run_directory(job)


def run_curve(curve: CurveSettings, job: Job) -> dict[str, Any]:
    """Train the cells of a study, or those that are left; returns the content of summary.json."""
    with claimed(job.directory, RECORD, NAMES):
        return _run(curve, job)


def _run(curve: CurveSettings, job: Job) -> dict[str, Any]:
    halves = halves_of(curve, job)
    cells = cells_of(curve, job, halves)
    splits = [dataclasses.asdict(split) for split in halves]
    begin(job.directory, "study", _manifest(curve, job, splits, len(cells)))
    found = {cell: cell_result(job.directory, cell) for cell in cells}
    results = {cell: result for cell, result in found.items() if result is not None}
    left = [cell for cell in cells if cell not in results]
    about = {
        "backbone": job.settings.backbone,
        "dataset": job.settings.dataset,
        "units": [unit.name for unit in job.units],
        "splits": splits,
    }

    def take() -> Task | None:
        """The first cell whose base, if it has one, is done."""
        for cell in left:
            if cell.source is None or cell.source in results:
                left.remove(cell)
                return Task(cell.name, cell, cell_directory(job.directory, cell))
        return None

    def write(ended: bool) -> dict[str, Any]:
        rows = list(results.values())
        return write_report(job.directory, rows, curve, len(job.units), about, ended)

    lines = TaskLines(len(cells), len(results))
    opening = Opening(
        "tl_strategies.analysis.study.study:open_study", (job.settings, curve, job.directory)
    )
    work = execute(take, curve, opening, job.directory, lambda: Study(job, curve, halves))
    with contextlib.closing(work):
        for ended in work if left else ():  # else nothing is to be opened
            cell, result = ended.task.argument, ended.unwrap()
            results[cell] = result
            accuracy, seconds = result["test_accuracy"], result["seconds"]
            lines.write(f"{cell.name}: test {accuracy:.3f}, {seconds:.1f} s")
            block = [c for c in cells if (c.split, c.repeat) == (cell.split, cell.repeat)]
            if all(other in results for other in block):
                write(ended=False)
    return write(ended=True)


def cells_of(curve: CurveSettings, job: Job, halves: list[Halves]) -> list[Cell]:
    """All cells, in the order in which they are begun."""
    count = len(job.units)
    if curve.n in ("all", "auto"):
        most = count if curve.n == "all" else min(count, MOST_DEPTHS)
        depths = {int(n) for n in np.linspace(1, count, most).round()}
    else:
        names = [part.strip() for part in curve.n.split(",") if part.strip()]
        depths = {find_depth(name, job.units) for name in names} - {0}
    treatments = parse_treatments(curve.treatments, given=not halves[0].a)
    return make_cells(halves, treatments, sorted(depths), curve.repeats)


def _manifest(
    curve: CurveSettings, job: Job, splits: list[dict[str, Any]], cell_count: int
) -> dict[str, str]:
    """All that determines the results of a study; config.toml, which replays it."""
    names = [name for name in names_of(CurveSettings) if name not in names_of(Workers)]
    own = {name: getattr(curve, name) for name in names}
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
        "the splits": splits,
        "the cells": cell_count,
        "the images": f"{len(listing.paths)} with digest {keys.hexdigest()[:16]}",
        "the backbone": f"{len(job.units)} units with digest {backbone}",
    }
    flags = {name: config.get(name) for name in names_of(*GROUPS)} | own
    return {RECORD: to_json(identity), "config.toml": to_toml("tl-curve", flags)}
