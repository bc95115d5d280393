"""From a plan to a Keras model: the units and the head; which weights are trained in a phase."""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence

import keras
from keras import layers, ops

from tl_strategies.backbones.surgery import copy_model, leaves, reinitialize, unit_layers
from tl_strategies.backbones.units import Unit, unit_output
from tl_strategies.environment import plain_keras
from tl_strategies.errors import UsageError
from tl_strategies.plans.plan import Head, Phase, Plan, UnitPlan

# Of the moving statistics of fresh units. At 0.99, the value of most networks, a few hundred steps
# leave them near where they began, and a network that has learnt predicts at chance.
FRESH_MOMENTUM = 0.9
EXACT = ("head_pool", "head_unit_length", "head_softmax", "head_sigmoid")  # always float32


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
    features = unit_output(copy, units[len(plan.units) - 1])
    outputs = _head(plan.head, features) if head is None else _given_head(head, plan, features)
    name = re.sub(r"[^\w.-]", "_", plan.strategy).strip("_")  # not of all may Keras name a model
    return keras.Model(copy.inputs[0], outputs, name=name)


def _given_head(head: Callable, plan: Plan, features: keras.KerasTensor) -> keras.KerasTensor:
    what = f"probabilities of shape (batch, {plan.head.labels})"
    try:
        outputs = head(features)
        shape = tuple(outputs.shape)
    except Exception as error:  # of a user's code
        raise UsageError(
            f"head must make {what} from features of shape {tuple(features.shape)}. Received: "
            f"{type(error).__name__}: {error}"
        ) from error
    if shape != (None, plan.head.labels):
        raise UsageError(f"head must make {what}. Received: a tensor of shape {shape}.")
    zeros = ops.zeros((1, *features.shape[1:]))
    values = ops.convert_to_numpy(keras.Model(features, outputs)(zeros, training=False))[0]
    sums_to_one = plan.head.multilabel or abs(values.sum() - 1) < 1e-3
    if not (sums_to_one and (values >= 0).all() and (values <= 1).all()):
        raise UsageError(
            f"head must make {what}. Received: {values.tolist()[:10]}. End it in a Dense layer "
            f"with activation={'sigmoid' if plan.head.multilabel else 'softmax'!r}."
        )
    return outputs


def _head(head: Head, x):
    if len(x.shape) > 2:
        pooling = {3: layers.GlobalAveragePooling1D, 4: layers.GlobalAveragePooling2D}[len(x.shape)]
        x = pooling(name="head_pool", dtype="float32")(x)
    if head.unit_length:
        x = layers.UnitNormalization(name="head_unit_length", dtype="float32")(x)
    for number, size in enumerate(head.hidden, 1):
        if head.dropout:
            x = layers.Dropout(head.dropout, name=f"head_dropout{number}")(x)
        name = f"head_dense{number}"
        x = layers.Dense(size, "relu", kernel_initializer="he_normal", name=name)(x)
    if head.dropout:
        x = layers.Dropout(head.dropout, name="head_dropout")(x)
    activation = "sigmoid" if head.multilabel else "softmax"
    return layers.Dense(head.labels, activation, dtype="float32", name=f"head_{activation}")(x)


def depth_tensor(
    model: keras.Model, plan: Plan, units: list[Unit], depth: int
) -> keras.KerasTensor | None:
    """Where the model is cut when the first `depth` units are frozen; None for the images.

    When all are, the frozen part goes on through the head's pooling, to the CNN codes.
    """
    pooling = [layer.output for layer in model.layers if layer.name == "head_pool"]
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
        if not prepares and leaf.name not in EXACT:
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
