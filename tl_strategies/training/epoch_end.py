"""What happens after each epoch, and when a loss is not finite any more."""

import math
import time
from typing import TYPE_CHECKING

import keras
import numpy as np

from tl_strategies.errors import UsageError
from tl_strategies.plans.optimizers import inner, last_rate

if TYPE_CHECKING:
    from tl_strategies.training.engine import Engine

CHECKPOINT_INTERVAL = 0.5  # seconds of training that a kill may cost, where epochs are shorter


class DivergedError(UsageError):
    """The loss is not finite any more."""


class EpochEnd(keras.callbacks.Callback):
    """After each epoch: remember the best weights, write the checkpoint, tell the tracker.

    Where epochs are short, not every one has a checkpoint.
    """

    def __init__(self, engine: "Engine", trained: keras.Model, state: list, before: int):
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
            if self.best is not None:
                self.engine.checkpoint.save_best(self.engine.progress, self.best)
            rate = last_rate(self.model.optimizer)
            raise DivergedError(
                f"The loss must be finite. Received: {loss} in epoch {self.epoch}, step "
                f"{batch + 1}, at the learning rate {rate:.3g}. Give a lower --learning_rate."
            )

    def on_epoch_end(self, epoch, logs=None):
        engine, settings = self.engine, self.engine.settings
        progress = engine.progress
        progress.epoch = epoch + 1 - self.before
        now = time.perf_counter()
        progress.seconds += now - self.started
        self.started = now
        engine.tracker.write_epoch(epoch + 1, logs, self._rates())
        # Without validation images the last epoch is the best.
        score = logs.get(f"val_{engine.features.images.listing.task.metric}", 0.0)
        progress.scores.append(float(score))
        if progress.note(score, logs.get("val_loss", -epoch)):
            self.best = _values(self.trained.variables)
        if settings.plateau and progress.stale and progress.stale % settings.plateau == 0:
            rate = inner(self.model.optimizer).learning_rate
            rate.assign(rate / 10)
        self.written = now - self.saved > CHECKPOINT_INTERVAL
        if self.written:
            self._write()
        self.model.stop_training = progress.stalled(settings.patience)

    def _rates(self) -> dict[str, float]:
        """The learning rate of the head, and of each unit that is trained."""
        rate = last_rate(self.model.optimizer)
        units = [unit for unit in self.engine.features.plan.units if unit.trainable]
        own = {f"{unit.depth:02}_{unit.name}": unit.learning_rate_multiplier for unit in units}
        return {"head": rate} | {name: rate * multiplier for name, multiplier in own.items()}

    def on_train_end(self, logs=None):
        if not self.written:
            self._write()

    def _write(self) -> None:
        checkpoint, progress = self.engine.checkpoint, self.engine.progress
        if self.best is not None:
            checkpoint.save_best(progress, self.best)
            self.best = None
        checkpoint.save(progress, _values(self.state))
        self.saved = time.perf_counter()


def _values(variables: list) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]
