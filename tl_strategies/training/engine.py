"""The engine: each phase runs its frozen prefix once and trains the suffix on stored features."""

import dataclasses
import math
import sys
import time

import keras
import numpy as np

from tl_strategies.errors import UsageError
from tl_strategies.plans.model import pretrained_values, set_trainable
from tl_strategies.plans.optimizers import carry_state, inner, last_rate
from tl_strategies.settings.run import Settings
from tl_strategies.tracking.figures import figure_pixels, range_figure
from tl_strategies.tracking.tensorboard import Tracker
from tl_strategies.training.checkpoint import Checkpoint, Progress, assign, values_of
from tl_strategies.training.codes import fit_codes
from tl_strategies.training.features import Features
from tl_strategies.training.inputs import fitted_inputs
from tl_strategies.training.phase import PhaseTraining

CHECKPOINT_INTERVAL = 0.5  # seconds of training that a kill may cost, where epochs are shorter


class DivergedError(UsageError):
    """The loss is not finite any more."""


@dataclasses.dataclass
class Engine:
    """Trains the model of a plan; its weights end as the best of the run."""

    features: Features
    settings: Settings
    checkpoint: Checkpoint
    tracker: Tracker
    verbose: bool = True  # `fit` prints its steps and epochs; if not, it may take several at once
    stop_after: int | None = None  # epochs to stop after; phases of several end whole
    progress: Progress = dataclasses.field(default_factory=Progress)
    earlier: float = 0.0  # seconds of fitting before the run was resumed
    validation: np.ndarray | None = None  # probabilities, before those images were trained on
    optimizer: keras.optimizers.Optimizer | None = None  # of the last phase

    def train(self) -> None:
        """Run all phases, or what is left of them; or fit the classifier on the codes.

        Raises:
            DivergedError: the loss is not finite; the weights are the best ones before that.
        """
        features, phases = self.features, self.features.plan.phases
        set_trainable(features.model, features.plan, features.units, None)
        if not phases:
            self.progress.seconds, self.validation = fit_codes(
                features, self.settings, self.tracker
            )
            return
        trained = features.cut(features.plan.frozen_depth)[1].variables
        anchors = pretrained_values(features.model, features.plan, features.units)
        self.progress, state = self.checkpoint.load() or (self.progress, [])
        progress = self.progress
        self.earlier = progress.seconds
        starts = np.cumsum([0, *(phase.epochs for phase in phases)]).tolist()
        self.tracker.start_after(starts[progress.phase] + progress.epoch)
        if state:  # before features are computed from weights that an earlier phase trained
            assign(trained, state[: len(trained)])
        else:
            self._prefetch()
        try:
            for index in range(progress.phase, len(phases)):
                if self.stop_after is not None and starts[index] >= self.stop_after:
                    break
                if index > progress.phase:
                    progress.start_phase(index)
                    state = []
                training = PhaseTraining(phases[index], features, self.settings, anchors)
                self._run_phase(training, trained, state, starts[index])
        except DivergedError:
            if progress.best:
                assign(trained, self.checkpoint.load_best(progress))
            raise
        assign(trained, self.checkpoint.load_best(progress))

    def _prefetch(self) -> None:
        """Features of all phases that start from untrained ones, each depth from the one below."""
        starts = [phase.trainable_from for phase in self.features.plan.phases]
        depths = {start - 1 for i, start in enumerate(starts) if start == min(starts[: i + 1])}
        kept = sorted(filter(self.features.kept, depths))
        for depth in kept if len(kept) > 1 else ():
            inputs = fitted_inputs(self.features.images, self.settings, kept=True)
            self.features.fetch(depth, inputs)
            if depth not in self.features.entries:  # the store does not take them
                break

    def _run_phase(self, training: PhaseTraining, trained: list, state: list, before: int) -> None:
        """Train a phase from where it stands; `state` is that of an interrupted one."""
        settings, progress, suffix = self.settings, self.progress, training.suffix
        last = training.phase.epochs
        if self.stop_after is not None and len(training.plan.phases) == 1:
            last = min(last, self.stop_after)
        epochs = range(before + progress.epoch, before + last)
        if progress.learning_rate is None:
            progress.learning_rate = self._peak(training)
        steps = 1 if self.verbose else training.steps_per_execution
        training.compile(training.rate(progress.learning_rate, before), steps)
        if self.optimizer is not None:
            carry_state(self.optimizer, suffix.optimizer)
        self.optimizer = suffix.optimizer
        variables = [*trained, *self.optimizer.variables]
        if state:
            assign(variables, state)
        if epochs and not progress.stalled(settings.patience):
            suffix.fit(
                training.training(epochs),
                validation_data=training.validation(),
                initial_epoch=epochs.start,
                epochs=epochs.stop,
                steps_per_epoch=training.steps,
                shuffle=False,
                callbacks=[EpochEnd(self, trained, variables, before), *settings.callbacks],
                verbose=(1 if sys.stdout.isatty() else 2) if self.verbose else 0,
            )

    def _peak(self, training: PhaseTraining) -> float:
        """The highest learning rate: as given, or as the range test finds it."""
        given = self.settings.learning_rate
        if given != "auto":
            return given if isinstance(given, float) else float(given(0))
        print("learning-rate range test", flush=True)
        rates, losses, chosen = training.find_rate()
        print(f"learning rate {chosen:.3g}", flush=True)
        figure = range_figure(rates, losses, chosen)
        self.tracker.write_image("learning-rate range test", figure_pixels(figure))
        return chosen


