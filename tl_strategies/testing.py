"""A contract kit for authors of strategies: `check_strategy(MyStrategy)` in a test of one line.

Needs Keras only, on any backend.
"""

import json

import keras
import numpy as np
from keras import layers

from tl_strategies.backbones.surgery import unit_layers
from tl_strategies.backbones.units import Unit, find_units
from tl_strategies.plans.plan import Plan
from tl_strategies.strategies.adapt import adapt
from tl_strategies.strategies.base import Strategy
from tl_strategies.task import Task

TASK = Task(("cat", "dog", "owl"))
SIZE = 16  # pixels


def tiny_backbone() -> keras.Model:
    """Five units of a few hundred weights: a stem, residual blocks with dropout, a top."""
    inputs = keras.Input((SIZE, SIZE, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="preprocess")(inputs)
    x = layers.Conv2D(6, 3, 2, "same", use_bias=False, name="stem_conv")(x)
    x = layers.BatchNormalization(momentum=0.9, name="stem_bn")(x)
    x = layers.ReLU(name="stem_relu")(x)
    for block in "abc":
        y = layers.Conv2D(6, 3, padding="same", use_bias=False, name=f"block1{block}_conv")(x)
        y = layers.BatchNormalization(momentum=0.9, name=f"block1{block}_bn")(y)
        y = layers.ReLU(name=f"block1{block}_relu")(y)
        y = layers.Dropout(0.5, name=f"block1{block}_drop")(y)
        x = layers.Add(name=f"block1{block}_add")([x, y])
    x = layers.Conv2D(8, 1, use_bias=False, name="top_conv")(x)
    x = layers.BatchNormalization(momentum=0.9, name="top_bn")(x)
    x = layers.ReLU(name="top_relu")(x)
    return keras.Model(inputs, x, name="tiny")


def tiny_batch(count: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Float images of shape (count, 16, 16, 3) in [0, 255] and their labels, of shape (count,)."""
    images = np.random.default_rng(0).uniform(0, 255, (count, SIZE, SIZE, 3))
    return images.astype("float32"), np.arange(count) % TASK.label_count


def check_strategy(cls: type[Strategy]) -> None:
    """Check all that the engine relies on, at every depth that the strategy takes.

    Args:
        cls: a strategy whose hyper-parameters all have defaults.

    Raises:
        AssertionError: the strategy breaks the contract; the message says where.
    """
    _check_class(cls)
    backbone = tiny_backbone()
    # BatchNormalization that has seen images, so that a change of its statistics shows.
    backbone.compile("sgd", "mse")
    images, _ = tiny_batch()
    backbone.fit(images, np.zeros((len(images), *backbone.output_shape[1:])), verbose=0)
    units = find_units(backbone)
    takes_n = "n" in cls.hyperparameters()
    depths = [None, 1, len(units) - 1, -1, units[1].name] if takes_n else [None]
    for n in depths:
        strategy = cls(n=n) if takes_n else cls()
        _check_plan(strategy, units)
    _check_training(cls(n=2) if takes_n else cls(), backbone, units)


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message)


def _check_class(cls: type[Strategy]) -> None:
    _require(issubclass(cls, Strategy), f"{cls!r} must be a subclass of tl.Strategy")
    _require(bool(cls.name), f"{cls.__name__} must have a name: decorate it with @tl.register")
    _require(bool(cls.description()), f"{cls.name} must have a docstring with a first line")
    strategy = cls()
    config = json.loads(json.dumps(strategy.get_config()))
    _require(cls(**config) == strategy, f"get_config of {cls.name} must round-trip: {config}")
    defaults = cls.hyperparameters()
    _require(
        strategy.get_config() == defaults,
        f"{cls.name} must keep each argument in an attribute of its name, so that get_config can "
        f"round-trip. Received: {strategy.get_config()} from {defaults}",
    )


def _check_plan(strategy: Strategy, units: list[Unit]) -> None:
    plan = strategy.plan(units, TASK, "tiny", epochs=3)
    where = f"{strategy!r}: {plan}"
    _require(Plan.from_json(plan.to_json()) == plan, f"the plan must round-trip: {where}")
    _require(strategy.plan(units, TASK, "tiny", epochs=3) == plan, f"plans must repeat: {where}")
    _require(plan.head.labels == TASK.label_count, f"the head must have a label each: {where}")
    _require(0 <= plan.n <= len(units), f"n must be a depth: {where}")
    lowest = min([row.depth for row in plan.units if row.trainable], default=len(units) + 1)
    for phase in plan.phases:
        _require(phase.epochs > 0, f"a phase must have epochs: {where}")
        inside = lowest <= phase.trainable_from <= len(units) + 1
        _require(inside, f"trainable_from must be from {lowest} to {len(units) + 1}: {where}")
    if plan.phases:
        reached = min(phase.trainable_from for phase in plan.phases)
        _require(reached == lowest, f"some phase must train the lowest trainable unit: {where}")


def _check_training(strategy: Strategy, backbone: keras.Model, units: list[Unit]) -> None:
    """Take one step in the last phase, and compare weights unit by unit."""
    before = backbone.get_weights()
    plan = strategy.plan(units, TASK, "tiny")
    if not plan.phases:  # its head is fitted on stored codes
        return
    last = len(plan.phases) - 1
    model = adapt(strategy, backbone, TASK, optimizer="sgd", learning_rate=0.1, phase=last)
    start = {weight.path: _value(weight) for weight in model.weights}
    model.fit(*tiny_batch(), epochs=1, batch_size=12, verbose=0)
    for old, new in zip(before, backbone.get_weights(), strict=True):
        _require(np.array_equal(old, new), "adapt must leave the backbone as it was")
    for row, unit in zip(plan.units, units, strict=False):
        active = row.depth >= plan.phases[last].trainable_from
        trained = row.trainable and active
        source = {weight.path: _value(weight) for weight in _unit_weights(backbone, unit)}
        for weight in _unit_weights(model, unit):
            kernel = len(weight.shape) > 1
            where = f"{weight.path} of unit {unit.depth} ({strategy!r})"
            same = np.array_equal(start[weight.path], source[weight.path])
            if row.weights == "pretrained":
                _require(same, f"a pretrained weight must start as it was: {where}")
            elif kernel:
                _require(not same, f"a fresh weight must differ from the pretrained: {where}")
            still = np.array_equal(start[weight.path], _value(weight))
            if not trained or (row.bn == "frozen" and not kernel):
                _require(still, f"a frozen weight must not move: {where}")
            elif kernel:
                _require(not still, f"a trainable weight must move: {where}")
    moved = [not np.array_equal(start[w.path], _value(w)) for w in model.layers[-1].weights]
    _require(all(moved), f"the classifier must move ({strategy!r})")


def _value(weight) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(weight))


def _unit_weights(model: keras.Model, unit: Unit) -> list:
    return [weight for layer in unit_layers(model, unit) for weight in layer.weights]
