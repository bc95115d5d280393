"""A run, from top to bottom: data, plan, training, the saved model loaded again and evaluated."""

import dataclasses
import json
import pathlib
import time
from typing import Any

import keras

from tl_strategies.data.csv_file import split_csv
from tl_strategies.data.images import Images
from tl_strategies.data.report import data_text, describe_data, report_json
from tl_strategies.environment import plain_keras
from tl_strategies.errors import UsageError
from tl_strategies.evaluation.evaluate import evaluate_saved
from tl_strategies.files import read_json, remove_leftovers, write_text
from tl_strategies.output import shown
from tl_strategies.plans.model import set_trainable
from tl_strategies.plans.plan import Plan
from tl_strategies.runs.job import Job
from tl_strategies.runs.manifest import begin, match
from tl_strategies.runs.place import RECORD, held
from tl_strategies.runs.shares import prefetch_by
from tl_strategies.runs.trainer import MODEL, Trainer, save_model
from tl_strategies.settings.groups import Workers
from tl_strategies.settings.toml import to_toml
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


def run(
    job: Job,
    trainer: Trainer | None = None,
    earlier: pathlib.Path | None = None,
    workers: Workers | None = None,
) -> Run:
    """Do a whole run, or what is left of it.

    Args:
        job: what to do.
        trainer: of its data and backbone; one is made where there is none.
        earlier: directory of a training that the run begins where it has ended.
        workers: who computes the features; None for this process.

    Raises:
        UsageError: a class has too few readable images, what is resumed was another run, or another
            process is at work in the same directory.
    """
    with held(job.directory, job.settings.resume):
        if earlier is not None:
            copy_checkpoints(earlier, job.directory)
        finished = _finished(job.directory) if job.settings.resume else None
        if finished is None:
            return _run(job, trainer or Trainer(job), workers or Workers())
        match(job.directory, "run", planned_files(job))
        return Run(job.directory, finished, job.plan)


def _run(job: Job, trainer: Trainer, workers: Workers) -> Run:
    start = time.perf_counter()
    directory = job.directory
    images = trainer.images(job.settings)
    _begin(job, images)
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
    save_model(features.model, directory)
    evaluation = evaluate_saved(directory, images, engine.tracker)
    metrics = {
        "strategy": job.plan.strategy,
        "n": job.plan.n,
        "units": job.plan.depth_count,
        "backbone": job.settings.backbone,
        "dataset": job.settings.dataset,
        "seed": job.settings.seed,
        "learning_rate": engine.progress.learning_rate,
        "trainable_parameters": trainable,
        "test": evaluation["test"],
        "validation": evaluation.get("validation", {}),
        "classes": evaluation["classes"],
        "seconds": {
            "total": time.perf_counter() - start + engine.earlier,
            "features": features.seconds,
            "fit": engine.progress.seconds,
            "evaluate": evaluation["seconds"],
        },
        "features": features.summary,
    }
    write_text(directory / "metrics.json", json.dumps(metrics, indent=1) + "\n")
    return Run(directory, metrics, job.plan)


def planned_files(job: Job) -> dict[str, str]:
    """The part of a run's manifest that is known before an image is decoded."""
    return {
        "config.toml": to_toml("tl-run", job.settings.to_config()),
        "labels.txt": "".join(f"{name}\n" for name in job.task.names),
        RECORD: job.plan.to_json(),
    }


def _begin(job: Job, images: Images) -> None:
    """Write what is known before training, and say what the data is.

    Raises:
        UsageError: a run that is resumed was another one.
    """
    directory = job.directory
    remove_leftovers(directory)
    remove_leftovers(directory / "checkpoints")
    files = {**planned_files(job), "split.csv": split_csv(images.listing, images.parts)}
    begin(directory, "run", files)
    left_out = images.listing.left_out
    if left_out:
        lines = [f"{shown(path)}\t{shown(reason)}\n" for path, reason in left_out]
        write_text(directory / "left_out.tsv", "".join(lines))
        print(f"{len(left_out)} files left out, listed in {directory / 'left_out.tsv'}")
    report = describe_data(images) | {"input": input_range(job.backbone, images)}
    write_text(directory / "data.json", report_json(report) + "\n")
    print(f"{data_text(report)}\n{range_text(report['input'])}", flush=True)


def _trainable(engine: Engine, job: Job) -> int:
    """How many parameters some phase trains."""
    model, weights = engine.features.model, {}
    for phase in job.plan.phases or (None,):
        set_trainable(model, job.plan, job.units, phase)
        weights |= {id(weight): weight for weight in model.trainable_weights}
    return sum(weight.shape.num_elements() for weight in weights.values())


def _finished(directory: pathlib.Path) -> dict[str, Any] | None:
    """The metrics of the run in a directory, if it has ended and all its results are there."""
    if not all((directory / name).is_file() for name in RESULTS):
        return None
    return read_json(directory / "metrics.json")
