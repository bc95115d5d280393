"""Surgery on flat functional models: copy, cut, re-initialise."""

import keras

from tl_strategies.backbones.units import Unit, unit_output


def leaves(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layers without sub-layers in a layer, or the layer itself."""
    found = layer._flatten_layers(include_self=True, recursive=True)
    return [leaf for leaf in found if not leaf._layers]


def unit_layers(model: keras.Model, unit: Unit) -> list[keras.layers.Layer]:
    """The leaf layers of a unit in a model that has kept its names; bare operations have none."""
    names = set(unit.layers)
    return [leaf for layer in model.layers if layer.name in names for leaf in leaves(layer)]


def copy_model(model: keras.Model) -> keras.Model:
    """A model of the same layers and weights that shares nothing with the first."""
    copy = keras.models.clone_model(model)
    for source, target in zip(model.weights, copy.weights, strict=True):
        target.assign(source)
    return copy


def reinitialize(layer: keras.layers.Layer) -> None:
    """Assign to a built layer the weights that a new one of its configuration starts from."""
    if not layer.weights:
        return
    new = type(layer).from_config(layer.get_config())
    new.build_from_config(layer.get_build_config())
    for source, target in zip(new.weights, layer.weights, strict=True):
        target.assign(source)


def cut(
    model: keras.Model, units: list[Unit], depth: int
) -> tuple[keras.Model | None, keras.Model]:
    """Cut a model above unit `depth`.

    Args:
        model: the backbone of the units, or a model that goes on from it.
        units: of the backbone.
        depth: from 0 to the number of units.

    Returns:
        prefix and suffix, which share their layers with the model: suffix(prefix(x)) equals
        model(x). At depth 0 the prefix is None and the suffix is the model.
    """
    if depth == 0:
        return None, model
    tensor = unit_output(model, units[depth - 1])
    if tensor is model.outputs[0]:
        identity = keras.layers.Identity(name="features")(tensor)
        return model, keras.Model(tensor, identity)
    return keras.Model(model.inputs[0], tensor), keras.Model(tensor, model.outputs[0])
