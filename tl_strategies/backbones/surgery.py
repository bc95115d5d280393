"""Surgery on flat functional models: copy, cut, re-initialise."""

import inspect
from collections.abc import Callable

import keras
from keras import layers

from tl_strategies.backbones.units import Unit


def leaves(*given: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layers that hold weights, or no other layers, in layers or as these themselves.

    Those that hold layers as well come before these.
    """
    return [
        leaf
        for layer in given
        for leaf in layer._flatten_layers(include_self=True, recursive=True)
        if not leaf._layers or leaf._trainable_variables or leaf._non_trainable_variables
    ]


def unit_layers(model: keras.Model, unit: Unit) -> list[keras.layers.Layer]:
    """The leaf layers of a unit in a model that has kept its names; bare operations have none."""
    names = set(unit.layers)
    return leaves(*(layer for layer in model.layers if layer.name in names))


def copy_model(model: keras.Model) -> keras.Model:
    """A model of the same layers and weights that shares nothing with the first."""
    copy = keras.models.clone_model(model, clone_function=clone_layer)
    assign_weights(copy, model.get_weights())
    return copy


def clone_layer(layer: keras.Operation, edit: Callable[[dict], dict] = dict) -> keras.Operation:
    """A layer, or bare operation, of the same configuration, or of what `edit` makes of it."""
    config = edit(layer.get_config())
    try:
        clone = type(layer).from_config(config)
        mended = "get_config" in vars(layer)
    except TypeError:
        # Some of KerasHub's layers write arguments that they do not take themselves.
        known = {*inspect.signature(type(layer).__init__).parameters, "name", "trainable", "dtype"}
        config = {name: value for name, value in config.items() if name in known}
        clone, mended = type(layer).from_config(config), True
    if mended:  # or what is saved could not be loaded
        clone.get_config = lambda: config | {"name": clone.name, "trainable": clone.trainable}
    clone.name = layer.name  # not every operation keeps it in its configuration
    return clone


def assign_weights(model: keras.Model, values: list) -> None:
    """Assign all weights of a model, in their order."""
    for target, value in zip(model.weights, values, strict=True):
        target.assign(value)
    for leaf in leaves(*model.layers):
        if isinstance(leaf, layers.Normalization):
            leaf.finalize_state()  # it computes with constants made from its weights


def reinitialize(layer: keras.layers.Layer) -> None:
    """Assign to a built layer the weights that a new one of its configuration starts from."""
    # An adapted Normalization is preprocessing, not something that was learnt.
    if not layer.weights or isinstance(layer, layers.Normalization):
        return
    new = type(layer).from_config(layer.get_config())
    new.build_from_config(layer.get_build_config())
    for source, target in zip(new.weights, layer.weights, strict=True):
        target.assign(source)


def cut(
    model: keras.Model, tensor: keras.KerasTensor | None
) -> tuple[keras.Model | None, keras.Model]:
    """Cut a model at a tensor through which all its paths run, such as a unit's output, or at None.

    Prefix and suffix share their layers with the model: suffix(prefix(x)) equals model(x).
    """
    if tensor is None:
        return None, model
    prefix = keras.Model(model.inputs[0], tensor)
    if tensor is model.outputs[0]:
        return prefix, keras.Model(tensor, layers.Identity(dtype="float32")(tensor))
    return prefix, keras.Model(tensor, model.outputs[0])
