"""A run, from top to bottom: data, plan, training, the saved model loaded again and evaluated."""

import dataclasses
import json
import pathlib
import time
from typing import Any

import keras

from tl_strategies.data.cache import store_directory
from tl_strategies.data.images import Images, load_images
from tl_strategies.data.report import data_text, describe_data, report_json
from tl_strategies.data.store import Store
from tl_strategies.environment import plain_keras
from tl_strategies.errors import UsageError
from tl_strategies.files import read_json, write_text, written_aside
from tl_strategies.plans.model import build_model, plain_model, set_precision, set_trainable
from tl_strategies.plans.plan import Plan
from tl_strategies.quiet import silence_retracing
from tl_strategies.tracking.progress import progress_bar
from tl_strategies.tracking.tensorboard import Tracker
from tl_strategies.training.checkpoint import Checkpoint, copy_checkpoints
from tl_strategies.training.engine import Engine
from tl_strategies.training.epoch_end import DivergedError
from tl_strategies.training.evaluate import evaluate_saved
from tl_strategies.training.features import Features
from tl_strategies.training.input_range import input_range, range_text
from tl_strategies.training.job import Job
from tl_strategies.training.memory import keep_freed_memory, let_go
from tl_strategies.training.place import RECORD, held
from tl_strategies.training.record import check_same, planned_files, write_beginning
from tl_strategies.training.settings import Settings
from tl_strategies.training.statistics import adapt_statistics

MODEL = "model.keras"
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


def run(job: Job, earlier: pathlib.Path | None = None) -> Run:
    """Do a whole run, or what is left of it.

    Args:
        job: what to do.
        earlier: directory of a training that the run begins where it has ended.

    Raises:
        UsageError: a class has too few readable images, what is resumed was another run, or another
            process is at work in the same directory.
    """
    with held(job.directory, job.settings.resume):
        if earlier is not None:
            copy_checkpoints(earlier, job.directory)
        return _run(job)


def _run(job: Job) -> Run:
    start = time.perf_counter()
    settings, directory = job.settings, job.directory
    finished = _finished(directory) if settings.resume else None
    if finished is not None:
        check_same(job, planned_files(job))
        return Run(directory, finished, job.plan)
    images, store = open_data(job)
    write_beginning(job, images)
    report = describe_data(images) | {"input": input_range(job.backbone, images)}
    write_text(directory / "data.json", report_json(report) + "\n")
    print(f"{data_text(report)}\n{range_text(report['input'])}", flush=True)
    engine = make_engine(job, images, store)
    features, model = engine.features, engine.features.model
    try:
        engine.train()
    except DivergedError as error:
        if not engine.progress.best:
            raise
        _save(model, directory)
        raise UsageError(
            f"{error} The best weights before that are in {directory / MODEL}."
        ) from error
    trainable = _trainable(model, job)
    _save(model, directory)
    evaluation = evaluate_saved(directory, images, engine.tracker)
    metrics = {
        "strategy": job.plan.strategy,
        "n": job.plan.n,
        "units": job.plan.depth_count,
        "backbone": settings.backbone,
        "dataset": settings.dataset,
        "seed": settings.seed,
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


def _save(model: keras.Model, directory: pathlib.Path) -> None:
    with written_aside(directory / MODEL) as aside:
        plain_model(model).save(aside)


def open_data(job: Job) -> tuple[Images, Store]:
    """Set the process up for training; the images of a job, and the store of their features.

    Raises:
        UsageError: a class has too few readable images.
    """
    kept, store = set_up(job.settings)
    images = load_images(
        job.listing,
        job.image_size,
        job.settings.splitting,
        kept,
        progress_bar(len(job.listing.paths), "decoding images"),
    )
    return images, store


def set_up(settings: Settings) -> tuple[Store, Store]:
    """Set the process up for training; the stores of images and of features."""
    keep_freed_memory()
    silence_retracing()
    if settings.deterministic:
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    if settings.cache == "off":
        return Store(None), Store(None, in_memory=0)
    directory = store_directory(settings.cache_dir)
    store = Store(directory, settings.cache_limit * 1e9, settings.cache == "require")
    return store, store


def make_features(job: Job, images: Images, store: Store) -> Features:
    """The model of a job's plan, and its features."""
    let_go()
    settings = job.settings
    keras.utils.set_random_seed(settings.seed)
    model = build_model(job.plan, job.backbone, job.units)
    adapt_statistics(model, job.plan, job.units, images, store, settings.seed)
    set_precision(model, settings.precision)
    return Features(model, job.plan, job.units, images, store)


def make_engine(job: Job, images: Images, store: Store) -> Engine:
    """What trains the model of a job's plan, in the job's directory."""
    settings = job.settings
    features = make_features(job, images, store)
    tracker = Tracker(job.directory)
    tracker.write_settings(settings.to_config(), job.plan)
    return Engine(features, settings, Checkpoint(job.directory / "checkpoints"), tracker)


def _trainable(model: keras.Model, job: Job) -> int:
    """How many parameters some phase trains."""
    weights = {}
    for phase in job.plan.phases or (None,):
        set_trainable(model, job.plan, job.units, phase)
        weights |= {id(weight): weight for weight in model.trainable_weights}
    return sum(weight.shape.num_elements() for weight in weights.values())


def _finished(directory: pathlib.Path) -> dict[str, Any] | None:
    """The metrics of the run in a directory, if it has ended and all its results are there."""
    if not all((directory / name).is_file() for name in RESULTS):
        return None
    return read_json(directory / "metrics.json")
