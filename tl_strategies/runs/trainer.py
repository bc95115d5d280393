"""The trainer: what one process holds, to train one plan after another, each into a directory."""

import collections
import pathlib
from typing import Any

import keras
import tensorflow as tf

from tl_strategies.data.images import Images, load_images
from tl_strategies.evaluation.evaluate import evaluate_features, write_scores
from tl_strategies.files import atomic_write, read_json, write_text
from tl_strategies.plans.model import build_model, plain_model, set_precision, set_trainable
from tl_strategies.quiet import silence_retracing
from tl_strategies.runs.job import Job, replan
from tl_strategies.runs.manifest import to_json
from tl_strategies.settings.run import Settings
from tl_strategies.store.cache import store_directory
from tl_strategies.store.store import Store
from tl_strategies.tracking.progress import progress_bar
from tl_strategies.tracking.tensorboard import SECONDS, Tracker
from tl_strategies.training.bn_statistics import adapt_statistics
from tl_strategies.training.checkpoint import Checkpoint
from tl_strategies.training.engine import Engine
from tl_strategies.training.features import Features
from tl_strategies.training.inputs import Inputs, fitted_inputs, part_inputs
from tl_strategies.training.memory import keep_freed_memory, let_go

MODEL, RESULT = "model.keras", "result.json"
REMEMBERED = 2  # data sets, by the way in which they are split, whose images are held


class Trainer:
    """Trains plans that share what is in a job: runs, folds, trials and cells."""

    def __init__(self, job: Job):
        self.job = job
        keep_freed_memory()
        silence_retracing()
        settings = job.settings
        if settings.deterministic:
            tf.config.experimental.enable_op_determinism()
        if settings.cache == "off":
            self._decoded, self.store = Store(None), Store(None, in_memory=0)
        else:
            directory, limit = store_directory(settings.cache_dir), settings.cache_limit * 1e9
            self.store = self._decoded = Store(directory, limit, settings.cache == "require")
        self._images: collections.OrderedDict[Any, Images] = collections.OrderedDict()

    def images(self, settings: Settings | None = None) -> Images:
        """The data set, decoded, and split as settings say."""
        splitting = (settings or self.job.settings).splitting
        listing, size = self.job.listing, self.job.image_size

        def load() -> Images:
            bar = progress_bar(len(listing.paths), "decoding images")
            return load_images(listing, size, splitting, self._decoded, bar)

        return remembered(self._images, splitting, load)

    def features(self, job: Job) -> Features:
        """The model of a job's plan, with the weights that it starts from, and its features."""
        let_go()
        settings, images = job.settings, self.images(job.settings)
        keras.utils.set_random_seed(settings.seed)
        model = build_model(job.plan, job.backbone, job.units, settings.head)
        adapt_statistics(model, job.plan, job.units, images, self.store, settings.seed)
        set_precision(model, settings.precision)
        set_trainable(model, job.plan, job.units, None)  # as its prefixes are, when they are stored
        return Features(model, job.plan, job.units, images, self.store)

    def engine(self, job: Job, features: Features, verbose: bool = True) -> Engine:
        """What trains a job's model in the job's directory, from where that stands."""
        tracker = Tracker(job.directory)
        config = job.settings.to_config() | {"n": job.plan.n}
        tracker.write_settings(config, str(job.plan), job.task.metric)
        checkpoint = Checkpoint(job.directory / "checkpoints")
        return Engine(features, job.settings, checkpoint, tracker, verbose)

    def train(
        self, settings: Settings, directory: pathlib.Path, stop_after: int | None = None
    ) -> dict[str, Any]:
        """One training among many, from features alone: the content of result.json.

        What lies in the directory is not redone. It stops after so many epochs, though the plan
        goes on.
        """
        done = read_json(directory / RESULT)
        if done is not None:
            return done
        job = replan(self.job, settings, directory)
        engine = self.engine(job, self.features(job), verbose=False)
        engine.stop_after = stop_after
        scores = self.train_and_score(engine)
        content = {
            "n": job.plan.n,
            "seed": settings.seed,
            **{f"{part}_{name}": scores[part][name] for part in scores for name in scores[part]},
            **{f"{part}_score": scores[part][job.task.metric] for part in scores},
            "seconds": engine.progress.seconds + engine.features.seconds,
        }
        write_text(directory / RESULT, to_json(content))
        return content

    def train_and_score(self, engine: Engine) -> dict[str, dict[str, float]]:
        """Train; metrics of the validation and the test part, from the features of one pass."""
        self.prefetch(engine.features, engine.settings)
        engine.train()
        scores = evaluate_features(engine.features, engine.validation)
        write_scores(engine.tracker, scores)
        engine.tracker.write_scalar(SECONDS, engine.progress.seconds + engine.features.seconds)
        engine.tracker.flush()
        return scores

    def prefetch(self, features: Features, settings: Settings, depth: int | None = None) -> None:
        """Have the store hold all parts' features, at the depth that no phase trains or another."""
        depth = features.plan.frozen_depth if depth is None else depth
        if features.kept(depth):
            features.fetch(depth, self.inputs(features, settings))

    def inputs(self, features: Features, settings: Settings) -> dict[str, Inputs]:
        """What goes into a prefix whose features are kept, by part."""
        inputs = fitted_inputs(features.images, settings, kept=True)
        return {**inputs, "test": part_inputs(features.images, "test")}


def save_model(model: keras.Model, directory: pathlib.Path) -> None:
    """Write a model that loads in plain Keras, whole or not at all."""
    with atomic_write(directory / MODEL) as aside:
        plain_model(model).save(aside)


def remembered(cache: collections.OrderedDict, key: Any, make: Any) -> Any:
    """What a cache has under a key, made now where it has not; of old ones few are kept."""
    if key not in cache:
        cache[key] = make()
    cache.move_to_end(key)
    while len(cache) > REMEMBERED:
        cache.popitem(last=False)
    return cache[key]
