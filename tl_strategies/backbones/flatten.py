"""Any network as one flat functional model: nested models opened, each layer used once, float32."""

import collections
import itertools
from typing import Any

import keras

from tl_strategies.backbones.surgery import assign_weights, clone_layer, leaves

OTHER_FLOATS = ("float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16")


def flatten(model: keras.Model, image: keras.KerasTensor | None = None) -> keras.Model:
    """A copy without models and augmentation inside it, which shares nothing with the model.

    Opened are models in models, and layers that only call layers, several of one kind one after the
    other, such as a transformer's encoder. What has weights of its own, or does something else than
    call its layers, stays closed: it cannot be cut, and is one unit. A layer without weights that
    is used several times is there as often, each time under a name of its own. The model must have
    one input, in the place of which the copy may read `image`, and one output.
    """
    flat = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    closed: set[int] = set()
    while any(_opens(layer, closed) or _vanishes(layer) for layer in flat.operations):
        names = {operation.name for operation in flat.operations}

        def call(layer, *args, names=names, **kwargs):
            if _vanishes(layer):
                return args[0]
            if not _opens(layer, closed):
                return layer(*args, **kwargs)
            _rename(layer, _inside(layer), names)
            try:
                outputs = layer.call(*args)
            except Exception:  # of its author's code, which was not made for symbolic tensors
                closed.add(id(layer))
                return layer(*args, **kwargs)
            _rename(layer, _bare_operations(outputs, args), names)
            return outputs

        flat = keras.models.clone_model(
            flat, clone_function=lambda layer: layer, call_function=call
        )
    return _copied(flat, image)


def _vanishes(operation: keras.Operation) -> bool:
    """Is it augmentation, which belongs to the images, or a conversion that changes nothing?"""
    kind = type(operation).__name__
    augments = kind.startswith("Random") and not getattr(operation, "trainable_weights", [])
    return kind == "ConvertToTensor" or augments


def _opens(layer: keras.Operation, closed: set[int]) -> bool:
    if id(layer) in closed or not isinstance(layer, keras.layers.Layer):
        return False
    if isinstance(layer, keras.Model):
        return hasattr(layer, "operations") or isinstance(layer, keras.Sequential)
    if layer._trainable_variables or layer._non_trainable_variables:
        return False
    kinds = collections.Counter(type(part) for part in _inside(layer) if part._layers)
    return max(kinds.values(), default=0) > 1


def _inside(layer: keras.layers.Layer) -> list[keras.Operation]:
    parts = getattr(layer, "operations", None)
    parts = parts or layer._flatten_layers(include_self=False, recursive=False)
    return [part for part in parts if not isinstance(part, keras.layers.InputLayer)]


def _bare_operations(outputs, sources) -> list[keras.Operation]:
    """The operations without a layer that were called on the way from sources to outputs."""
    seen = set(map(id, keras.tree.flatten(sources)))
    found, waiting = [], keras.tree.flatten(outputs)
    while waiting:
        tensor = waiting.pop()
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        operation, index, _ = tensor._keras_history
        waiting += operation._inbound_nodes[index].input_tensors
        if not isinstance(operation, keras.layers.Layer) and operation not in found:
            found.append(operation)
    return found


def _rename(layer: keras.layers.Layer, parts: list[keras.Operation], names: set[str]) -> None:
    """Give what comes out of a layer names that are still free."""
    for part in parts:
        _name(part, f"{layer.name}_{part.name}" if part.name in names else part.name, names)


def _name(operation: keras.Operation, name: str, names: set[str]) -> None:
    """Name it so, or with the first number at the end that makes it a new name."""
    numbered = (f"{name}_{number}" for number in itertools.count(2))
    operation.name = next(one for one in itertools.chain([name], numbered) if one not in names)
    names.add(operation.name)


def _copied(flat: keras.Model, image: keras.KerasTensor | None) -> keras.Model:
    """The same layers and weights anew; a layer without weights as often as it is used."""
    names = {operation.name for operation in flat.operations}
    called: set[int] = set()

    def clone(operation):
        changes = _any_batch(operation)
        copy = clone_layer(operation, lambda config: _float32(config) | changes)
        for leaf in leaves(copy) if isinstance(copy, keras.layers.Layer) else ():
            if leaf.compute_dtype in OTHER_FLOATS:  # whatever its code says; it is not yet built
                leaf.dtype_policy = "float32"
        return copy

    def call(operation, *args, **kwargs):
        if id(operation) in called and not getattr(operation, "weights", []):
            operation = clone_layer(operation)
            _name(operation, operation.name, names)
        called.add(id(operation))
        return operation(*args, **kwargs)

    copy = keras.models.clone_model(
        flat, input_tensors=image, clone_function=clone, call_function=call
    )
    assign_weights(copy, flat.get_weights())
    return copy


def _any_batch(operation: keras.Operation) -> dict[str, tuple]:
    """What to change in a bare reshape that was traced for batches of one size."""
    shape = getattr(operation, "newshape", None)
    if shape is None or isinstance(operation, keras.layers.Layer):
        return {}
    source, target = operation.input.shape, operation.output.shape
    if source[0] is None or source[0] != target[0] or None in target[1:]:
        return {}
    return {"newshape": (-1, *target[1:])}


def _float32(config: Any) -> Any:
    """A layer's configuration and those of layers inside it, with float32 for other floats."""
    if isinstance(config, list | tuple):
        return (list if isinstance(config, list) else tuple)(map(_float32, config))
    if not isinstance(config, dict):
        return config
    if "DTypePolicy" in str(config.get("class_name")):
        return keras.dtype_policies.serialize(keras.DTypePolicy("float32"))
    return {
        key: "float32" if key == "dtype" and value in OTHER_FLOATS else _float32(value)
        for key, value in config.items()
    }
