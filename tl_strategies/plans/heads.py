"""The head as Keras layers: pooling, what is done to the codes, the classifier."""

from collections.abc import Callable, Sequence

import keras
from keras import layers, ops

from tl_strategies.errors import UsageError
from tl_strategies.plans.plan import Head

CODES = "head_pool"  # the layer that ends in the CNN codes
PYRAMID = (1, 2, 4)  # at most so many places along a side have a maximum each (He et al. 2014)

_AVERAGE = {1: layers.GlobalAveragePooling1D, 2: layers.GlobalAveragePooling2D}
_MAX = {1: layers.GlobalMaxPooling1D, 2: layers.GlobalMaxPooling2D}
_WINDOWS = {1: layers.MaxPooling1D, 2: layers.MaxPooling2D}


def make_head(head: Head, outputs: Sequence[keras.KerasTensor]) -> keras.KerasTensor:
    """Probabilities of shape (batch, labels), from the outputs of the units that make the codes."""
    parts = _pooled(head.pooling, outputs)
    x = parts[0]
    if len(parts) > 1:
        x = layers.Concatenate(name=CODES, dtype="float32")(parts)
    if head.power != 1:
        x = ops.sign(x) * ops.power(ops.abs(x), head.power)
    if head.unit_length:
        x = _unit_length(x, [part.shape[-1] for part in parts])
    for number, size in enumerate(head.hidden, 1):
        if head.dropout:
            x = layers.Dropout(head.dropout, name=f"head_dropout{number}")(x)
        name = f"head_dense{number}"
        x = layers.Dense(size, "relu", kernel_initializer="he_normal", name=name)(x)
    if head.dropout:
        x = layers.Dropout(head.dropout, name="head_dropout")(x)
    activation = "sigmoid" if head.multilabel else "softmax"
    return layers.Dense(head.labels, activation, dtype="float32", name=f"head_{activation}")(x)


def _pooled(pooling: str, outputs: Sequence[keras.KerasTensor]) -> list[keras.KerasTensor]:
    """The codes of each unit; those of a single one end in the layer CODES."""
    names = [CODES] if len(outputs) == 1 else [f"{CODES}_{i}" for i in range(1, len(outputs) + 1)]
    return [
        _pool(pooling, tensor, name) if len(tensor.shape) > 2 else tensor
        for tensor, name in zip(outputs, names, strict=True)
    ]


def _pool(pooling: str, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """A vector from what a unit gives at each of its places."""
    places = len(x.shape) - 2

    def together(kinds: Sequence[Callable]) -> keras.KerasTensor:
        return layers.Concatenate(name=name, dtype="float32")([kind(x) for kind in kinds])

    def largest(count: int) -> Callable:
        window = tuple(-(-side // count) for side in x.shape[1:-1])
        pool = _WINDOWS[places](window if places > 1 else window[0], padding="same")
        return lambda tensor: layers.Flatten(dtype="float32")(pool(tensor))

    if pooling == "avg":
        return _AVERAGE[places](name=name, dtype="float32")(x)
    if pooling == "max":
        return _MAX[places](name=name, dtype="float32")(x)
    if pooling == "avgmax":
        return together([kind[places](dtype="float32") for kind in (_AVERAGE, _MAX)])
    if pooling == "pyramid":
        return together([largest(count) for count in PYRAMID])
    return layers.Flatten(name=name, dtype="float32")(x)


def _unit_length(x: keras.KerasTensor, sizes: list[int]) -> keras.KerasTensor:
    """Codes of which each unit's are scaled to unit L2 norm (Evci et al. 2022)."""
    if len(sizes) == 1:
        return layers.UnitNormalization(name="head_unit_length", dtype="float32")(x)
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]
    scaled = [layers.UnitNormalization(dtype="float32")(part) for part in ops.split(x, ends, -1)]
    return layers.Concatenate(name="head_unit_length", dtype="float32")(scaled)


def given_head(head: Callable, plan_head: Head, features: keras.KerasTensor) -> keras.KerasTensor:
    """Probabilities that a user's function makes from the tensor of features.

    Raises:
        UsageError: what it makes are none.
    """
    what = f"probabilities of shape (batch, {plan_head.labels})"
    try:
        outputs = head(features)
        shape = tuple(outputs.shape)
    except Exception as error:  # of a user's code
        raise UsageError(
            f"head must make {what} from features of shape {tuple(features.shape)}. Received: "
            f"{type(error).__name__}: {error}"
        ) from error
    if shape != (None, plan_head.labels):
        raise UsageError(f"head must make {what}. Received: a tensor of shape {shape}.")
    zeros = ops.zeros((1, *features.shape[1:]))
    values = ops.convert_to_numpy(keras.Model(features, outputs)(zeros, training=False))[0]
    sums_to_one = plan_head.multilabel or abs(values.sum() - 1) < 1e-3
    if not (sums_to_one and (values >= 0).all() and (values <= 1).all()):
        raise UsageError(
            f"head must make {what}. Received: {values.tolist()[:10]}. End it in a Dense layer "
            f"with activation={'sigmoid' if plan_head.multilabel else 'softmax'!r}."
        )
    return outputs
