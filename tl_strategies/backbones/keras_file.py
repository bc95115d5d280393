"""A user's own network: a .keras file as the backbone, a weights file for one of the zoo."""

import pathlib
import warnings

import keras
from keras import layers

from tl_strategies.backbones.flatten import flatten
from tl_strategies.backbones.surgery import assign_weights, leaves, reinitialize
from tl_strategies.errors import UsageError

UNSIZED = 224  # pixels, for a network that takes images of any size
POOLING = (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D, layers.Dropout, layers.Flatten)


def load_backbone_file(
    path: str, weights: str, image_size: int | None, keep_top: bool = False
) -> keras.Model:
    """The network in a .keras file without the classifier on its top.

    Args:
        path: of the file.
        weights: "imagenet" keeps those in the file, "none" starts afresh, else a weights file.
        image_size: must be that of the model, or None.
        keep_top: leave the classifier where it is.

    Raises:
        UsageError: the file is missing or not a Keras model of images, or is of another size.
    """
    return make_backbone(_load(path, "--backbone"), path, weights, image_size, keep_top)


def make_backbone(
    model: keras.Model, name: str, weights: str, image_size: int | None, keep_top: bool
) -> keras.Model:
    """A flat backbone from a model of a user's; see load_backbone_file.

    Raises:
        UsageError: it does not take images, or is of another size.
    """
    ends = [getattr(model, end, None) or () for end in ("inputs", "outputs")]
    if list(map(len, ends)) != [1, 1]:
        raise UsageError(
            f"--backbone must be a Keras model with one input and one output. Received: {name}."
        )
    shape = tuple(model.inputs[0].shape)
    if len(shape) != 4 or shape[3] not in (1, 3):
        raise UsageError(
            "--backbone must take images of shape (batch, height, width, 3 or 1). Received: "
            f"{name}, which takes {shape}."
        )
    if image_size is not None and shape[1] not in (None, image_size):
        raise UsageError(
            f"--image_size must be {shape[1]}, that of {name}. Received: {image_size}."
        )
    if None not in shape[1:3] and shape[1] != shape[2]:
        raise UsageError(f"--backbone must take square images. Received: {name}, {shape[1:3]}.")
    if shape[3] == 1:
        model = _for_colours(model)
    model = flatten(model)
    if None in shape[1:3]:
        model = _sized(model, image_size or UNSIZED)
    if keep_top:
        model = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    else:
        model = _without_classifier(model)
    if weights == "none":
        for layer in model.layers:
            for leaf in leaves(layer):
                reinitialize(leaf)
    elif weights != "imagenet":
        load_weights_file(model, weights)
    return model


def _for_colours(model: keras.Model) -> keras.Model:
    """A network of gray images as one of RGB images, which it makes gray."""
    image = keras.Input((*model.inputs[0].shape[1:3], 3), name="image")
    gray = keras.ops.image.rgb_to_grayscale(image)
    return keras.Model(image, model(gray), name=model.name)


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
