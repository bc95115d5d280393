"""Learning-rate schedules: pure functions of progress, from 0 at the start of a run to 1."""

import math

import keras
from keras import ops

from tl_strategies.plans.choices import DEFAULT_WARMUP


def _cosine(progress):
    return (1 + ops.cos(progress * math.pi)) / 2


def _step(progress):
    """A tenth after a half, a hundredth after three quarters (He et al. 2016)."""
    return ops.where(progress < 0.5, 1.0, ops.where(progress < 0.75, 0.1, 0.01))


def _exponential(progress):
    """Evenly down to a hundredth."""
    return ops.exp(-math.log(100) * progress)


def _linear_rise(progress):
    return progress


def _cosine_rise(progress):
    """From a 25th, as one_cycle does (Smith and Topin 2019)."""
    return 1 / 25 + (1 - 1 / 25) * (1 - ops.cos(progress * math.pi)) / 2


SHAPES = {  # the rise over the warm-up, and the fall over what remains
    "constant": (_linear_rise, ops.ones_like),
    "cosine": (_linear_rise, _cosine),
    "step": (_linear_rise, _step),
    "one_cycle": (_cosine_rise, _cosine),
    "exponential": (_linear_rise, _exponential),
}


@keras.saving.register_keras_serializable("tl_strategies")
class Later(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule of Keras, from the step on at which the optimizer that counts steps is new."""

    def __init__(
        self, schedule: keras.optimizers.schedules.LearningRateSchedule | dict, first_step: int
    ):
        if isinstance(schedule, dict):
            schedule = keras.saving.deserialize_keras_object(schedule)
        self.schedule = schedule
        self.first_step = first_step

    def __call__(self, step):
        return self.schedule(ops.cast(step, "float32") + self.first_step)

    def get_config(self) -> dict:
        schedule = keras.saving.serialize_keras_object(self.schedule)
        return {"schedule": schedule, "first_step": self.first_step}


@keras.saving.register_keras_serializable("tl_strategies")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A warm-up, then a shape over what remains.

    Args:
        peak: the highest learning rate.
        steps: how many steps the schedule lasts.
        shape: a key of SHAPES.
        warmup: the part of it, below 1, over which the rate rises; None for the shape's own.
        first_step: the step of the schedule at which the optimizer that counts the steps is new.
    """

    def __init__(
        self,
        peak: float,
        steps: int,
        shape: str = "cosine",
        warmup: float | None = 0.0,
        first_step: int = 0,
    ):
        self.peak = peak
        self.steps = steps
        self.shape = shape
        self.warmup = DEFAULT_WARMUP[shape] if warmup is None else warmup
        self.first_step = first_step

    def __call__(self, step):
        rise, fall = SHAPES[self.shape]
        progress = ops.minimum((ops.cast(step, "float32") + self.first_step) / self.steps, 1.0)
        factor = fall(ops.maximum(progress - self.warmup, 0.0) / (1 - self.warmup))
        if self.warmup:
            # The first step must move: it is taken at the end of its stretch of the warm-up.
            risen = ops.minimum((progress + 1 / self.steps) / self.warmup, 1.0)
            factor = ops.where(progress < self.warmup, rise(risen), factor)
        return self.peak * factor

    def get_config(self) -> dict:
        names = ("peak", "steps", "shape", "warmup", "first_step")
        return {name: getattr(self, name) for name in names}
