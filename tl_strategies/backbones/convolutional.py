"""From a classifier of one size of images to one of any larger size, which gives a map of scores.

Fully connected layers become convolutions (Long et al. 2015; the CS231n notes): one pass over a
large image computes what the classifier would give for each of its windows.
"""

import keras
from keras import layers

from tl_strategies.backbones.flatten import flatten
from tl_strategies.backbones.surgery import clone_layer, leaves
from tl_strategies.backbones.units import graph_nodes
from tl_strategies.errors import UsageError

POOLING = {
    layers.GlobalAveragePooling2D: layers.AveragePooling2D,
    layers.GlobalMaxPooling2D: layers.MaxPooling2D,
}
KEPT = (layers.Dropout, layers.Identity)  # which act on each value by itself
CHANNELS = (*KEPT, layers.Activation, layers.Softmax, layers.ReLU, layers.UnitNormalization)


def convolutionalize(model: keras.Model) -> keras.Model:
    """A copy that takes images of shape (batch, height, width, channels), as large or larger.

    Its output has shape (batch, rows, columns, labels). At each place stands what the layers behind
    the last features with height and width give for a window of these features, of the size that
    the model was made for. Windows are apart by the network's stride. Where convolutions pad, a
    window sees its surroundings in place of their zeros.

    Raises:
        UsageError: the model's top is not made of flattening or global pooling, and dense layers.
    """
    flat = flatten(model)
    windows = _windows(flat)
    channels = flat.inputs[0].shape[-1]

    def clone(layer: keras.Operation) -> keras.Operation:
        if layer.name not in windows:
            return clone_layer(layer)
        height, width, _ = windows[layer.name]
        if type(layer) in POOLING:
            return POOLING[type(layer)]((height, width), strides=1, name=layer.name)
        if isinstance(layer, layers.Dense):
            options = {name: getattr(layer, name) for name in ("activation", "use_bias", "name")}
            return layers.Conv2D(layer.units, (height, width), **options)
        return layers.Identity(name=layer.name)

    image = keras.Input((None, None, channels), name=flat.inputs[0].name)
    inputs = [image] if isinstance(flat.input, list) else image
    whole = keras.models.clone_model(flat, input_tensors=inputs, clone_function=clone)
    for layer in flat.layers:
        values = layer.get_weights()
        if layer.name in windows and values:
            kernel = values[0].reshape(*windows[layer.name], -1)
            values = [kernel, *values[1:]]
        whole.get_layer(layer.name).set_weights(values)
    for leaf in leaves(*whole.layers):
        if isinstance(leaf, layers.Normalization):
            leaf.finalize_state()  # it computes with constants made from its weights
    return whole


def _windows(flat: keras.Model) -> dict[str, tuple[int, int, int]]:
    """Layers of the top that change, by name, and the shape of the features that each reads."""
    windows: dict[str, tuple[int, int, int]] = {}
    shapes: dict[int, tuple[int, int, int]] = {}  # of what stands for vectors, by their tensors
    for node in graph_nodes(flat):
        operation, parents = node.operation, node.parent_nodes
        read = parents[0].outputs[0] if parents else None
        output = node.outputs[0]
        if read is None or len(output.shape) > 2:
            continue
        if isinstance(operation, (layers.Flatten, *POOLING)) and len(read.shape) == 4:
            windows[operation.name] = read.shape[1:]
            flattened = isinstance(operation, layers.Flatten)
            shapes[id(output)] = read.shape[1:] if flattened else (1, 1, read.shape[-1])
        elif isinstance(operation, layers.Dense) and id(read) in shapes:
            windows[operation.name] = shapes[id(read)]
            shapes[id(output)] = (1, 1, operation.units)
        elif id(read) in shapes and isinstance(
            operation, CHANNELS if shapes[id(read)][:2] == (1, 1) else KEPT
        ):
            shapes[id(output)] = shapes[id(read)]
        else:
            raise _unfit(f"{type(operation).__name__} {operation.name!r}")
    if id(flat.outputs[0]) not in shapes:
        raise _unfit(f"outputs of shape {flat.outputs[0].shape}")
    return windows


def _unfit(received: str) -> UsageError:
    return UsageError(
        "The top of a model must be made of flattening or global pooling, dense layers, and what "
        f"acts on each value. Received: {received}."
    )
