"""One process's part in a study: the cells that it is asked for, one after the other."""

import collections
import dataclasses
import pathlib
import shutil
import statistics
import time
from typing import Any

import keras
import numpy as np

from tl_strategies.analysis.study.cells import DIRECTIONS, Cell
from tl_strategies.analysis.study.checks import halves_of
from tl_strategies.analysis.study.halves import Halves
from tl_strategies.analysis.study.network import Networks, values_of
from tl_strategies.analysis.study.settings import CurveSettings
from tl_strategies.files import read_json, remove_leftovers, write_text
from tl_strategies.runs.job import Job, open_job, replan
from tl_strategies.runs.manifest import to_json, to_toml
from tl_strategies.runs.trainer import MODEL, RESULT, Trainer, remembered, save_model
from tl_strategies.settings.run import Settings

BEST = 10  # validation accuracies that the paper's score is the mean of


class Study:
    """The context of tasks that are cells, which share the settings and the data of a job."""

    def __init__(self, job: Job, curve: CurveSettings, halves: list[Halves]):
        self.job = job
        self.curve = curve
        self.halves = {split.name: split for split in halves}
        self.trainer = Trainer(job)
        self.networks = Networks(self.trainer)
        self.given = values_of(job.backbone)
        self.weights: collections.OrderedDict[pathlib.Path, dict] = collections.OrderedDict()

    def run(self, cell: Cell) -> dict[str, Any]:
        """Train and evaluate a cell, unless that is done; returns its result."""
        done = cell_result(self.job.directory, cell)
        if done is not None:
            return done
        start = time.perf_counter()
        directory = cell_directory(self.job.directory, cell)
        job = replan(self.job, self.settings_of(cell), directory)
        images = self.trainer.images(job.settings)
        remove_leftovers(directory)
        remove_leftovers(directory / "checkpoints")
        write_text(directory / "config.toml", to_toml("tl-run", job.settings.to_config()))
        write_text(directory / "plan.json", job.plan.to_json())
        features = self.networks.prepare(job, self._weights(cell))
        prepared = time.perf_counter() - start
        engine = self.trainer.engine(job, features, verbose=False)
        scores = self.trainer.train_and_score(engine)
        if cell.treatment == "base":
            save_model(features.model, directory)
        validation = scores["validation"]["accuracy"]
        if self.curve.score == "paper":
            validation = statistics.fmean(sorted(engine.progress.scores)[-BEST:])
        counts = images.listing.counts(images.positions("test"))
        content = {
            **dataclasses.asdict(cell),
            "validation_accuracy": validation,
            "test_accuracy": scores["test"]["accuracy"],
            "test_loss": scores["test"]["loss"],
            "chance": float(counts.max() / counts.sum()),  # of naming the most frequent class
            "test_images": int(counts.sum()),
            "seconds": time.perf_counter() - start + engine.earlier,
            "spent": {
                "prepared": prepared,
                "features": features.seconds,
                "fit": engine.progress.seconds,
            },
        }
        write_text(directory / RESULT, to_json(content))
        shutil.rmtree(directory / "checkpoints", ignore_errors=True)
        return content

    def settings_of(self, cell: Cell) -> Settings:
        """The settings of the run that a cell is."""
        base, halves = self.job.settings, self.halves[cell.split]
        split_seed = base.seed if base.split_seed is None else base.split_seed
        weights, classes = base.weights, ()
        if halves.a:
            weights, classes = "none", halves.b if cell.direction == DIRECTIONS[0] else halves.a
        else:
            split_seed += list(self.halves).index(cell.split)
        if cell.source is not None:
            weights = str(cell_directory(self.job.directory, cell.source) / MODEL)
        return dataclasses.replace(
            base,
            **cell.strategy,
            weights=weights,
            classes=classes,
            seed=cell.seed(base.seed),
            split_seed=split_seed,
            keep="best" if self.curve.score == "paper" else "last",
            run_dir=None,
        )

    def _weights(self, cell: Cell) -> dict[str, np.ndarray]:
        """What the transferred units of a cell start from."""
        if cell.source is None:
            return self.given
        path = cell_directory(self.job.directory, cell.source) / MODEL
        load = keras.models.load_model
        return remembered(self.weights, path, lambda: values_of(load(path, compile=False)))


def open_study(settings: Settings, curve: CurveSettings, directory: pathlib.Path) -> Study:
    """The context of a worker."""
    job = open_job(settings, directory)
    return Study(job, curve, halves_of(curve, job))


def cell_directory(directory: pathlib.Path, cell: Cell) -> pathlib.Path:
    """Where a cell of a study in a directory is written."""
    return directory / "cells" / cell.name


def cell_result(directory: pathlib.Path, cell: Cell) -> dict[str, Any] | None:
    """The result of a cell that is done; a base is done when its model is there too."""
    place = cell_directory(directory, cell)
    if cell.treatment == "base" and not (place / MODEL).is_file():
        return None
    return read_json(place / RESULT)
