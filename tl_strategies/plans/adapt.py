"""A strategy without the engine: a compiled Keras model for `model.fit`."""

from typing import TYPE_CHECKING

import keras

from tl_strategies.backbones.units import find_units
from tl_strategies.data.task import Task
from tl_strategies.plans.model import (
    build_model,
    pretrained_values,
    set_trainable,
    variable_multipliers,
)
from tl_strategies.plans.optimizers import make_optimizer
from tl_strategies.plans.schedules import Schedule

if TYPE_CHECKING:
    from tl_strategies.strategies.base import Strategy


def adapt(
    strategy: "Strategy",
    backbone: keras.Model,
    task: Task,
    *,
    steps: int = 1000,
    phase: int = 0,
    optimizer: str = "adam",
    learning_rate: float = 1e-3,
    schedule: str = "cosine",
    warmup: float = 0.1,
    weight_decay: float = 0.0,
) -> keras.Model:
    """A compiled copy of a backbone with a new head, as the strategy's plan for it says.

    Where a strategy fits its classifier on stored codes, as `fixed` does, the model trains the same
    head by gradient descent.

    Args:
        strategy: what is trained, and how.
        backbone: a flat functional model from images to features.
        task: the labels.
        steps: how many training steps the schedule lasts.
        phase: which of the plan's phases, from 0, the `trainable` flags are set for.
        optimizer, learning_rate, schedule, warmup, weight_decay: as the flags of `tl-run`.

    Returns:
        A model from images to label probabilities of shape (batch, labels), whose loss takes label
        indices of shape (batch,); of a multilabel task 0 and 1, of shape (batch, labels).
    """
    units = find_units(backbone)
    plan = strategy.plan(units, task, backbone.name)
    model = build_model(plan, backbone, units)
    set_trainable(model, plan, units, plan.phases[phase] if plan.phases else None)
    model.compile(
        make_optimizer(
            optimizer,
            Schedule(learning_rate, steps, schedule, warmup),
            variable_multipliers(model, plan, units),
            weight_decay,
            pretrained_values(model, plan, units),
            plan.l2_sp,
        ),
        loss="binary_crossentropy" if task.multilabel else "sparse_categorical_crossentropy",
        metrics=["binary_accuracy" if task.multilabel else "accuracy"],
    )
    model.optimizer.build(model.trainable_variables)  # now: its constants must not be traced
    return model
