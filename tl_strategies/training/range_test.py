"""`--learning_rate auto`: the learning-rate range test (Smith 2017)."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

LOWEST, HIGHEST, STEPS = 1e-5, 1.0, 100
SMOOTHING = 0.9  # of the loss, over steps
DIVERGED = 4.0  # times the lowest loss ends the test


def range_test(
    suffix: keras.Model,
    compile_with: Callable[[keras.optimizers.schedules.LearningRateSchedule], None],
    batches: tf.data.Dataset,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Train with a rate that rises geometrically, and see where the loss stops to fall.

    Args:
        suffix: is trained, and then given back its weights.
        compile_with: compiles the suffix for a schedule.
        batches: at least STEPS of them.

    Returns:
        rates tried, smoothed losses at these, and a tenth of the rate at which the loss is lowest.
    """
    before = [np.array(variable.numpy()) for variable in suffix.variables]
    growth = HIGHEST / LOWEST
    compile_with(keras.optimizers.schedules.ExponentialDecay(LOWEST, STEPS - 1, growth))
    rates, losses, average = [], [], 0.0
    for step, (images, targets, weights) in enumerate(batches.take(STEPS)):
        suffix.reset_metrics()
        logs = suffix.train_on_batch(images, targets, weights, return_dict=True)
        average = SMOOTHING * average + (1 - SMOOTHING) * float(logs["loss"])
        smooth = average / (1 - SMOOTHING ** (step + 1))
        if not np.isfinite(smooth) or (losses and smooth > DIVERGED * min(losses)):
            break
        rates.append(LOWEST * growth ** (step / (STEPS - 1)))
        losses.append(smooth)
    for variable, value in zip(suffix.variables, before, strict=True):
        variable.assign(value)
    if not losses:
        return np.array([LOWEST]), np.array([np.nan]), LOWEST
    return np.array(rates), np.array(losses), float(rates[int(np.argmin(losses))] / 10)
