"""A run, from top to bottom: data, plan, training, the saved model loaded again and evaluated."""

import dataclasses
import json
import pathlib
import re
import time
from typing import Any

import keras

from tl_strategies.data.cache import (
    read_text,
    remove_leftovers,
    store_directory,
    write_text,
    written_aside,
)
from tl_strategies.data.images import Images, load_images
from tl_strategies.data.split import split_csv
from tl_strategies.data.store import Store
from tl_strategies.errors import UsageError
from tl_strategies.plans.model import build_model, plain_model, set_precision, set_trainable
from tl_strategies.plans.plan import Plan
from tl_strategies.strategies import Strategy
from tl_strategies.tracking.figures import confusion_figure, figure_pixels, save_figure
from tl_strategies.tracking.progress import progress_bar
from tl_strategies.tracking.tensorboard import Tracker
from tl_strategies.training.checkpoint import Checkpoint
from tl_strategies.training.engine import Engine
from tl_strategies.training.evaluate import (
    EVALUATED_PARTS,
    confusion_matrix,
    predict,
    predictions_csv,
    score,
)
from tl_strategies.training.features import Features
from tl_strategies.training.job import Job, check, claim, prepare
from tl_strategies.training.memory import keep_freed_memory
from tl_strategies.training.settings import Settings, to_toml
from tl_strategies.training.statistics import adapt_statistics


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
    def model(self) -> keras.Model:
        """The saved model: float RGB images in [0, 255] to probabilities."""
        return keras.models.load_model(self.directory / "model.keras")


def fit(strategy: str | Strategy = "partial", n: int | str | None = None, **settings: Any) -> Run:
    """Train, evaluate and save a model: `tl-run` from Python.

    Args:
        strategy: a name, or a strategy with its hyper-parameters.
        n: the transfer depth; None for the strategy's default.
        **settings: the other flags of `tl-run`, such as `dataset="folder:photos"`.

    Raises:
        UsageError: something must change before any training can start.
    """
    name = strategy
    if isinstance(strategy, Strategy):
        if n is not None or "option" in settings:
            raise UsageError(
                "n and option must be those of the strategy where one is given. Received: "
                f"{strategy!r} with n={n}, option={settings.get('option', ())}."
            )
        config = strategy.get_config()
        n = config.pop("n", None)
        name = strategy.name
        if not name:
            raise UsageError(
                f"A strategy must have a name. Received: {strategy!r}. Decorate its class with "
                '@tl.register("name").'
            )
        settings["option"] = tuple(f"{key}={value!r}" for key, value in config.items())
    try:
        checked = Settings(strategy=name, n=n, **settings)
    except TypeError as error:
        raise UsageError(f"tl.fit must get the flags of tl-run. Received: {error}") from error
    given = strategy if isinstance(strategy, Strategy) else None
    return run(claim(prepare(check(checked, given))))


def run(job: Job) -> Run:
    """Do a whole run, or what is left of it.

    Raises:
        UsageError: a class has too few readable images, or what is resumed was another run.
    """
    start = time.perf_counter()
    keep_freed_memory()
    settings, directory = job.settings, job.directory
    if settings.resume and (directory / "metrics.json").is_file():
        _check_same(job, _planned(job))
        return _finished(directory)
    keras.utils.set_random_seed(settings.seed)
    if settings.deterministic:
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    stores = _stores(settings)
    images = load_images(
        job.listing,
        job.image_size,
        settings.seed,
        settings.limit,
        stores["images"],
        progress_bar(len(job.listing.paths), "decoding images"),
    )
    _write_beginning(job, images)
    model = build_model(job.plan, job.backbone, job.units)
    store = stores["features"]
    adapt_statistics(model, job.plan, job.units, images, store, settings.seed)
    set_precision(model, settings.precision)
    tracker = Tracker(directory)
    tracker.write_settings(settings.to_config(), job.plan)
    checkpoint = Checkpoint(directory / "checkpoints")
    features = Features(model, job.plan, job.units, images, store)
    engine = Engine(features, settings, checkpoint, tracker)
    engine.train()
    trainable = _trainable(model, job)
    with written_aside(directory / "model.keras") as aside:
        plain_model(model).save(aside)
    evaluation = _evaluate(directory, images, tracker)
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
        "validation": evaluation["validation"],
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


