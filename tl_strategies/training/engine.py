"""The engine: each phase runs its frozen prefix once and trains the suffix on stored features."""

import dataclasses
import sys
import time

import keras
import numpy as np

from tl_strategies.backbones.surgery import unit_layers
from tl_strategies.backbones.units import Unit
from tl_strategies.plans.model import set_trainable, variable_multipliers
from tl_strategies.plans.optimizers import carry_state, inner, make_optimizer
from tl_strategies.plans.plan import Phase, Plan
from tl_strategies.plans.schedules import Schedule
from tl_strategies.tracking.figures import figure_pixels, range_figure
from tl_strategies.tracking.progress import progress_bar
from tl_strategies.tracking.tensorboard import Tracker
from tl_strategies.training.batches import (
    batch_count,
    class_weights,
    evaluation_batches,
    one_hot,
    training_batches,
)
from tl_strategies.training.checkpoint import Checkpoint, Progress
from tl_strategies.training.features import Features
from tl_strategies.training.inputs import Inputs, augmented_inputs, part_inputs
from tl_strategies.training.linear import PENALTIES, fit_linear
from tl_strategies.training.range_test import STEPS, range_test
from tl_strategies.training.settings import Settings

KEPT_VIEWS = 4  # of each training image, where features are stored


@dataclasses.dataclass
class Engine:
    """Trains the model of a plan.

    Attributes:
        model: from images to probabilities, flat; its weights end as the best of the run.
        plan: what is trained.
        units: of the backbone.
        features: of the model.
        settings: of the run.
        checkpoint: of the run.
        tracker: gets every epoch's metrics.
        progress: how far the run has come.
        earlier: seconds of fitting before the run was resumed.
        optimizer: of the last phase.
    """

    model: keras.Model
    plan: Plan
    units: list[Unit]
    features: Features
    settings: Settings
    checkpoint: Checkpoint
    tracker: Tracker
    progress: Progress = dataclasses.field(default_factory=Progress)
    earlier: float = 0.0
    optimizer: keras.optimizers.Optimizer | None = None

    def train(self) -> None:
        """Run all phases, or what is left of them; or fit the classifier on the codes."""
        if not self.plan.phases:
            self._fit_linear()
            return
        lowest = min(phase.trainable_from for phase in self.plan.phases)
        trained = self.features.cut(lowest - 1)[1]
        anchors = self._anchors()
        self.progress, state = self.checkpoint.load() or (self.progress, [])
        progress = self.progress
        self.earlier = progress.seconds
        if state:  # before features are computed from weights that an earlier phase trained
            _assign(trained.variables, state[: len(trained.variables)])
        else:
            self._prefetch()
        for index in range(progress.phase, len(self.plan.phases)):
            if index > progress.phase:
                progress.start_phase(index)
                state = []
            self._run_phase(self.plan.phases[index], trained, anchors, state)
        _assign(trained.variables, self.checkpoint.load_best(progress))

    def _prefetch(self) -> None:
        """Features of all phases that start from untrained ones, each depth from the one below."""
        depths, lowest = set(), len(self.plan.units) + 2
        for phase in self.plan.phases:
            if phase.trainable_from <= lowest:
                depths.add(phase.trainable_from - 1)
            lowest = min(lowest, phase.trainable_from)
        if self.features.store.directory is not None:
            set_trainable(self.model, self.plan, self.units, None)
            for depth in sorted(depths - {0}):
                self.features.fetch(depth, self._inputs(depth))

    def _run_phase(self, phase: Phase, trained: keras.Model, anchors: dict, state: list) -> None:
        """Train a phase from where it stands; `state` is that of an interrupted one."""
        settings, progress = self.settings, self.progress
        before = sum(earlier.epochs for earlier in self.plan.phases[: progress.phase])
        epochs = range(before + progress.epoch, before + phase.epochs)
        set_trainable(self.model, self.plan, self.units, phase)
        suffix = self.features.cut(phase.trainable_from - 1)[1]
        inputs = self._inputs(phase.trainable_from - 1)
        arrays = self.features.fetch(phase.trainable_from - 1, inputs)
        count = self.plan.head.labels
        targets = {part: one_hot(given.labels, count) for part, given in inputs.items()}
        weights = class_weights(inputs["train"].labels, settings.class_weight)

        def batches(epochs: range):
            return training_batches(
                *(arrays["train"], inputs["train"], targets["train"], weights),
                *(settings.batch_size, settings.seed, epochs),
            )

        def compile_with(rate) -> None:
            optimizer = make_optimizer(
                settings.optimizer,
                rate,
                variable_multipliers(self.model, self.plan, self.units),
                settings.weight_decay,
                anchors,
                self.plan.l2_sp,
                settings.precision == "mixed_float16",
            )
            loss = keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing)
            suffix.compile(optimizer, loss, metrics=["accuracy"], auto_scale_loss=False)
            optimizer.build(suffix.trainable_variables)

        steps = batch_count(inputs["train"].images, settings.batch_size)
        if progress.learning_rate is None:
            progress.learning_rate = settings.learning_rate
            if settings.learning_rate == "auto":
                progress.learning_rate = self._find_rate(
                    suffix, compile_with, batches(range(batch_count(STEPS, steps)))
                )
        compile_with(self._rate(phase, steps, before))
        if self.optimizer is not None:
            carry_state(self.optimizer, suffix.optimizer)
        self.optimizer = suffix.optimizer
        variables = [*trained.variables, *self.optimizer.variables]
        if state:
            _assign(variables, state)
        if epochs and not progress.stalled(settings.patience):
            suffix.fit(
                batches(epochs),
                validation_data=evaluation_batches(
                    arrays["validation"], targets["validation"], settings.batch_size
                ),
                initial_epoch=epochs.start,
                epochs=epochs.stop,
                steps_per_epoch=steps,
                shuffle=False,
                callbacks=[_EpochEnd(self, trained, variables, before)],
                verbose=1 if sys.stdout.isatty() else 2,
            )

    def _rate(self, phase: Phase, steps: int, before: int) -> float | Schedule:
        settings = self.settings
        peak = self.progress.learning_rate
        if settings.plateau:
            return peak
        shape = settings.schedule or "cosine"
        if settings.schedule_over == "phase":
            return Schedule(peak, steps * phase.epochs, shape, settings.warmup)
        total = steps * sum(phase.epochs for phase in self.plan.phases)
        return Schedule(peak, total, shape, settings.warmup, first_step=steps * before)

    def _find_rate(self, suffix: keras.Model, compile_with, batches) -> float:
        print("learning-rate range test", flush=True)
        rates, losses, chosen = range_test(suffix, compile_with, batches)
        print(f"learning rate {chosen:.3g}", flush=True)
        figure = range_figure(rates, losses, chosen)
        self.tracker.write_image("learning-rate range test", figure_pixels(figure))
        return chosen

    def _inputs(self, depth: int) -> dict[str, Inputs]:
        """Training and validation images, the former augmented where that is asked for."""
        images, settings = self.features.images, self.settings
        validation = part_inputs(images, "validation")
        if settings.augment == "none":
            return {"train": part_inputs(images, "train"), "validation": validation}
        views = settings.views
        if views is None:
            anew = depth == 0 or self.features.store.directory is None
            views = max(settings.epochs, 1) if anew else KEPT_VIEWS
        train = augmented_inputs(images, settings.augment, views, settings.seed)
        return {"train": train, "validation": validation}

    def _anchors(self) -> dict[str, np.ndarray]:
        """The pretrained weights of the units that are trained, for L2-SP."""
        if not self.plan.l2_sp:
            return {}
        return {
            weight.path: keras.ops.convert_to_numpy(weight)
            for row, unit in zip(self.plan.units, self.units, strict=False)
            if row.trainable and row.weights == "pretrained"
            for leaf in unit_layers(self.model, unit)
            for weight in leaf.trainable_weights
        }

    def _fit_linear(self) -> None:
        set_trainable(self.model, self.plan, self.units, None)
        depth = len(self.plan.units)
        inputs = self._inputs(depth)
        arrays = self.features.fetch(depth, inputs)
        codes = {part: np.array(array[np.arange(array.shape[0])]) for part, array in arrays.items()}
        start = time.perf_counter()
        if self.plan.head.unit_length:
            normalize = self.model.get_layer("head_unit_length")
            codes = {part: np.asarray(normalize(array)) for part, array in codes.items()}
        kernel, bias, penalty = fit_linear(
            self.plan.head.classifier,
            codes,
            {part: np.tile(given.labels, given.views) for part, given in inputs.items()},
            self.settings.seed,
            progress_bar(len(PENALTIES), "fits"),
        )
        self.model.layers[-1].set_weights([kernel, bias])
        self.progress.seconds = time.perf_counter() - start
        self.tracker.write_scalar("C", penalty)


class _EpochEnd(keras.callbacks.Callback):
    """After each epoch: remember the best weights, write the checkpoint, tell the tracker."""

    def __init__(self, engine: Engine, trained: keras.Model, state: list, before: int):
        super().__init__()
        self.engine = engine
        self.trained = trained
        self.state = state
        self.before = before

    def on_train_begin(self, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        engine, settings = self.engine, self.engine.settings
        progress = engine.progress
        progress.epoch = epoch + 1 - self.before
        now = time.perf_counter()
        progress.seconds += now - self.started
        self.started = now
        engine.tracker.write_epoch(epoch + 1, logs, inner(self.model.optimizer), engine.plan)
        if progress.note(logs["val_accuracy"], logs["val_loss"]):
            engine.checkpoint.save_best(progress, _values(self.trained.variables))
        if settings.plateau and progress.stale and progress.stale % settings.plateau == 0:
            rate = inner(self.model.optimizer).learning_rate
            rate.assign(rate / 10)
        engine.checkpoint.save(progress, _values(self.state))
        self.model.stop_training = progress.stalled(settings.patience)


def _values(variables: list) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def _assign(variables: list, values: list[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
