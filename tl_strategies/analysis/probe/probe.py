"""A probe, from top to bottom: codes in one pass, classifiers by split and unit, the tables."""

import csv
import dataclasses
import hashlib
import pathlib
import time
from typing import Any

import numpy as np

from tl_strategies.analysis.probe.classifiers import score_codes
from tl_strategies.analysis.probe.codes import unit_codes
from tl_strategies.analysis.probe.pictures import FOLDER, PICTURE, draw_features
from tl_strategies.analysis.probe.report import summarise, write_report
from tl_strategies.analysis.probe.settings import GROUPS, ProbeSettings
from tl_strategies.backbones.units import find_depth
from tl_strategies.data.split import PARTS
from tl_strategies.directories import claimed
from tl_strategies.errors import UsageError
from tl_strategies.files import csv_text, write_text
from tl_strategies.runs.job import Checked, Job, create_run_directory, prepare
from tl_strategies.runs.manifest import begin, to_json, to_toml
from tl_strategies.runs.trainer import Trainer
from tl_strategies.settings.run import PLACES, Settings
from tl_strategies.settings.schema import names_of
from tl_strategies.tracking.progress import progress_bar
from tl_strategies.training.forward import model_digest

RECORD = "probing.json"
NAMES = (
    *(RECORD, "config.toml", "probe.csv", "summary.json", "table.txt", "probe.png"),
    *(FOLDER, PICTURE),
)
COLUMNS = (
    *("backbone", "weights", "depth", "unit", "size", "classifier", "split"),
    *("accuracy", "seconds", "validation_accuracy"),
)
EACH = 10.0  # seconds after which probe.csv is written again


def open_probe(checked: list[Checked], probe: ProbeSettings) -> list[Job]:
    """The networks of a probe, in a directory of its own.

    Args:
        checked: one for each network.
        probe: settings of the probe.

    Raises:
        UsageError: something must change before anything can be computed.
    """
    first = checked[0]
    if first.settings.run_dir is None:
        time_of, strategy = first.directory.name, first.settings.strategy
        directory = first.directory.with_name(f"{time_of.removesuffix(strategy)}probe")
        first = dataclasses.replace(first, directory=directory)
    jobs = [prepare(dataclasses.replace(each, strategy=None)) for each in (first, *checked[1:])]
    for job in jobs:
        depths_of(probe, job)
    directory = create_run_directory(jobs[0]).directory
    return [dataclasses.replace(job, directory=directory) for job in jobs]


def depths_of(probe: ProbeSettings, job: Job) -> list[int]:
    """The units that are probed.

    Raises:
        UsageError: there is no such unit.
    """
    if probe.depths == "all":
        return [unit.depth for unit in job.units]
    names = [name.strip() for name in probe.depths.split(",") if name.strip()]
    depths = sorted({find_depth(name, job.units, "depths") for name in names} - {0})
    if not depths:
        raise UsageError(f"--depths must have units, from 1. Received: {probe.depths}.")
    return depths


def run_probe(probe: ProbeSettings, jobs: list[Job]) -> dict[str, Any]:
    """Probe the units of all networks, or what is left of them.

    Returns:
        The content of summary.json.

    Raises:
        UsageError: the directory holds another probe, or a class has too few images.
    """
    directory = jobs[0].directory
    with claimed(directory, RECORD, NAMES):
        begin(directory, "probe", _manifest(probe, jobs))
        rows = _read_rows(directory / "probe.csv")
        for job in jobs:
            _probe(probe, job, rows)
        summary = summarise(list(rows.values()), jobs[0], _chance(jobs[0]))
        write_text(directory / "summary.json", to_json(summary))
        write_report(directory, summary)
        if probe.pictures and not (directory / PICTURE).is_file():
            _draw(probe, jobs[0])
        return summary


def _draw(probe: ProbeSettings, job: Job) -> None:
    """Pictures of the features of the first network."""
    trainer = Trainer(job)
    images = trainer.images(_split_settings(job.settings, 0))
    codes = unit_codes(trainer, images, np.arange(len(images.keys)))
    depths = depths_of(probe, job)
    units = [job.units[depth - 1] for depth in depths]
    draw_features(job.directory, images, [codes[depth - 1] for depth in depths], units)


