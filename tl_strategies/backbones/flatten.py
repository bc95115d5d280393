"""Nested models opened: the same layers and weights as one flat functional model."""

import collections

import keras

from tl_strategies.backbones.surgery import copy_model


def flatten(model: keras.Model) -> keras.Model:
    """A copy without models inside it, and without augmentation.

    Opened are models in models, and layers that only call layers, several of one kind one after the
    other, such as a transformer's encoder. What has weights of its own, or does something else than
    call its layers, stays closed: it cannot be cut, and is one unit.

    Args:
        model: a functional or sequential model with one input and one output.
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
            _rename(layer, names)
            try:
                return layer.call(*args)
            except Exception:  # of its author's code, which was not made for symbolic tensors
                closed.add(id(layer))
                return layer(*args, **kwargs)

        flat = keras.models.clone_model(flat, clone_function=_same, call_function=call)
    return copy_model(flat) if flat.layers != model.layers else model


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


def _rename(layer: keras.layers.Layer, names: set[str]) -> None:
    """Give what comes out of a layer names that are still free."""
    inner = getattr(layer, "operations", None) or layer._flatten_layers(
        include_self=False, recursive=False
    )
    for part in inner:
        if isinstance(part, keras.layers.InputLayer):
            continue
        if part.name in names:
            part.name = f"{layer.name}_{part.name}"
        names.add(part.name)
