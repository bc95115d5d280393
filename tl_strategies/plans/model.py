"""From a plan to a Keras model: the units and the head; which weights are trained in a phase."""

import keras
from keras import layers

from tl_strategies.backbones.surgery import copy_model, leaves, reinitialize, unit_layers
from tl_strategies.backbones.units import Unit, unit_output
from tl_strategies.environment import plain_keras
from tl_strategies.plans.plan import Head, Phase, Plan

# Of the moving statistics of fresh units. At 0.99, the value of most networks, a few hundred steps
# leave them near where they began, and a network that has learnt predicts at chance.
FRESH_MOMENTUM = 0.9


EXACT = ("head_pool", "head_unit_length", "head_softmax", "head_sigmoid")  # always float32


@plain_keras()
def build_model(plan: Plan, backbone: keras.Model, units: list[Unit]) -> keras.Model:
    """One flat model from images to probabilities, of shape (batch, labels).

    The backbone is copied, not touched. Fresh units and the head are initialised anew.
    """
    copy = copy_model(backbone)
    for row, unit in zip(plan.units, units, strict=False):
        if row.weights == "fresh":
            for layer in unit_layers(copy, unit):
                reinitialize(layer)
                if isinstance(layer, layers.BatchNormalization):
                    layer.momentum = min(layer.momentum, FRESH_MOMENTUM)
    features = unit_output(copy, units[len(plan.units) - 1])
    return keras.Model(
        copy.inputs[0], _head(plan.head, features), name=plan.strategy.replace(":", "_")
    )


def _head(head: Head, x):
    if len(x.shape) > 2:
        pooling = {3: layers.GlobalAveragePooling1D, 4: layers.GlobalAveragePooling2D}[len(x.shape)]
        x = pooling(name="head_pool", dtype="float32")(x)
    if head.unit_length:
        x = layers.UnitNormalization(name="head_unit_length", dtype="float32")(x)
    for number, size in enumerate(head.hidden, 1):
        if head.dropout:
            x = layers.Dropout(head.dropout, name=f"head_dropout{number}")(x)
        x = layers.Dense(size, "relu", kernel_initializer="he_normal", name=f"head_dense{number}")(
            x
        )
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
    if depth == 0:
        return None
    if depth >= len(plan.units):
        pooling = [layer.output for layer in model.layers if layer.name == "head_pool"]
        if pooling:
            return pooling[0]
    return unit_output(model, units[min(depth, len(plan.units)) - 1])


def head_layers(model: keras.Model, units: list[Unit]) -> list[keras.layers.Layer]:
    """The layers that belong to no unit."""
    named = {name for unit in units for name in unit.layers}
    return [leaf for layer in model.layers if layer.name not in named for leaf in leaves(layer)]


def set_trainable(model: keras.Model, plan: Plan, units: list[Unit], phase: Phase | None) -> None:
    """Set `trainable` on every leaf layer as the plan says for a phase; None freezes all units.

    A frozen unit also drops nothing out: it runs as in inference. Compile with a new optimizer
    afterwards.

    Raises:
        RuntimeError: a weight is not in the state that was set.
    """
    model.trainable = True
    expected = {id(w) for leaf in head_layers(model, units) for w in leaf.trainable_weights}
    for row, unit in zip(plan.units, units, strict=False):
        active = row.trainable and phase is not None and unit.depth >= phase.trainable_from
        for leaf in unit_layers(model, unit):
            is_bn = isinstance(leaf, layers.BatchNormalization)
            leaf.trainable = active and (row.bn == "train" or not is_bn)
            _set_dropout(leaf, active)
        for leaf in unit_layers(model, unit):  # all are set now
            expected |= {id(w) for w in leaf.trainable_weights}
    actual = {id(w) for w in model.trainable_weights}
    if actual != expected:
        wrong = [w.path for w in model.weights if (id(w) in actual) != (id(w) in expected)]
        raise RuntimeError(f"`trainable` did not take effect on {', '.join(wrong)}.")


def set_precision(model: keras.Model, precision: str) -> None:
    """Set what each layer computes in, but for those that prepare images or make probabilities.

    Args:
        model: as `build_model` made it.
        precision: a Keras dtype policy, such as "mixed_float16". Variables stay float32.
    """
    for layer in model.layers:
        for leaf in leaves(layer):
            exact = isinstance(leaf, (layers.Normalization, layers.Rescaling)) or leaf.name in EXACT
            if not exact:
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
    for layer in plain.layers:
        for leaf in leaves(layer):
            _set_dropout(leaf, True)
    return plain


def pretrained_values(model: keras.Model, plan: Plan, units: list[Unit]) -> dict:
    """Values by variable path of the pretrained weights that are trained, to which L2-SP draws.

    Call it before training. Empty where the plan has no L2-SP.
    """
    if not plan.l2_sp:
        return {}
    return {
        weight.path: keras.ops.convert_to_numpy(weight).copy()  # training writes to the original
        for row, unit in zip(plan.units, units, strict=False)
        if row.trainable and row.weights == "pretrained"
        for leaf in unit_layers(model, unit)
        for weight in leaf.weights
    }


def variable_multipliers(model: keras.Model, plan: Plan, units: list[Unit]) -> dict[str, float]:
    """Learning-rate multiplier by variable path, for the trainable units."""
    return {
        weight.path: row.learning_rate_multiplier
        for row, unit in zip(plan.units, units, strict=False)
        if row.trainable
        for leaf in unit_layers(model, unit)
        for weight in leaf.weights
    }
