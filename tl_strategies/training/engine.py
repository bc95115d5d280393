"""The engine: each phase runs its frozen prefix once and trains the suffix on stored features."""

import dataclasses
import sys
import time

import keras
import numpy as np

from tl_strategies.plans.model import pretrained_values, set_trainable
from tl_strategies.plans.optimizers import carry_state
from tl_strategies.settings.run import Settings
from tl_strategies.tracking.figures import figure_pixels, range_figure
from tl_strategies.tracking.progress import progress_bar
from tl_strategies.tracking.tensorboard import Tracker
from tl_strategies.training.batches import batch_count
from tl_strategies.training.checkpoint import Checkpoint, Progress
from tl_strategies.training.epoch_end import DivergedError, EpochEnd
from tl_strategies.training.features import Features
from tl_strategies.training.inputs import fitted_inputs
from tl_strategies.training.linear import C_VALUES, fit_linear
from tl_strategies.training.phase import PhaseTraining
from tl_strategies.training.range_test import STEPS, range_test


@dataclasses.dataclass
class Engine:
    """Trains the model of a plan; its weights end as the best of the run.

    Attributes:
        features: of the model, which they hold together with its plan.
        settings: of the run.
        checkpoint: of the run.
        tracker: gets every epoch's metrics.
        verbose: whether `fit` prints its steps and epochs; if not, it may take several at once.
        stop_after: epochs to stop after; phases of several end whole. None for the plan's end.
        progress: how far the run has come.
        earlier: seconds of fitting before the run was resumed.
        optimizer: of the last phase.
    """

    features: Features
    settings: Settings
    checkpoint: Checkpoint
    tracker: Tracker
    verbose: bool = True
    stop_after: int | None = None
    progress: Progress = dataclasses.field(default_factory=Progress)
    earlier: float = 0.0
    optimizer: keras.optimizers.Optimizer | None = None

    def train(self) -> None:
        """Run all phases, or what is left of them; or fit the classifier on the codes.

        Raises:
            DivergedError: the loss is not finite; the weights are the best ones before that.
        """
        features, phases = self.features, self.features.plan.phases
        set_trainable(features.model, features.plan, features.units, None)
        if not phases:
            self._fit_linear()
            return
        trained = features.cut(features.frozen_depth)[1]
        anchors = pretrained_values(features.model, features.plan, features.units)
        self.progress, state = self.checkpoint.load() or (self.progress, [])
        progress = self.progress
        self.earlier = progress.seconds
        before = sum(phase.epochs for phase in phases[: progress.phase])
        self.tracker.start_after(before + progress.epoch)
        if state:  # before features are computed from weights that an earlier phase trained
            _assign(trained.variables, state[: len(trained.variables)])
        else:
            self._prefetch()
        try:
            self._run_phases(trained, anchors, state)
        except DivergedError:
            if progress.best:
                _assign(trained.variables, self.checkpoint.load_best(progress))
            raise
        _assign(trained.variables, self.checkpoint.load_best(progress))

    def _run_phases(self, trained: keras.Model, anchors: dict, state: list) -> None:
        """Run the phases that are left; `state` is that of an interrupted one."""
        features, progress, phases = self.features, self.progress, self.features.plan.phases
        for index in range(progress.phase, len(phases)):
            before = sum(phase.epochs for phase in phases[:index])
            if self.stop_after is not None and before >= self.stop_after:
                break
            if index > progress.phase:
                progress.start_phase(index)
                state = []
            self._run_phase(
                PhaseTraining(phases[index], features, self.settings, anchors), trained, state
            )

    def _prefetch(self) -> None:
        """Features of all phases that start from untrained ones, each depth from the one below."""
        depths, lowest = set(), len(self.features.units) + 1
        for phase in self.features.plan.phases:
            if phase.trainable_from <= lowest:
                depths.add(phase.trainable_from - 1)
            lowest = min(lowest, phase.trainable_from)
        kept = sorted(filter(self.features.kept, depths))
        for depth in kept if len(kept) > 1 else ():
            inputs = fitted_inputs(self.features.images, self.settings, kept=True)
            self.features.fetch(depth, inputs)
            if depth not in self.features.entries:  # the store does not take them
                break

    def _run_phase(self, training: PhaseTraining, trained: keras.Model, state: list) -> None:
        """Train a phase from where it stands; `state` is that of an interrupted one."""
        settings, progress = self.settings, self.progress
        before = sum(phase.epochs for phase in training.plan.phases[: progress.phase])
        last = training.phase.epochs
        if self.stop_after is not None and len(training.plan.phases) == 1:
            last = min(last, self.stop_after)
        epochs = range(before + progress.epoch, before + last)
        if progress.learning_rate is None:
            progress.learning_rate = self._peak(training)
        steps = 1 if self.verbose else training.steps_per_execution
        training.compile(training.rate(progress.learning_rate, before), steps)
        suffix = training.suffix
        if self.optimizer is not None:
            carry_state(self.optimizer, suffix.optimizer)
        self.optimizer = suffix.optimizer
        variables = [*trained.variables, *self.optimizer.variables]
        if state:
            _assign(variables, state)
        if epochs and not progress.stalled(settings.patience):
            suffix.fit(
                training.training(epochs),
                validation_data=training.validation() if training.validates else None,
                initial_epoch=epochs.start,
                epochs=epochs.stop,
                steps_per_epoch=training.steps,
                shuffle=False,
                callbacks=[EpochEnd(self, trained, variables, before), *settings.callbacks],
                verbose=(1 if sys.stdout.isatty() else 2) if self.verbose else 0,
            )

    def _peak(self, training: PhaseTraining) -> float:
        given = self.settings.learning_rate
        if given == "auto":
            return self._find_rate(training)
        return given if isinstance(given, float) else float(given(0))

    def _find_rate(self, training: PhaseTraining) -> float:
        print("learning-rate range test", flush=True)
        batches = training.training(range(batch_count(STEPS, training.steps)))
        rates, losses, chosen = range_test(training.suffix, training.compile, batches)
        print(f"learning rate {chosen:.3g}", flush=True)
        figure = range_figure(rates, losses, chosen)
        self.tracker.write_image("learning-rate range test", figure_pixels(figure))
        return chosen

    def _fit_linear(self) -> None:
        features = self.features
        depth = len(features.plan.units)
        inputs = fitted_inputs(features.images, self.settings, kept=features.kept(depth))
        arrays = features.fetch(depth, inputs)
        codes = {part: array[np.arange(array.shape[0])] for part, array in arrays.items()}
        start = time.perf_counter()
        if features.plan.head.unit_length:
            normalize = features.model.get_layer("head_unit_length")
            codes = {part: np.asarray(normalize(array)) for part, array in codes.items()}
        kernel, bias, penalty = fit_linear(
            features.plan.head.classifier,
            codes,
            {part: np.concatenate([given.labels] * given.views) for part, given in inputs.items()},
            np.tile(inputs["train"].weights, inputs["train"].views),
            self.settings.seed,
            progress_bar(len(C_VALUES), "fits"),
        )
        features.model.layers[-1].set_weights([kernel, bias])
        self.progress.seconds = time.perf_counter() - start
        self.tracker.write_scalar("C", penalty)


def _assign(variables: list, values: list[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
