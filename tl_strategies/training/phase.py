"""One phase of training: its suffix, its data, its optimizer and its learning rate."""

import keras
import numpy as np
import tensorflow as tf
from keras.optimizers.schedules import LearningRateSchedule

from tl_strategies.plans.model import set_trainable, variable_multipliers
from tl_strategies.plans.optimizers import make_optimizer
from tl_strategies.plans.plan import Phase
from tl_strategies.plans.schedules import Later, Schedule
from tl_strategies.settings.run import Settings
from tl_strategies.training.batches import batch_count, evaluation_batches, training_batches
from tl_strategies.training.checkpoint import assign, values_of
from tl_strategies.training.class_weight import class_weights
from tl_strategies.training.features import Features
from tl_strategies.training.inputs import fitted_inputs

MOST_STEPS = 32  # that are taken in one execution
LOWEST, HIGHEST, STEPS = 1e-5, 1.0, 100  # of the range test
SMOOTHING = 0.9  # of its loss, over steps
DIVERGED = 4.0  # times the lowest loss ends it


class PhaseTraining:
    """What `fit` needs for a phase, which sets what is trained.

    Attributes:
        suffix: the model that is trained, from features to probabilities.
        steps: how many batches an epoch has.
    """

    def __init__(
        self, phase: Phase, features: Features, settings: Settings, anchors: dict[str, np.ndarray]
    ):
        self.phase = phase
        self.features = features
        self.settings = settings
        self.anchors = anchors
        self.plan = features.plan
        set_trainable(features.model, self.plan, features.units, phase)
        self.depth = phase.trainable_from - 1
        self.suffix = features.cut(self.depth)[1]
        self.inputs = fitted_inputs(features.images, settings, kept=features.kept(self.depth))
        self.arrays = features.fetch(self.depth, self.inputs)
        self.steps = batch_count(self.inputs["train"].images, settings.batch_size)

    def training(self, epochs: range) -> tf.data.Dataset:
        """The training batches of some epochs."""
        given, task = self.inputs["train"], self.features.images.listing.task
        weights = given.weights * class_weights(given.labels, self.settings.class_weight, task)
        return training_batches(
            *(self.arrays["train"], given, given.targets(self.plan.head.labels), weights),
            *(self.settings.batch_size, self.settings.seed, epochs),
        )

    def validation(self) -> tf.data.Dataset | None:
        """The validation images once; None where they are not looked at after each epoch."""
        given = self.inputs["validation"]
        if given.images == 0 or self.settings.keep != "best":
            return None
        targets = given.targets(self.plan.head.labels)
        return evaluation_batches(self.arrays["validation"], targets, self.settings.batch_size)

    @property
    def steps_per_execution(self) -> int:
        """How many steps Keras may take before it comes back to Python: a divisor of an epoch's.

        For small suffixes coming back is a third of the time.
        """
        if self.settings.callbacks:  # which may look at each step
            return 1
        return max(n for n in range(1, MOST_STEPS + 1) if self.steps % n == 0)

    def compile(self, rate: float | LearningRateSchedule, steps_per_execution: int = 1) -> None:
        """Give the suffix a new optimizer, already built, or the one that it had as it began."""
        settings, features, head = self.settings, self.features, self.plan.head
        config = tuple(rate.get_config().values()) if isinstance(rate, Schedule) else rate
        purpose = (config, steps_per_execution)
        if features.optimizers and features.optimizers.get(self.depth, (None,))[0] == purpose:
            assign(self.suffix.optimizer.variables, features.optimizers[self.depth][1])
            return
        optimizer = make_optimizer(
            settings.optimizer,
            rate,
            variable_multipliers(features.model, self.plan, features.units),
            settings.weight_decay,
            self.anchors,
            self.plan.l2_sp,
            scale_loss=settings.precision == "mixed_float16",
        )
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
        if features.optimizers is not None:
            features.optimizers[self.depth] = (purpose, values_of(optimizer.variables))

    def rate(self, peak: float, before: int) -> float | LearningRateSchedule:
        """The learning rate; `before` epochs of earlier phases lie behind."""
        settings = self.settings
        if settings.plateau:
            return peak
        if settings.schedule_over == "run":
            epochs, first = sum(phase.epochs for phase in self.plan.phases), self.steps * before
        else:
            epochs, first = self.phase.epochs, 0
        for given in (settings.learning_rate, settings.schedule):
            if isinstance(given, LearningRateSchedule):
                return Later(given, first)
        shape = settings.schedule or "cosine"
        return Schedule(peak, self.steps * epochs, shape, settings.warmup, first)

    def find_rate(self) -> tuple[np.ndarray, np.ndarray, float]:
        """The learning-rate range test (Smith 2017).

        The suffix is trained with a rate that rises geometrically, until its loss is far above the
        lowest one; then it has its weights again.

        Returns:
            rates tried, smoothed losses at these, and a tenth of the rate at which the loss is
            lowest.
        """
        before, growth = values_of(self.suffix.variables), HIGHEST / LOWEST
        self.compile(keras.optimizers.schedules.ExponentialDecay(LOWEST, STEPS - 1, growth))
        rates, losses, average = [], [], 0.0
        batches = self.training(range(batch_count(STEPS, self.steps))).take(STEPS)
        for step, (rows, targets, weights) in enumerate(batches):
            self.suffix.reset_metrics()
            logs = self.suffix.train_on_batch(rows, targets, weights, return_dict=True)
            average = SMOOTHING * average + (1 - SMOOTHING) * float(logs["loss"])
            smooth = average / (1 - SMOOTHING ** (step + 1))
            if not np.isfinite(smooth) or (losses and smooth > DIVERGED * min(losses)):
                break
            rates.append(LOWEST * growth ** (step / (STEPS - 1)))
            losses.append(smooth)
        assign(self.suffix.variables, before)
        if not losses:
            return np.array([LOWEST]), np.array([np.nan]), LOWEST
        return np.array(rates), np.array(losses), float(rates[int(np.argmin(losses))] / 10)


def _anew(metric: str | keras.metrics.Metric) -> str | keras.metrics.Metric:
    """A metric of the same configuration that has seen nothing."""
    if not isinstance(metric, keras.metrics.Metric):
        return metric
    return type(metric).from_config(metric.get_config())
