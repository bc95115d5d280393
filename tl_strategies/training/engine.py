"""The engine: each phase runs its frozen prefix once and trains the suffix on stored features."""

import dataclasses
import sys
import time

import keras
import numpy as np

from tl_strategies.backbones.surgery import cut
from tl_strategies.backbones.units import Unit
from tl_strategies.data.images import Images
from tl_strategies.data.store import Entry, Store
from tl_strategies.plans.model import depth_tensor, set_trainable, variable_multipliers
from tl_strategies.plans.optimizers import make_optimizer
from tl_strategies.plans.plan import Plan
from tl_strategies.plans.schedules import Schedule
from tl_strategies.tracking.progress import progress_bar
from tl_strategies.tracking.tensorboard import Tracker
from tl_strategies.training.batches import batch_count, evaluation_batches, training_batches
from tl_strategies.training.checkpoint import Checkpoint, Progress
from tl_strategies.training.features import compute_features
from tl_strategies.training.linear import PENALTIES, fit_linear
from tl_strategies.training.settings import Settings

FITTED_PARTS = ("train", "validation")


@dataclasses.dataclass
class Engine:
    """Trains the model of a plan.

    Attributes:
        model: from images to probabilities, flat; its weights end as the best of the run.
        plan: what is trained.
        units: of the backbone.
        images: the data set.
        settings: of the run.
        store: where features are kept.
        checkpoint: of the run.
        tracker: gets every epoch's metrics.
        seconds: spent on features and on fitting.
        earlier: seconds of fitting before the run was resumed.
        features: the last phase's status and size.
    """

    model: keras.Model
    plan: Plan
    units: list[Unit]
    images: Images
    settings: Settings
    store: Store
    checkpoint: Checkpoint
    tracker: Tracker
    seconds: dict[str, float] = dataclasses.field(
        default_factory=lambda: {"features": 0.0, "fit": 0.0}
    )
    earlier: float = 0.0
    features: dict[str, int | str] = dataclasses.field(
        default_factory=lambda: {"status": "off", "bytes": 0}
    )

    def train(self) -> None:
        """Run all phases, or what is left of them; or fit the classifier on the codes."""
        if not self.plan.phases:
            self._fit_linear()
            return
        lowest = min(phase.trainable_from for phase in self.plan.phases)
        trained = self._cut(lowest - 1)[1]
        progress, state = self.checkpoint.load() or (Progress(), [])
        self.earlier = progress.seconds
        if state:  # before features are computed from weights that an earlier phase trained
            _assign(trained.variables, state[: len(trained.variables)])
        for index in range(progress.phase, len(self.plan.phases)):
            if index > progress.phase:
                progress.phase, progress.epoch, state = index, 0, []
            self._run_phase(progress, trained, state)
        _assign(trained.variables, self.checkpoint.load_best(progress))
        self.seconds["fit"] = progress.seconds

    def _run_phase(self, progress: Progress, trained: keras.Model, state: list) -> None:
        """Train a phase from where `progress` stands; `state` is that of an interrupted one."""
        phases, settings = self.plan.phases, self.settings
        phase = phases[progress.phase]
        before = sum(earlier.epochs for earlier in phases[: progress.phase])
        epochs = range(before + progress.epoch, before + phase.epochs)
        set_trainable(self.model, self.plan, self.units, phase)
        prefix, suffix = self._cut(phase.trainable_from - 1)
        train, validation = (self._data(prefix, part) for part in FITTED_PARTS)
        steps = batch_count(len(train[1]), settings.batch_size)
        optimizer = make_optimizer(
            settings.optimizer,
            Schedule(
                settings.learning_rate,
                steps * sum(phase.epochs for phase in phases),
                settings.schedule,
                settings.warmup,
                first_step=steps * before,
            ),
            variable_multipliers(self.model, self.plan, self.units),
            settings.weight_decay,
        )
        loss = "sparse_categorical_crossentropy"
        suffix.compile(optimizer, loss, metrics=["accuracy"])
        optimizer.build(suffix.trainable_variables)
        variables = [*trained.variables, *optimizer.variables]
        if state:
            _assign(variables, state)
        if epochs:
            suffix.fit(
                training_batches(*train, settings.batch_size, settings.seed, epochs),
                validation_data=evaluation_batches(*validation, settings.batch_size),
                initial_epoch=epochs.start,
                epochs=epochs.stop,
                steps_per_epoch=steps,
                shuffle=False,
                callbacks=[_EpochEnd(self, progress, trained, variables, before)],
                verbose=1 if sys.stdout.isatty() else 2,
            )

    def _cut(self, depth: int) -> tuple[keras.Model | None, keras.Model]:
        return cut(self.model, depth_tensor(self.model, self.plan, self.units, depth))

    def _data(self, prefix: keras.Model | None, part: str):
        """Array, rows and labels of a part: stored features, or images where nothing is frozen."""
        positions = self.images.positions(part)
        labels = self.images.listing.labels[positions]
        if prefix is None:
            return self.images.array, self.images.rows[positions], labels
        entry = self._features(prefix, part, positions)
        return entry.array, np.arange(len(positions)), labels

    def _features(self, prefix: keras.Model, part: str, positions: np.ndarray) -> Entry:
        start = time.perf_counter()
        bar = progress_bar(len(positions), f"features of {part} images")
        entry = compute_features(prefix, self.images, positions, self.store, bar)
        self.seconds["features"] += time.perf_counter() - start
        if part == "train":
            self.features = {"status": entry.status, "bytes": 0}
        self.features["bytes"] += entry.array.nbytes
        return entry

    def _fit_linear(self) -> None:
        set_trainable(self.model, self.plan, self.units, None)
        prefix, head = self._cut(len(self.plan.units))
        data = {part: self._data(prefix, part) for part in FITTED_PARTS}
        start = time.perf_counter()
        kernel, bias, penalty = fit_linear(
            self.plan.head.classifier,
            {part: np.asarray(array) for part, (array, _, _) in data.items()},
            {part: labels for part, (_, _, labels) in data.items()},
            self.settings.seed,
            progress_bar(len(PENALTIES), "fits"),
        )
        head.layers[-1].set_weights([kernel, bias])
        self.seconds["fit"] = time.perf_counter() - start
        self.tracker.write_scalar("C", penalty)


class _EpochEnd(keras.callbacks.Callback):
    """After each epoch: remember the best weights, write the checkpoint, tell the tracker."""

    def __init__(
        self, engine: Engine, progress: Progress, trained: keras.Model, state: list, before: int
    ):
        super().__init__()
        self.engine = engine
        self.progress = progress
        self.trained = trained
        self.state = state
        self.before = before

    def on_train_begin(self, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        progress, engine = self.progress, self.engine
        progress.epoch = epoch + 1 - self.before
        now = time.perf_counter()
        progress.seconds += now - self.started
        self.started = now
        if progress.improves(logs):
            progress.best = {
                "accuracy": logs["val_accuracy"],
                "loss": logs["val_loss"],
                "phase": progress.phase,
                "epoch": progress.epoch,
            }
            engine.checkpoint.save_best(progress, _values(self.trained.variables))
        engine.tracker.write_epoch(epoch + 1, logs, self.model.optimizer, engine.plan)
        engine.checkpoint.save(progress, _values(self.state))


def _values(variables: list) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def _assign(variables: list, values: list[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
