"""Yosinski's experiment, from top to bottom: the halves, the cells, the curve."""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tl_strategies.analysis.cells import Cell, make_cells, parse_treatments
from tl_strategies.analysis.checks import halves_of, paper_error
from tl_strategies.analysis.crew import train_here, train_in_workers
from tl_strategies.analysis.halves import Halves
from tl_strategies.analysis.opening import open_study
from tl_strategies.analysis.report import track_report, write_report
from tl_strategies.analysis.settings import CELL_SETTINGS, CurveSettings
from tl_strategies.analysis.study import Study, cell_result
from tl_strategies.backbones.units import find_depth
from tl_strategies.directories import claimed
from tl_strategies.files import write_text
from tl_strategies.training.description import begin
from tl_strategies.training.forward import model_digest
from tl_strategies.training.inputs import same_views
from tl_strategies.training.job import Checked, Job, claim, prepare
from tl_strategies.training.settings import Settings, to_toml

MOST_DEPTHS = 8  # of --n auto
RECORD = "study.json"
NAMES = (  # of what a study writes
    *(RECORD, "config.toml", "cells", "curve.csv", "summary.json", "findings.txt"),
    *("curve.png", "differences.png", "workers.log"),
)
PLACES = ("cache", "cache_dir", "cache_limit")  # change no result
CHANGEABLE = ("workers", "paper")
PAPER_DEPTHS = 7  # of CaffeNet

Progress = Callable[[Cell, dict[str, Any], int, int], None]


def open_job(checked: Checked, curve: CurveSettings) -> Job:
    """What cells share, in a directory of its own.

    Args:
        checked: by `check_study`.
        curve: settings of the study.

    Raises:
        UsageError: something must change before any cell can be trained.
    """
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # several processes share it
    if checked.settings.run_dir is None:
        directory = checked.directory.with_name(f"{checked.directory.name[:15]}-curve")
        checked = dataclasses.replace(checked, directory=directory)
    job = prepared(checked)
    if curve.paper and len(job.units) != PAPER_DEPTHS:
        raise paper_error(job.settings.backbone)
    cells_of(curve, job, halves_of(curve, job))
    return claim(job)


def prepared(checked: Checked) -> Job:
    """The job of a study, with the backbone loaded."""
    return prepare(dataclasses.replace(checked, settings=same_views(checked.settings)))


def run_curve(curve: CurveSettings, job: Job, progress: Progress) -> dict[str, Any]:
    """Train the cells of a study, or those that are left, and report.

    Args:
        curve: settings of the study.
        job: what the cells share.
        progress: called with each cell, its result, how many are done, and of how many.

    Returns:
        The content of summary.json.

    Raises:
        UsageError: something must change before cells can be trained, or workers keep dying.
    """
    with claimed(job.directory, RECORD, NAMES):
        return _run(curve, job, progress)


def _run(curve: CurveSettings, job: Job, progress: Progress) -> dict[str, Any]:
    halves = halves_of(curve, job)
    cells = cells_of(curve, job, halves)
    begin(job.directory / RECORD, _describe(curve, job, halves, cells))
    write_text(job.directory / "config.toml", _config(curve, job.settings))
    about = _about(job, halves)
    results: dict[Cell, dict[str, Any]] = {}
    left = []
    for cell in cells:
        result = cell_result(job.directory, cell)
        if result is None:
            left.append(cell)
        else:
            results[cell] = result
    for result in _train(curve, job, halves, left, set(results)):
        cell = _cell(result)
        results[cell] = result
        progress(cell, result, len(results), len(cells))
        if _ends_block(cell, cells, results):
            _write(job, curve, results, about)
    summary = _write(job, curve, results, about)
    track_report(job.directory, summary)
    return summary


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


def _train(
    curve: CurveSettings, job: Job, halves: list[Halves], cells: list[Cell], done: set[Cell]
) -> Iterator[dict[str, Any]]:
    if not cells:
        return
    if curve.workers == 1:
        yield from train_here(cells, Study(job, curve, halves))
        return
    settings = dataclasses.replace(job.settings, run_dir=str(job.directory))
    yield from train_in_workers(
        cells,
        done,
        curve.workers,
        open_study,
        (settings, curve, job.directory),
        job.directory / "workers.log",
    )


def _ends_block(cell: Cell, cells: list[Cell], results: dict[Cell, Any]) -> bool:
    """Whether a repeat of a split is whole now."""
    block = [other for other in cells if (other.split, other.repeat) == (cell.split, cell.repeat)]
    return all(other in results for other in block)


def _cell(result: dict[str, Any]) -> Cell:
    return Cell(**{field.name: result[field.name] for field in dataclasses.fields(Cell)})


def _write(
    job: Job, curve: CurveSettings, results: dict[Cell, dict[str, Any]], about: dict[str, Any]
) -> dict[str, Any]:
    return write_report(job.directory, list(results.values()), curve, len(job.units), about)


def _about(job: Job, halves: list[Halves]) -> dict[str, Any]:
    return {
        "backbone": job.settings.backbone,
        "dataset": job.settings.dataset,
        "units": [unit.name for unit in job.units],
        "splits": [dataclasses.asdict(of) for of in halves],
    }


def _describe(
    curve: CurveSettings, job: Job, halves: list[Halves], cells: list[Cell]
) -> dict[str, Any]:
    """All that determines the results of a study, as plain data."""
    config = job.settings.to_config() | dataclasses.asdict(curve)
    listing = job.listing
    keys = hashlib.blake2b(b"".join(listing.contents.digests()))
    for column in (listing.labels, listing.parts, listing.groups, listing.weights):
        keys.update(repr(None if column is None else column.tolist()).encode())
    if job.settings.split is not None:
        keys.update(pathlib.Path(job.settings.split).expanduser().read_bytes())
    backbone = model_digest(job.backbone)[:16]
    return {
        **{name: of for name, of in config.items() if name not in (*PLACES, *CHANGEABLE)},
        "the splits": [
            dataclasses.asdict(of) | {"a": list(of.a), "b": list(of.b)} for of in halves
        ],
        "the cells": len(cells),
        "the images": f"{len(listing.paths)} with digest {keys.hexdigest()[:16]}",
        "the backbone": f"{len(job.units)} units with digest {backbone}",
    }


def _config(curve: CurveSettings, settings: Settings) -> str:
    """The text of config.toml, which replays the study."""
    config = {k: v for k, v in settings.to_config().items() if k in CELL_SETTINGS}
    own = {k: v for k, v in dataclasses.asdict(curve).items() if v is not None}
    return to_toml(config | own).replace("tl-run", "tl-curve", 1)
