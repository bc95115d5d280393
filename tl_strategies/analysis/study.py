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

from tl_strategies.analysis.cells import DIRECTIONS, Cell
from tl_strategies.analysis.halves import Halves
from tl_strategies.analysis.network import Networks, values_of
from tl_strategies.analysis.settings import CurveSettings
from tl_strategies.data.images import Images, load_images
from tl_strategies.files import read_json, remove_leftovers, write_text, written_aside
from tl_strategies.plans.model import plain_model
from tl_strategies.tracking.progress import progress_bar
from tl_strategies.tracking.tensorboard import Tracker
from tl_strategies.training.checkpoint import Checkpoint
from tl_strategies.training.engine import Engine
from tl_strategies.training.evaluate import evaluate_features, write_scores
from tl_strategies.training.features import Features
from tl_strategies.training.inputs import fitted_inputs, part_inputs
from tl_strategies.training.job import Job, planned
from tl_strategies.training.run import MODEL, set_up
from tl_strategies.training.settings import Settings, to_toml

RESULT = "result.json"
REMEMBERED = 2  # tasks whose images, and bases whose weights, are kept in memory
BEST = 10  # validation accuracies that the paper's score is the mean of


class Study:
    """Trains cells.

    Args:
        job: what they share: settings, directory, data, backbone.
        curve: settings of the study.
        halves: of the classes, by the name of the split.
    """

    def __init__(self, job: Job, curve: CurveSettings, halves: list[Halves]):
        self.job = job
        self.curve = curve
        self.halves = {of.name: of for of in halves}
        self.decoded, store = set_up(job.settings)
        self.networks = Networks(store)
        self.given = values_of(job.backbone)
        self.images: collections.OrderedDict[tuple, Images] = collections.OrderedDict()
        self.weights: collections.OrderedDict[pathlib.Path, dict] = collections.OrderedDict()

    def run(self, cell: Cell) -> dict[str, Any]:
        """Train and evaluate a cell, unless that is done; returns its result."""
        directory = cell_directory(self.job.directory, cell)
        result = directory / RESULT
        done = cell_result(self.job.directory, cell)
        if done is not None:
            return done
        start = time.perf_counter()
        job = planned(self.job, self.settings_of(cell), directory)
        images = self._images(cell)
        _write_beginning(job)
        features = self.networks.prepare(job, images, self._weights(cell))
        prepared = time.perf_counter() - start
        engine = self._train(job, features)
        scores = evaluate_features(features)
        write_scores(engine.tracker, scores)
        engine.tracker.flush()
        if cell.treatment == "base":
            with written_aside(directory / MODEL) as aside:
                plain_model(features.model).save(aside)
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
        write_text(result, json.dumps(content, indent=1) + "\n")
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
            option=tuple(f"{name}={value}" for name, value in options.items()),
            weights=weights,
            classes=target if halves.a else (),
            seed=cell.seed(base.seed),
            split_seed=split_seed,
            keep="best" if self.curve.score == "paper" else "last",
            run_dir=None,
        )

    def _train(self, job: Job, features: Features) -> Engine:
        tracker = Tracker(job.directory)
        tracker.write_settings(job.settings.to_config(), job.plan)
        depth = features.frozen_depth
        if features.kept(depth):  # one pass for all parts
            inputs = fitted_inputs(features.images, job.settings, kept=True)
            features.fetch(depth, {**inputs, "test": part_inputs(features.images, "test")})
        checkpoint = Checkpoint(job.directory / "checkpoints")
        engine = Engine(features, job.settings, checkpoint, tracker, verbose=False)
        engine.train()
        return engine

    def _validation(self, scores: dict, engine: Engine) -> float:
        if self.curve.score == "paper":
            return statistics.fmean(sorted(engine.progress.scores)[-BEST:])
        return scores["validation"]["accuracy"]

    def _images(self, cell: Cell) -> Images:
        settings = self.settings_of(cell)
        key = (settings.classes, settings.split_seed)
        return _remembered(self.images, key, lambda: self._load(settings))

    def _load(self, settings: Settings) -> Images:
        listing = self.job.listing
        bar = progress_bar(len(listing.paths), "decoding images")
        return load_images(listing, self.job.image_size, settings.splitting, self.decoded, bar)

    def _weights(self, cell: Cell) -> dict[str, np.ndarray]:
        """What the transferred units of a cell start from."""
        if cell.source is None:
            return self.given
        path = cell_directory(self.job.directory, cell.source) / MODEL
        load = keras.models.load_model
        return _remembered(self.weights, path, lambda: values_of(load(path, compile=False)))


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


def _remembered(cache: collections.OrderedDict, key: Any, make: Any) -> Any:
    if key not in cache:
        cache[key] = make()
    cache.move_to_end(key)
    while len(cache) > REMEMBERED:
        cache.popitem(last=False)
    return cache[key]


def _write_beginning(job: Job) -> None:
    remove_leftovers(job.directory)
    remove_leftovers(job.directory / "checkpoints")
    write_text(job.directory / "config.toml", to_toml(job.settings.to_config()))
    write_text(job.directory / "plan.json", job.plan.to_json())