def _stores(settings: Settings) -> dict[str, Store]:
    """Where decoded images and features are kept."""
    if settings.cache == "off":
        return {"images": Store(None), "features": Store(None, in_memory=0)}
    directory = store_directory(settings.cache_dir)
    store = Store(directory, settings.cache_limit * 1e9, settings.cache == "require")
    return {"images": store, "features": store}


def _trainable(model: keras.Model, job: Job) -> int:
    """How many parameters some phase trains."""
    weights = {}
    for phase in job.plan.phases or (None,):
        set_trainable(model, job.plan, job.units, phase)
        weights |= {id(weight): weight for weight in model.trainable_weights}
    return sum(weight.shape.num_elements() for weight in weights.values())


def _finished(directory: pathlib.Path) -> Run:
    metrics = json.loads((directory / "metrics.json").read_text())
    return Run(directory, metrics, Plan.from_json((directory / "plan.json").read_text()))


def _planned(job: Job) -> dict[str, str]:
    """The files that are known before an image is decoded; plan.json marks a run."""
    return {
        "config.toml": to_toml(job.settings.to_config()),
        "labels.txt": "".join(f"{name}\n" for name in job.listing.task.names),
        "plan.json": job.plan.to_json(),
    }


def _check_same(job: Job, files: dict[str, str]) -> None:
    """Refuse to resume a run that was planned otherwise.

    Raises:
        UsageError: a file that is there has another text.
    """
    for name, text in files.items():
        path = job.directory / name
        if path.is_file() and _that_matters(read_text(path)) != _that_matters(text):
            raise UsageError(
                f"--resume must come with the settings and the data of the run in {job.directory}. "
                f"Received: others; {name} differs. `tl-run --config "
                f"{job.directory / 'config.toml'}` gives its settings."
            )


def _that_matters(text: str) -> list[str]:
    """The lines, but for where features are kept: results do not depend on that."""
    return [line for line in text.splitlines() if not re.match("cache_(dir|limit) =", line)]


def _write_beginning(job: Job, images: Images) -> None:
    """Write what is known before training.

    Raises:
        UsageError: a run that is resumed was planned otherwise.
    """
    directory = job.directory
    remove_leftovers(directory)
    remove_leftovers(directory / "checkpoints")
    files = {**_planned(job), "split.csv": split_csv(images.listing, images.parts)}
    if job.settings.resume:
        _check_same(job, files)
    for name, text in files.items():
        write_text(directory / name, text)
    if images.listing.left_out:
        count = len(images.listing.left_out)
        report = "".join(f"{path}\t{reason}\n" for path, reason in images.listing.left_out)
        write_text(directory / "left_out.tsv", report)
        print(f"{count} files left out, listed in {directory / 'left_out.tsv'}:")
        for path, reason in images.listing.left_out[:5]:
            print(f"  {path}: {reason}")


def _evaluate(directory: pathlib.Path, images: Images, tracker: Tracker) -> dict[str, Any]:
    """Load the saved model and evaluate that."""
    start = time.perf_counter()
    model = keras.models.load_model(directory / "model.keras")
    predictions = predict(model, images)
    write_text(directory / "predictions.csv", predictions_csv(images, predictions))
    labels = {part: images.listing.labels[images.positions(part)] for part in EVALUATED_PARTS}
    results = {part: score(predictions[part], labels[part]) for part in EVALUATED_PARTS}
    for part in EVALUATED_PARTS:
        for name, value in results[part].items():
            tracker.write_scalar(f"{part}/{name}", value)
    names = images.listing.task.names
    accuracy = results["test"]["accuracy"]
    title = f"{len(labels['test'])} test images, accuracy {accuracy:.3f}"
    figure = confusion_figure(confusion_matrix(predictions["test"], labels["test"]), names, title)
    save_figure(figure, directory / "confusion_matrix.png")
    tracker.write_image("confusion matrix, test", figure_pixels(figure))
    tracker.flush()
    return {**results, "seconds": time.perf_counter() - start}
