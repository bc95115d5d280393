"""One process's part in a study: the cells that it is asked for, one after the other."""

import collections
import dataclasses
import json
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
from tl_strategies.data.images import Images
from tl_strategies.files import read_json, remove_leftovers, write_text
from tl_strategies.runs.job import Job, open_job, replan
from tl_strategies.runs.manifest import to_toml
from tl_strategies.runs.trainer import MODEL, RESULT, Trainer, remembered, save_model
from tl_strategies.settings.run import Settings
from tl_strategies.training.engine import Engine

BEST = 10  # validation accuracies that the paper's score is the mean of


class Study:
    """The context of tasks that are cells.

    Args:
        job: what they share: settings, directory, data, backbone.
        curve: settings of the study.
        halves: of the classes, by the name of the split.
    """

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
        directory = cell_directory(self.job.directory, cell)
        done = cell_result(self.job.directory, cell)
        if done is not None:
            return done
        start = time.perf_counter()
        job = replan(self.job, self.settings_of(cell), directory)
        images = self.trainer.images(job.settings)
        _write_beginning(job)
        features = self.networks.prepare(job, self._weights(cell))
        prepared = time.perf_counter() - start
        engine = self.trainer.engine(job, features, verbose=False)
        scores = self.trainer.train_and_score(engine)
        if cell.treatment == "base":
            save_model(features.model, directory)
        content = {
            **dataclasses.asdict(cell),
            "validation_accuracy": self._validation(scores, engine),
            "test_accuracy": scores["test"]["accuracy"],
            "test_loss": scores["test"]["loss"],
            **_chance(images),
            "seconds": time.perf_counter() - start + engine.earlier,
            "spent": {
                "prepared": prepared,
                "features": features.seconds,
                "fit": engine.progress.seconds,
            },
        }
        write_text(directory / RESULT, json.dumps(content, indent=1) + "\n")
        shutil.rmtree(directory / "checkpoints", ignore_errors=True)
        return content

    def settings_of(self, cell: Cell) -> Settings:
        """The settings of the run that a cell is."""
        base, halves = self.job.settings, self.halves[cell.split]
        strategy, options = cell.strategy
        n = options.pop("n", None)
        source = cell.source
        weights = base.weights
        if source is not None:
            weights = str(cell_directory(self.job.directory, source) / MODEL)
        elif halves.a:
            weights = "none"
        split_seed = base.seed if base.split_seed is None else base.split_seed
        if not halves.a:
            split_seed += list(self.halves).index(cell.split)
        target = halves.b if cell.direction == DIRECTIONS[0] else halves.a
        return dataclasses.replace(
            base,
            strategy=strategy,
            n=n,
            option=options,
            weights=weights,
            classes=target if halves.a else (),
            seed=cell.seed(base.seed),
            split_seed=split_seed,
            keep="best" if self.curve.score == "paper" else "last",
            run_dir=None,
        )

    def _validation(self, scores: dict, engine: Engine) -> float:
        if self.curve.score == "paper":
            return statistics.fmean(sorted(engine.progress.scores)[-BEST:])
        return scores["validation"]["accuracy"]

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


def _chance(images: Images) -> dict[str, Any]:
    """The accuracy of naming the most frequent class of the test images, and their count."""
    counts = images.listing.counts(images.positions("test"))
    return {"chance": float(counts.max() / counts.sum()), "test_images": int(counts.sum())}


def cell_result(directory: pathlib.Path, cell: Cell) -> dict[str, Any] | None:
    """The result of a cell that is done; a base is done when its model is there too."""
    place = cell_directory(directory, cell)
    if cell.treatment == "base" and not (place / MODEL).is_file():
        return None
    return read_json(place / RESULT)


def _write_beginning(job: Job) -> None:
    remove_leftovers(job.directory)
    remove_leftovers(job.directory / "checkpoints")
    write_text(job.directory / "config.toml", to_toml("tl-run", job.settings.to_config()))
    write_text(job.directory / "plan.json", job.plan.to_json())
