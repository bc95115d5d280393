"""A strategy without the engine: compiled Keras models for `model.fit`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import keras

from tl_strategies.backbones.units import find_units
from tl_strategies.errors import UsageError
from tl_strategies.plans.model import (
    build_model,
    pretrained_values,
    set_trainable,
    variable_multipliers,
)
from tl_strategies.plans.optimizers import carry_state, make_optimizer
from tl_strategies.plans.plan import Phase
from tl_strategies.plans.schedules import Schedule
from tl_strategies.task import Task

if TYPE_CHECKING:
    from tl_strategies.strategies.base import Strategy


def adapt(
    strategy: "Strategy",
    backbone: keras.Model,
    task: Task,
    *,
    steps: int = 1000,
    phase: int | None = None,
    optimizer: str | keras.optimizers.Optimizer = "adam",
    learning_rate: float = 1e-3,
    schedule: str = "cosine",
    warmup: float = 0.1,
    weight_decay: float = 0.0,
) -> keras.Model:
    """A compiled copy of a backbone with a new head, as the strategy's plan for it says.

    Args:
        strategy: what is trained, and how.
        backbone: a flat functional model from images to features.
        task: the labels.
        steps: how many training steps the schedule lasts.
        phase: which of the plan's phases, from 0, the `trainable` flags are set for; None where
            there is one.
        optimizer, learning_rate, schedule, warmup, weight_decay: as the flags of `tl-run`.

    Returns:
        A model from images to label probabilities of shape (batch, labels), whose loss takes label
        indices of shape (batch,); of a multilabel task 0 and 1, of shape (batch, labels).

    Raises:
        UsageError: the plan has several phases and none is named, or has none, or the backbone is
            no functional model.
    """
    adapted = _Adapted(strategy, backbone, task, epochs=10)
    count = len(adapted.plan.phases)
    if phase is None and count > 1:
        raise UsageError(
            f"phase must be from 0 to {count - 1} for {strategy!r}, which has {count} phases. "
            "Received: none. To train them one after the other: for model, epochs in "
            "tl.phases(strategy, backbone, task): model.fit(…, epochs=epochs)."
        )
    rate = Schedule(learning_rate, steps, schedule, warmup)
    return adapted.compiled(adapted.plan.phases[phase or 0], optimizer, rate, weight_decay)


def phases(
    strategy: "Strategy",
    backbone: keras.Model,
    task: Task,
    *,
    epochs: int = 10,
    steps_per_epoch: int = 100,
    optimizer: str | keras.optimizers.Optimizer = "adam",
    learning_rate: float = 1e-3,
    schedule: str = "cosine",
    warmup: float = 0.1,
    weight_decay: float = 0.0,
) -> Iterator[tuple[keras.Model, int]]:
    """The phases of a strategy, each ready for the next `fit` of the same model.

    One schedule lasts for all of them, and optimizers keep the state of what they trained before:

        for model, epochs in tl.phases(tl.get_strategy("lp_ft")(), backbone, task, epochs=8):
            model.fit(images, labels, epochs=epochs)

    Args:
        strategy, backbone, task: as `adapt` has them.
        epochs: of all phases.
        steps_per_epoch: how many training steps each epoch has.
        optimizer, learning_rate, schedule, warmup, weight_decay: as the flags of `tl-run`.

    Yields:
        The model, compiled anew for a phase, and how many epochs the phase lasts.

    Raises:
        UsageError: see `adapt`.
    """
    adapted = _Adapted(strategy, backbone, task, epochs)
    steps, before = epochs * steps_per_epoch, 0
    for phase in adapted.plan.phases:
        earlier = adapted.model.optimizer if before else None
        rate = Schedule(learning_rate, steps, schedule, warmup, before * steps_per_epoch)
        model = adapted.compiled(phase, optimizer, rate, weight_decay)
        if earlier is not None:
            carry_state(earlier, model.optimizer)
        before += phase.epochs
        yield model, phase.epochs


class _Adapted:
    """The model of a plan, and the values that L2-SP draws to."""

    def __init__(self, strategy: "Strategy", backbone: keras.Model, task: Task, epochs: int):
        if isinstance(backbone, keras.Sequential):
            raise UsageError(
                f"The backbone must be a functional model. Received: {backbone.name}, which is "
                "Sequential. Make it one: keras.Model(model.inputs, model.outputs)."
            )
        self.units = find_units(backbone)
        self.plan = strategy.plan(self.units, task, backbone.name, epochs)
        if not self.plan.phases:
            raise UsageError(
                f"The strategy must train its head by gradient descent. Received: {strategy!r}, "
                "which fits a linear classifier on stored codes. Use tl.fit, or the strategy head."
            )
        self.model = build_model(self.plan, backbone, self.units)
        self.anchors = pretrained_values(self.model, self.plan, self.units)

    def compiled(self, phase: Phase, optimizer, rate: Schedule, weight_decay: float) -> keras.Model:
        """The model, compiled anew for a phase."""
        model, plan = self.model, self.plan
        set_trainable(model, plan, self.units, phase)
        multipliers = variable_multipliers(model, plan, self.units)
        several = plan.head.multilabel
        model.compile(
            make_optimizer(optimizer, rate, multipliers, weight_decay, self.anchors, plan.l2_sp),
            loss="binary_crossentropy" if several else "sparse_categorical_crossentropy",
            metrics=["binary_accuracy" if several else "accuracy"],
        )
        model.optimizer.build(model.trainable_variables)  # its constants must not be traced
        return model
