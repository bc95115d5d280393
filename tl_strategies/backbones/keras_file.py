"""A user's own network: a .keras file as the backbone, a weights file for one of the zoo."""

import pathlib
import warnings

import keras
from keras import layers

from tl_strategies.backbones.surgery import assign_weights, leaves, reinitialize
from tl_strategies.errors import UsageError

UNSIZED = 224  # pixels, for a network that takes images of any size
POOLING = (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D, layers.Dropout, layers.Flatten)


def load_backbone_file(path: str, weights: str, image_size: int | None) -> keras.Model:
    """The network in a .keras file without the classifier on its top.

    Args:
        path: of the file.
        weights: "imagenet" keeps those in the file, "none" starts afresh, else a weights file.
        image_size: must be that of the model, or None.

    Raises:
        UsageError: the file is missing or not a Keras model of RGB images, or is of another size.
    """
    model = _load(path, "--backbone")
    if getattr(model, "inputs", None) is None or len(model.inputs) != 1:
        raise UsageError(f"--backbone must be a Keras model with one input. Received: {path}.")
    shape = tuple(model.inputs[0].shape)
    if len(shape) != 4 or shape[3] != 3:
        raise UsageError(
            f"--backbone must take images of shape (batch, height, width, 3). Received: {path}, "
            f"which takes {shape}."
        )
    if image_size is not None and shape[1] not in (None, image_size):
        raise UsageError(
            f"--image_size must be {shape[1]}, that of {path}. Received: {image_size}."
        )
    if shape[1] is None or shape[2] is None:
        model = _sized(model, image_size or UNSIZED)
    elif shape[1] != shape[2]:
        raise UsageError(f"--backbone must take square images. Received: {path}, {shape[1:3]}.")
    model = _without_classifier(keras.Model(model.inputs[0], model.outputs[0], name=model.name))
    if weights == "none":
        for layer in model.layers:
            for leaf in leaves(layer):
                reinitialize(leaf)
    elif weights != "imagenet":
        load_weights_file(model, weights)
    return model


def _sized(model: keras.Model, size: int) -> keras.Model:
    """The same network for images of one size, in pixels."""
    inputs = keras.Input((size, size, 3), name="image")
    sized = keras.models.clone_model(model, input_tensors=inputs)
    assign_weights(sized, model.get_weights())
    return sized


def load_weights_file(model: keras.Model, path: str) -> None:
    """Assign weights from a .keras, .weights.h5 or .h5 file of the same architecture.

    Raises:
        UsageError: the file is missing, broken, or of another architecture.
    """
    if path.endswith(".keras"):
        source = {weight.path: weight for weight in _load(path, "--weights").weights}
        for weight in model.weights:
            if weight.path not in source or source[weight.path].shape != weight.shape:
                raise _other_architecture(path, model, f"it has no {weight.path} {weight.shape}")
        assign_weights(model, [source[weight.path] for weight in model.weights])
        return
    if not pathlib.Path(path).is_file():
        raise UsageError(f"--weights must be a file. Received: {path}, which does not exist.")
    if not path.endswith(".h5"):
        raise UsageError(f"--weights must end in .keras, .weights.h5 or .h5. Received: {path}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of layers that the file has nothing for
            model.load_weights(path)
    except (ValueError, OSError, KeyError, UserWarning) as error:
        raise _other_architecture(path, model, str(error).split("\n")[0]) from error


def _other_architecture(path: str, model: keras.Model, why: str) -> UsageError:
    return UsageError(
        f"--weights must be of the architecture {model.name}. Received: {path}: {why}."
    )


def _load(path: str, flag: str) -> keras.Model:
    if not pathlib.Path(path).is_file():
        raise UsageError(f"{flag} must be a file. Received: {path}, which does not exist.")
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".split("\n")[0]
        raise UsageError(
            f"{flag} must be a Keras model file. Received: {path}: {reason}"
        ) from error


def _without_classifier(model: keras.Model) -> keras.Model:
    """The model up to what its last Dense layer and the pooling below it read."""
    chain = []
    for layer in reversed(model.layers):
        chain.append(layer)
        if not isinstance(layer, (layers.Activation, layers.Softmax)):
            break
    if not isinstance(chain[-1], layers.Dense):
        return model
    tensor = chain[-1].input
    layer = tensor._keras_history.operation
    # The head of a model that tl-run saved may have more layers.
    while isinstance(layer, POOLING) or layer.name.startswith("head_"):
        tensor = layer.input
        layer = tensor._keras_history.operation
    return keras.Model(model.inputs[0], tensor, name=model.name)
