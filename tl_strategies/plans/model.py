"""From a plan to a Keras model: the units and the head; which weights are trained in a phase."""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence

import keras
from keras import layers

from tl_strategies.backbones.surgery import copy_model, leaves, reinitialize, unit_layers
from tl_strategies.backbones.units import Unit, unit_output
from tl_strategies.environment import plain_keras
from tl_strategies.plans.heads import CODES, given_head, make_head
from tl_strategies.plans.plan import Phase, Plan, UnitPlan

# Of the moving statistics of fresh units. At 0.99, the value of most networks, a few hundred steps
# leave them near where they began, and a network that has learnt predicts at chance.
FRESH_MOMENTUM = 0.9
EXACT = (CODES, "head_unit_length", "head_softmax", "head_sigmoid")  # always float32


@plain_keras()
def build_model(
    plan: Plan, backbone: keras.Model, units: list[Unit], head: Callable | None = None
) -> keras.Model:
    """One flat model from images to probabilities, of shape (batch, labels).

    The backbone is copied, not touched. Fresh units and the head are initialised anew; a head that
    is given makes the probabilities from the tensor of features, in place of the plan's.

    Raises:
        UsageError: what that head makes are none.
    """
    copy = copy_model(backbone)
    for row, unit in zip(plan.units, units, strict=False):
        for layer in unit_layers(copy, unit) if row.weights == "fresh" else ():
            reinitialize(layer)
            if isinstance(layer, layers.BatchNormalization):
                layer.momentum = min(layer.momentum, FRESH_MOMENTUM)
    depths = plan.head.units or (len(plan.units),)
    features = [unit_output(copy, units[depth - 1]) for depth in depths]
    if head is None:
        outputs = make_head(plan.head, features)
    else:
        outputs = given_head(head, plan.head, features[-1])
    name = re.sub(r"[^\w.-]", "_", plan.strategy).strip("_")  # not of all may Keras name a model
    return keras.Model(copy.inputs[0], outputs, name=name)


def depth_tensor(
    model: keras.Model, plan: Plan, units: list[Unit], depth: int
) -> keras.KerasTensor | None:
    """Where the model is cut when the first `depth` units are frozen; None for the images.

    When all are, the frozen part goes on through the head's pooling, to the CNN codes.
    """
    pooling = [layer.output for layer in model.layers if layer.name == CODES]
    if depth == 0:
        return None
    if depth >= len(plan.units) and pooling:
        return pooling[0]
    return unit_output(model, units[min(depth, len(plan.units)) - 1])


def head_layers(model: keras.Model, units: list[Unit]) -> list[keras.layers.Layer]:
    """The layers that belong to no unit."""
    named = {name for unit in units for name in unit.layers}
    return leaves(*(layer for layer in model.layers if layer.name not in named))


def set_trainable(model: keras.Model, plan: Plan, units: list[Unit], phase: Phase | None) -> None:
    """Set `trainable` on every leaf layer as the plan says for a phase; None freezes all units.

    A frozen unit also drops nothing out: it runs as in inference. Compile with a new optimizer
    afterwards.
    """
    model.trainable = True
    expected = {id(w) for leaf in head_layers(model, units) for w in leaf.trainable_weights}
    for row, unit in zip(plan.units, units, strict=False):
        active = row.trainable and phase is not None and unit.depth >= phase.trainable_from
        for leaf in unit_layers(model, unit):
            is_bn = isinstance(leaf, layers.BatchNormalization)
            leaf.trainable = active and (row.bn == "train" or not is_bn)
            _set_dropout(leaf, active)
            if leaf.trainable:  # as planned, not as Keras has set it
                expected |= {id(w) for w in leaf._trainable_variables}
    actual = {id(w) for w in model.trainable_weights}
    if actual != expected:
        wrong = [w.path for w in model.weights if (id(w) in actual) != (id(w) in expected)]
        raise RuntimeError(f"`trainable` did not take effect on {', '.join(wrong)}.")


@contextlib.contextmanager
def following_batches(chosen: Sequence[layers.BatchNormalization]) -> Iterator[None]:
    """Meanwhile statistics of frozen layers after a step in training mode are its batch's."""
    momenta = [leaf.momentum for leaf in chosen]
    for leaf in chosen:
        leaf.trainable, leaf.momentum = True, 0.0
    try:
        yield
    finally:
        for leaf, momentum in zip(chosen, momenta, strict=True):
            leaf.trainable, leaf.momentum = False, momentum


def set_precision(model: keras.Model, precision: str) -> None:
    """Set the dtype policy of layers, but for those that prepare images or make probabilities.

    Variables stay float32.
    """
    for leaf in leaves(*model.layers[:-1]):  # the last one makes the probabilities
        prepares = isinstance(leaf, (layers.Normalization, layers.Rescaling))
        if not prepares and not leaf.name.startswith(EXACT):
            leaf.dtype_policy = precision


def _set_dropout(leaf: keras.layers.Layer, active: bool) -> None:
    if hasattr(leaf, "seed_generator") and hasattr(leaf, "rate"):
        if not hasattr(leaf, "rate_when_trained"):
            leaf.rate_when_trained = leaf.rate
        leaf.rate = leaf.rate_when_trained if active else 0.0


def plain_model(model: keras.Model) -> keras.Model:
    """The same layers as a float32 model, never compiled, in which nothing is frozen."""
    plain = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    plain.trainable = True
    set_precision(plain, "float32")
    for leaf in leaves(*plain.layers):
        _set_dropout(leaf, True)
    return plain


def pretrained_values(model: keras.Model, plan: Plan, units: list[Unit]) -> dict:
    """Values by variable path of the pretrained weights that are trained, to which L2-SP draws.

    Call it before training. Empty where the plan has no L2-SP.
    """
    return {
        weight.path: keras.ops.convert_to_numpy(weight).copy()  # training writes to the original
        for row, weight in _trained_weights(model, plan, units)
        if plan.l2_sp and row.weights == "pretrained"
    }


def variable_multipliers(model: keras.Model, plan: Plan, units: list[Unit]) -> dict[str, float]:
    """Learning-rate multiplier by variable path, for the trainable units."""
    trained = _trained_weights(model, plan, units)
    return {weight.path: row.learning_rate_multiplier for row, weight in trained}


def _trained_weights(
    model: keras.Model, plan: Plan, units: list[Unit]
) -> Iterator[tuple[UnitPlan, keras.Variable]]:
    for row, unit in zip(plan.units, units, strict=False):
        if row.trainable:
            for leaf in unit_layers(model, unit):
                yield from ((row, weight) for weight in leaf.weights)
