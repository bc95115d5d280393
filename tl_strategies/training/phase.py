"""One phase of training: its suffix, its data and its optimizer."""

import keras
import numpy as np
import tensorflow as tf

from tl_strategies.plans.model import set_trainable, variable_multipliers
from tl_strategies.plans.optimizers import make_optimizer
from tl_strategies.plans.plan import Phase
from tl_strategies.plans.schedules import Later, Schedule
from tl_strategies.settings.run import Settings
from tl_strategies.training.batches import (
    batch_count,
    evaluation_batches,
    targets_of,
    training_batches,
)
from tl_strategies.training.class_weight import class_weights
from tl_strategies.training.features import Features
from tl_strategies.training.inputs import fitted_inputs

MOST_STEPS = 32  # that are taken in one execution


class PhaseTraining:
    """What `fit` needs for a phase.

    Args:
        phase: sets which units are trained.
        features: of the model.
        settings: of the run.
        anchors: see `plans.model.pretrained_values`.

    Attributes:
        suffix: the model that is trained, from features to probabilities.
        steps: how many batches an epoch has.
    """

    def __init__(
        self, phase: Phase, features: Features, settings: Settings, anchors: dict[str, np.ndarray]
    ):
        self.phase = phase
        self.settings = settings
        self.anchors = anchors
        self.plan = features.plan
        self.task = features.images.listing.task
        self.optimizers = features.optimizers
        set_trainable(features.model, features.plan, features.units, phase)
        self.multipliers = variable_multipliers(features.model, features.plan, features.units)
        depth = phase.trainable_from - 1
        self.suffix = features.cut(depth)[1]
        self.inputs = fitted_inputs(features.images, settings, kept=features.kept(depth))
        self.arrays = features.fetch(depth, self.inputs)
        self.steps = batch_count(self.inputs["train"].images, settings.batch_size)

    def training(self, epochs: range) -> tf.data.Dataset:
        """The training batches of some epochs."""
        given = self.inputs["train"]
        weights = given.weights * class_weights(given.labels, self.settings.class_weight, self.task)
        return training_batches(
            *(self.arrays["train"], given, self._targets("train"), weights),
            *(self.settings.batch_size, self.settings.seed, epochs),
        )

    @property
    def validates(self) -> bool:
        """Whether validation images are looked at after each epoch."""
        return self.inputs["validation"].images > 0 and self.settings.keep == "best"

    def validation(self) -> tf.data.Dataset:
        """The validation images once."""
        return evaluation_batches(
            self.arrays["validation"], self._targets("validation"), self.settings.batch_size
        )

    @property
    def steps_per_execution(self) -> int:
        """How many steps Keras may take before it comes back to Python: a divisor of an epoch's.

        For small suffixes coming back is a third of the time.
        """
        if self.settings.callbacks:  # which may look at each step
            return 1
        return max(n for n in range(1, MOST_STEPS + 1) if self.steps % n == 0)

    def compile(
        self,
        rate: float | keras.optimizers.schedules.LearningRateSchedule,
        steps_per_execution: int = 1,
    ) -> None:
        """Give the suffix a new optimizer, already built, or the one that it had as it began.

        Args:
            rate: the learning rate.
            steps_per_execution: as in Keras; it changes no result.
        """
        settings, depth = self.settings, self.phase.trainable_from - 1
        config = tuple(rate.get_config().values()) if isinstance(rate, Schedule) else rate
        purpose = (config, steps_per_execution)
        if self.optimizers and self.optimizers.get(depth, (None,))[0] == purpose:
            for variable, value in zip(
                self.suffix.optimizer.variables, self.optimizers[depth][1], strict=True
            ):
                variable.assign(value)
            return
        optimizer = make_optimizer(
            settings.optimizer,
            rate,
            self.multipliers,
            settings.weight_decay,
            self.anchors,
            self.plan.l2_sp,
            scale_loss=settings.precision == "mixed_float16",
        )
        head = self.plan.head
        # An object: of a mere name the variables would be made while the step is traced, which
        # TensorFlow would then do again.
        if head.multilabel:
            loss = keras.losses.BinaryCrossentropy(label_smoothing=settings.label_smoothing)
            metric = keras.metrics.AUC(
                curve="PR", multi_label=True, num_labels=head.labels, name="mean_average_precision"
            )
        else:
            loss = keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing)
            metric = keras.metrics.CategoricalAccuracy("accuracy")
        self.suffix.compile(
            *(optimizer, settings.loss or loss),
            metrics=[metric, *map(_anew, settings.metrics)],
            auto_scale_loss=False,
            steps_per_execution=steps_per_execution,
        )
        optimizer.build(self.suffix.trainable_variables)
        if self.optimizers is not None:
            values = [keras.ops.convert_to_numpy(v).copy() for v in optimizer.variables]
            self.optimizers[depth] = (purpose, values)

    def rate(self, peak: float, before: int) -> float | Schedule:
        """The learning rate; `before` epochs of earlier phases lie behind."""
        settings = self.settings
        if settings.plateau:
            return peak
        for given in (settings.learning_rate, settings.schedule):
            if isinstance(given, keras.optimizers.schedules.LearningRateSchedule):
                over_run = settings.schedule_over == "run"
                return Later(given, self.steps * before if over_run else 0)
        epochs = self.phase.epochs
        if settings.schedule_over == "run":
            epochs = sum(phase.epochs for phase in self.plan.phases)
        else:
            before = 0
        shape = settings.schedule or "cosine"
        return Schedule(peak, self.steps * epochs, shape, settings.warmup, self.steps * before)

    def _targets(self, part: str) -> np.ndarray:
        return targets_of(self.inputs[part].labels, self.plan.head.labels)


def _anew(metric: str | keras.metrics.Metric) -> str | keras.metrics.Metric:
    """A metric of the same configuration that has seen nothing."""
    if not isinstance(metric, keras.metrics.Metric):
        return metric
    return type(metric).from_config(metric.get_config())
