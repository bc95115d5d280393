"""A run, from top to bottom: data, plan, training, the saved model loaded again and evaluated."""

import dataclasses
import os
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from tl_strategies.data.csv_file import split_csv
from tl_strategies.data.decode import Source
from tl_strategies.data.images import Images
from tl_strategies.data.report import data_text, describe_data, report_json
from tl_strategies.environment import plain_keras
from tl_strategies.errors import UsageError
from tl_strategies.evaluation.card import model_card
from tl_strategies.evaluation.evaluate import evaluate_saved
from tl_strategies.evaluation.export import export
from tl_strategies.evaluation.heatmap import Explainer, Heatmap
from tl_strategies.evaluation.predict import Predictor, Views
from tl_strategies.files import read_json, remove_leftovers, write_text
from tl_strategies.image_size import sides
from tl_strategies.output import shown
from tl_strategies.plans.model import set_trainable
from tl_strategies.plans.plan import Plan
from tl_strategies.runs.job import Job
from tl_strategies.runs.manifest import RECORD, begin, held, match, to_json, to_toml
from tl_strategies.runs.shares import prefetch_by
from tl_strategies.runs.trainer import MODEL, Trainer, save_model
from tl_strategies.settings.groups import Workers
from tl_strategies.tracking.tensorboard import SECONDS
from tl_strategies.training.calibration import calibrate
from tl_strategies.training.checkpoint import copy_checkpoints
from tl_strategies.training.engine import DivergedError, Engine
from tl_strategies.training.forward import input_range, range_text