class EpochEnd(keras.callbacks.Callback):
    """After each epoch: remember the best weights, write the checkpoint, tell the tracker.

    Where epochs are short, not every one has a checkpoint.

    Args:
        engine: knows the progress.
        trained, state: variables whose best values are kept, and all that a checkpoint holds.
        before: epochs of earlier phases.
    """

    def __init__(self, engine: Engine, trained: list, state: list, before: int):
        super().__init__()
        self.engine = engine
        self.trained = trained
        self.state = state
        self.before = before
        self.best: list[np.ndarray] | None = None  # not written yet
        self.saved = -math.inf

    def on_train_begin(self, logs=None):
        self.started = time.perf_counter()

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        loss = float(logs["loss"])  # the epoch's mean so far: what is not finite stays in it
        if not math.isfinite(loss):
            self._write_best()
            rate = last_rate(self.model.optimizer)
            raise DivergedError(
                f"The loss must be finite. Received: {loss} in epoch {self.epoch}, step "
                f"{batch + 1}, at the learning rate {rate:.3g}. Give a lower --learning_rate."
            )

    def on_epoch_end(self, epoch, logs=None):
        engine, settings, progress = self.engine, self.engine.settings, self.engine.progress
        progress.epoch = epoch + 1 - self.before
        now = time.perf_counter()
        progress.seconds += now - self.started
        self.started = now
        rate = last_rate(self.model.optimizer)
        rates = {"head": rate} | {
            f"{unit.depth:02}_{unit.name}": rate * unit.learning_rate_multiplier
            for unit in engine.features.plan.units
            if unit.trainable
        }
        engine.tracker.write_epoch(epoch + 1, logs, rates)
        # Without validation images the last epoch is the best.
        score = logs.get(f"val_{engine.features.images.listing.task.metric}", 0.0)
        progress.scores.append(float(score))
        if progress.note(score, logs.get("val_loss", -epoch)):
            self.best = values_of(self.trained)
        if settings.plateau and progress.stale and progress.stale % settings.plateau == 0:
            rate = inner(self.model.optimizer).learning_rate
            rate.assign(rate / 10)
        self.written = now - self.saved > CHECKPOINT_INTERVAL
        if self.written:
            self._write()
        self.model.stop_training = progress.stalled(settings.patience)

    def on_train_end(self, logs=None):
        if not self.written:
            self._write()

    def _write(self) -> None:
        self._write_best()
        self.engine.checkpoint.save(self.engine.progress, values_of(self.state))
        self.saved = time.perf_counter()

    def _write_best(self) -> None:
        if self.best is not None:
            self.engine.checkpoint.save_best(self.engine.progress, self.best)
            self.best = None
