"""Learning-rate schedules: pure functions of progress, from 0 at the start of a run to 1."""

import keras
from keras import ops


def _constant(progress):
    return ops.ones_like(progress)


def _cosine(progress):
    return (1 + ops.cos(progress * 3.141592653589793)) / 2


SHAPES = {"constant": _constant, "cosine": _cosine}


@keras.saving.register_keras_serializable("tl_strategies")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A linear warm-up from 0, then a shape over what remains.

    Args:
        peak: the highest learning rate.
        steps: how many steps the run has.
        shape: a key of SHAPES.
        warmup: the part of the run, from 0 to below 1, over which the rate rises.
        first_step: the step of the run at which the optimizer that counts the steps is new.
    """

    def __init__(
        self,
        peak: float,
        steps: int,
        shape: str = "cosine",
        warmup: float = 0.0,
        first_step: int = 0,
    ):
        self.peak = peak
        self.steps = steps
        self.shape = shape
        self.warmup = warmup
        self.first_step = first_step

    def __call__(self, step):
        progress = ops.minimum((ops.cast(step, "float32") + self.first_step) / self.steps, 1.0)
        remaining = ops.maximum(progress - self.warmup, 0.0) / (1 - self.warmup)
        factor = SHAPES[self.shape](remaining)
        if self.warmup:
            # The first step must move: it is taken at the end of its stretch of the warm-up.
            rise = (progress + 1 / self.steps) / self.warmup
            factor = ops.where(progress < self.warmup, ops.minimum(rise, 1.0), factor)
        return self.peak * factor

    def get_config(self) -> dict:
        return {
            "peak": self.peak,
            "steps": self.steps,
            "shape": self.shape,
            "warmup": self.warmup,
            "first_step": self.first_step,
        }