RESULTS = (RECORD, MODEL, "predictions.csv")


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        directory: where everything lies.
        metrics: the content of metrics.json.
        plan: what was trained.
    """

    directory: pathlib.Path
    metrics: dict[str, Any]
    plan: Plan

    @property
    @plain_keras()
    def model(self) -> keras.Model:
        """The saved model: float RGB images in [0, 255] to probabilities."""
        return keras.models.load_model(self.directory / MODEL)

    def predict(self, images: Sequence[Any], views: Views = 1) -> np.ndarray:
        """Probabilities of shape (images, labels); of an image that cannot be read, NaN.

        Args:
            images: paths, or uint8 arrays of shape (height, width, 3) of any size.
            views: how many are averaged: the image, and seeded crops and flips of it; or
                "crops16": with five crops and two turned ones, each mirrored.

        Raises:
            UsageError: what is given are no images, or the model was changed.
        """
        predictor = Predictor([self.directory])
        nothing = np.full(len(predictor.labels), np.nan, "float32")
        found = _of_each(images, lambda sources: predictor.stream(sources, views))
        rows = [nothing if values is None else values for values in found]
        return np.array(rows, "float32").reshape(len(rows), len(nothing))

    def export(self, format: str, precision: str = "float32", **others: Any) -> dict[str, Any]:
        """The model as "litert", "onnx", "openvino" or "saved_model": `tl-export` from Python.

        Args:
            format, precision: of the file.
            **others: `out`, `force` and `data`; see `evaluation.export.export`, also for what is
                returned and raised.
        """
        return export(self.directory, format, precision, **others)

    def heatmaps(
        self, images: Sequence[Any], unit: int | str | None = None
    ) -> list[Heatmap | None]:
        """Where in each image its likeliest label was seen; None for one that cannot be read.

        Args:
            images: as in `predict`.
            unit: the depth or the name of the unit to look behind; None for the last place in the
                model where there is something to see.

        Raises:
            UsageError: what is given are no images, there is no such unit, or the run has several
                models.
        """
        explainer = Explainer(Predictor([self.directory]), unit)
        return _of_each(images, explainer.stream)


def _of_each(images: Sequence[Any], stream: Callable) -> list[Any]:
    """What comes of each image; None, which is said, for one that cannot be read."""
    if isinstance(images, str):
        raise UsageError(f"Images must be a list of paths or arrays. Received: {images!r}.")
    sources, results = [*map(_source, images)], []
    for source, result in zip(sources, stream(iter(sources)), strict=True):
        if isinstance(result, str):
            name = source if isinstance(source, str) else "an array"
            print(f"not read: {shown(name)}: {result}", flush=True)
        results.append(None if isinstance(result, str) else result)
    return results


def _source(image: Any) -> Source:
    if isinstance(image, str | os.PathLike):
        return os.fspath(image)
    array = np.asarray(image)
    if array.ndim != 3 or array.shape[-1] not in (1, 3) or array.dtype != "uint8":
        raise UsageError(
            "Images must be paths, or uint8 arrays of shape (height, width, 1 or 3). Received: "
            f"{array.dtype} of shape {array.shape}."
        )
    return array


def run(
    job: Job,
    trainer: Trainer | None = None,
    earlier: pathlib.Path | None = None,
    workers: Workers | None = None,
) -> Run:
    """Do a whole run, or what is left of it, by a trainer of its data and backbone.

    It begins where the training in the directory `earlier` has ended. Workers compute features.
    """
    directory = job.directory
    with held(directory, job.settings.resume):
        if earlier is not None:
            copy_checkpoints(earlier, directory)
        whole = job.settings.resume and all((directory / name).is_file() for name in RESULTS)
        finished = read_json(directory / "metrics.json") if whole else None
        if finished is None:
            return _run(job, trainer or Trainer(job), workers or Workers())
        match(directory, "run", _planned_files(job))
        return Run(directory, finished, job.plan)


def _run(job: Job, trainer: Trainer, workers: Workers) -> Run:
    start = time.perf_counter()
    directory, plan = job.directory, job.plan
    images = trainer.images(job.settings)
    report = _begin(job, images)
    features = trainer.features(job)
    prefetch_by(workers, trainer, job, features)
    engine = trainer.engine(job, features)
    try:
        engine.train()
    except DivergedError as error:
        if not engine.progress.best:
            raise
        save_model(features.model, directory)
        raise UsageError(
            f"{error} The best weights before that are in {directory / MODEL}."
        ) from error
    trainable = _trainable(engine, job)
    given = calibrate(features)
    save_model(features.model, directory)
    evaluation = evaluate_saved(directory, images, engine.tracker, engine.validation, given)
    metrics = {
        "strategy": plan.strategy,
        "n": plan.n,
        "units": plan.depth_count,
        **{name: getattr(job.settings, name) for name in ("backbone", "dataset", "seed")},
        "learning_rate": engine.progress.learning_rate,
        "trainable_parameters": trainable,
        "test": evaluation["test"],
        "validation": evaluation.get("validation", {}),
        "classes": evaluation["classes"],
        "calibration": evaluation["calibration"],
        "seconds": {
            "total": time.perf_counter() - start + engine.earlier,
            "features": features.seconds,
            "fit": engine.progress.seconds,
            "evaluate": evaluation["seconds"],
        },
        "features": features.summary,
    }
    engine.tracker.write_scalar(SECONDS, metrics["seconds"]["total"])
    engine.tracker.flush()
    given = images.listing.parts is not None
    card = model_card(job.settings, plan, metrics, report, given, sides(job.image_size))
    write_text(directory / "card.md", card)
    write_text(directory / "metrics.json", to_json(metrics))
    return Run(directory, metrics, plan)


def _planned_files(job: Job) -> dict[str, str]:
    """The part of a run's manifest that is known before an image is decoded."""
    return {
        "config.toml": to_toml("tl-run", job.settings.to_config()),
        "labels.txt": "".join(f"{name}\n" for name in job.task.names),
        RECORD: job.plan.to_json(),
    }


def _begin(job: Job, images: Images) -> dict[str, Any]:
    """Write what is known before training, and say what the data is; the report of the data."""
    directory = job.directory
    remove_leftovers(directory)
    remove_leftovers(directory / "checkpoints")
    files = {**_planned_files(job), "split.csv": split_csv(images.listing, images.parts)}
    begin(directory, "run", files)
    left_out = images.listing.left_out
    if left_out:
        lines = [f"{shown(path)}\t{shown(reason)}\n" for path, reason in left_out]
        write_text(directory / "left_out.tsv", "".join(lines))
        print(f"{len(left_out)} files left out, listed in {directory / 'left_out.tsv'}")
    report = describe_data(images) | {"input": input_range(job.backbone, images)}
    write_text(directory / "data.json", report_json(report) + "\n")
    print(f"{data_text(report)}\n{range_text(report['input'])}", flush=True)
    return report


def _trainable(engine: Engine, job: Job) -> int:
    """How many parameters some phase trains."""
    model, weights = engine.features.model, {}
    for phase in job.plan.phases or (None,):
        set_trainable(model, job.plan, job.units, phase)
        weights |= {id(weight): weight for weight in model.trainable_weights}
    return sum(weight.shape.num_elements() for weight in weights.values())
