"""Any network as one flat functional model: nested models opened, each layer used once, float32."""

import collections

import keras

from tl_strategies.backbones.precision import compute_in_float32, float32_config
from tl_strategies.backbones.surgery import assign_weights, clone_layer


def flatten(model: keras.Model, image: keras.KerasTensor | None = None) -> keras.Model:
    """A copy without models and augmentation inside it, which shares nothing with the model.

    Opened are models in models, and layers that only call layers, several of one kind one after the
    other, such as a transformer's encoder. What has weights of its own, or does something else than
    call its layers, stays closed: it cannot be cut, and is one unit. A layer without weights that
    is used several times is there as often, each time under a name of its own.

    Args:
        model: a functional or sequential model with one input and one output.
        image: what the copy reads in the place of the model's input; by default the same.
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

        flat = keras.models.clone_model(flat, clone_function=_same, call_function=call)
    return _copied(flat, image)


def _same(layer: keras.layers.Layer) -> keras.layers.Layer:
    return layer


def _vanishes(operation: keras.Operation) -> bool:
    """Is it augmentation, which belongs to the images, or a conversion that changes nothing?"""
    kind = type(operation).__name__
    return kind == "ConvertToTensor" or (
        kind.startswith("Random") and not getattr(operation, "trainable_weights", [])
    )


def _opens(layer: keras.layers.Layer, closed: set[int]) -> bool:
    if id(layer) in closed or not isinstance(layer, keras.layers.Layer):
        return False
    if isinstance(layer, keras.Model):
        return hasattr(layer, "operations") or isinstance(layer, keras.Sequential)
    if layer._trainable_variables or layer._non_trainable_variables:
        return False
    inner = layer._flatten_layers(include_self=False, recursive=False)
    kinds = collections.Counter(type(part) for part in inner if part._layers)
    return max(kinds.values(), default=0) > 1


def _inside(layer: keras.layers.Layer) -> list[keras.Operation]:
    inner = getattr(layer, "operations", None) or layer._flatten_layers(
        include_self=False, recursive=False
    )
    return [part for part in inner if not isinstance(part, keras.layers.InputLayer)]


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
        if part.name in names:
            part.name = _free(f"{layer.name}_{part.name}", names)
        names.add(part.name)


def _free(name: str, names: set[str]) -> str:
    """The name, or with the first number at its end that makes it a new one."""
    if name not in names:
        return name
    number = 2
    while f"{name}_{number}" in names:
        number += 1
    return f"{name}_{number}"


def _copied(flat: keras.Model, image: keras.KerasTensor | None) -> keras.Model:
    """The same layers and weights anew; a layer without weights as often as it is used."""
    names = {operation.name for operation in flat.operations}
    called: set[int] = set()

    def clone(operation):
        changes = _any_batch(operation)
        copy = clone_layer(operation, lambda config: float32_config(config) | changes)
        if isinstance(copy, keras.layers.Layer):
            compute_in_float32(copy)
        return copy

    def call(operation, *args, **kwargs):
        if id(operation) in called and not getattr(operation, "weights", []):
            operation = clone_layer(operation)
            operation.name = _free(operation.name, names)
            names.add(operation.name)
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