def _probe(probe: ProbeSettings, job: Job, rows: dict[tuple, dict[str, Any]]) -> None:
    """Add the rows of a network to those that there are, by network, depth, classifier, split."""
    settings, file = job.settings, job.directory / "probe.csv"
    network = settings.backbone, settings.weights
    left = [
        (split, depth, classifier)
        for split in range(splits_of(probe, job))
        for depth in depths_of(probe, job)
        for classifier in probe.classifier_names
        if (*network, depth, classifier, split) not in rows
    ]
    if not left:
        return
    trainer = Trainer(job)
    first = trainer.images(_split_settings(settings, 0))
    codes = unit_codes(trainer, first, np.arange(len(first.keys)))
    row_of = {key: row for row, key in enumerate(first.keys)}
    bar = progress_bar(len(left), f"classifiers on {settings.backbone}")
    current, images, written = 0, first, time.monotonic()
    for done, (split, depth, classifier) in enumerate(left, 1):
        if split != current:
            current, images = split, first.split_again(_split_settings(settings, split).splitting)
        parts = {part: images.positions(part) for part in PARTS}
        found = {
            part: codes[depth - 1][[row_of[key] for key in images.keys[positions]]]
            for part, positions in parts.items()
        }
        labels = {part: images.listing.labels[positions] for part, positions in parts.items()}
        start = time.perf_counter()
        count, seed = job.task.label_count, settings.seed + split
        validation, test = score_codes(classifier, found, labels, count, seed)
        values = (*network, depth, job.units[depth - 1].name, codes[depth - 1].shape[1])
        values += (classifier, split, test, time.perf_counter() - start, validation)
        rows[*network, depth, classifier, split] = dict(zip(COLUMNS, values, strict=True))
        if done == len(left) or time.monotonic() - written > EACH:
            _write_rows(file, rows)
            written = time.monotonic()
        bar(done)


def splits_of(probe: ProbeSettings, job: Job) -> int:
    """How many splits differ: where the data has all its parts, and all are used, there is one."""
    given, settings = job.listing.parts, job.settings
    fixed = settings.split is not None or (given is not None and set(given) >= set(PARTS))
    return 1 if fixed and settings.shots is None and settings.limit is None else probe.splits


def _split_settings(settings: Settings, split: int) -> Settings:
    """Those of a split, by its number from 0."""
    seed = settings.seed if settings.split_seed is None else settings.split_seed
    return dataclasses.replace(settings, split_seed=seed + split)


def _chance(job: Job) -> float | None:
    """The score of naming the most frequent label; None where images have several."""
    if job.task.multilabel:
        return None
    counts = np.bincount(job.listing.labels)
    return float(counts.max() / counts.sum())


def _read_rows(file: pathlib.Path) -> dict[tuple, dict[str, Any]]:
    rows = {}
    if file.is_file():
        with file.open(newline="", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                row |= {name: int(row[name]) for name in ("depth", "size", "split")}
                row |= {
                    name: float(row[name])
                    for name in ("accuracy", "seconds", "validation_accuracy")
                }
                key = ("backbone", "weights", "depth", "classifier", "split")
                rows[tuple(row[name] for name in key)] = row
    return rows


def _write_rows(file: pathlib.Path, rows: dict[tuple, dict[str, Any]]) -> None:
    lines = ([row[name] for name in COLUMNS] for row in rows.values())
    write_text(file, csv_text([COLUMNS, *lines]))


def _manifest(probe: ProbeSettings, jobs: list[Job]) -> dict[str, str]:
    """All that determines the results of a probe; config.toml, which replays it."""
    config = jobs[0].settings.to_config()
    flags = {name: config.get(name) for name in names_of(*GROUPS)} | dataclasses.asdict(probe)
    del flags["pictures"]  # may be asked for later
    listing = jobs[0].listing
    keys = hashlib.blake2b(b"".join(listing.contents.digests()))
    keys.update(repr(listing.labels.tolist()).encode())
    identity = {
        **{name: value for name, value in flags.items() if name not in PLACES},
        **{name: list(getattr(probe, name)) for name in ("backbone", "weights")},
        "the images": f"{len(listing.paths)} with digest {keys.hexdigest()[:16]}",
        "the networks": [model_digest(job.backbone)[:16] for job in jobs],
    }
    return {RECORD: to_json(identity), "config.toml": to_toml("tl-probe", flags)}
