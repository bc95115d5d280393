"""A user's own network: a .keras file as the backbone, a weights file for one of the zoo."""

import difflib
import json
import sys
import warnings
import zipfile

import keras
import numpy as np

from tl_strategies.backbones.classifier import below_classifier, ends_in_features
from tl_strategies.backbones.flatten import OTHER_FLOATS, flatten
from tl_strategies.backbones.surgery import assign_weights, leaves, reinitialize
from tl_strategies.errors import UsageError
from tl_strategies.image_size import ImageSize, sides, size_text

UNSIZED = 224  # pixels, for a network that takes images of any size


def load_model_file(path: str, flag: str = "--backbone") -> keras.Model:
    """The model in a .keras file that a flag names, or what is wrong with it as a UsageError."""
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:
        if missing := _unknown_classes(path):
            raise UsageError(
                f"{flag} must have layers that Keras knows. Received: {path}, with "
                f"{', '.join(missing)}. Give the Python file that registers them with Keras: "
                "--plugin FILE.py."
            ) from error
        reason = f"{type(error).__name__}: {error}".split("\n")[0]
        if "Lambda" in reason:
            reason += (
                " If you trust the file, give --plugin FILE.py, a Python file that calls "
                "keras.config.enable_unsafe_deserialization()."
            )
        must = f"{flag} must be a Keras model file. Received: {path}"
        raise UsageError(f"{must}: {reason}") from error


def _unknown_classes(path: str) -> list[str]:
    """The classes and functions that a file names, neither Keras's own nor registered with it."""
    with zipfile.ZipFile(path) as archive:
        waiting = [json.loads(archive.read("config.json"))]
    found = set()
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += part.values()
            if "class_name" in part and not _is_known(part):
                function = part["class_name"] == "function"
                found.add(part["config"] if function else part["class_name"])
        elif isinstance(part, list):
            waiting += part
    return sorted(found)


def _is_known(part: dict) -> bool:
    """Does Keras find what a part of a configuration names?"""
    function = part["class_name"] == "function"
    name = part.get("config") if function else part.get("registered_name")
    package = str(part.get("module")).split(".")[0]
    if not isinstance(name, str) or package in ("keras", "keras_hub"):
        return True
    kinds = (keras.activations, keras.initializers, keras.regularizers, keras.constraints)
    own = package == "builtins" and (not function or any(hasattr(kind, name) for kind in kinds))
    return own or keras.saving.get_registered_object(name) is not None


def make_backbone(
    model: keras.Model,
    name: str,
    weights: str,
    image_size: ImageSize | None,
    keep_top: bool = False,
    top: str | None = None,
) -> keras.Model:
    """A flat float32 backbone, for any number of RGB images, from a model of a user's.

    Args:
        model: as it was saved; stays so.
        name: of the model, for messages.
        weights: "imagenet" keeps its own.
        image_size, keep_top, top: see `load_backbone`.
    """
    ends = [getattr(model, end, None) or () for end in ("inputs", "outputs")]
    if list(map(len, ends)) != [1, 1]:
        raise UsageError(
            f"--backbone must be a Keras model with one input and one output. Received: {name}."
        )
    for leaf in leaves(*model.layers):
        mode = getattr(leaf, "quantization_mode", None)
        if mode is not None:  # the weights that it had are gone
            raise UsageError(
                f"--backbone must not be quantized. Received: {name}, whose layer {leaf.name!r} is "
                f"{mode}. Give the model as it was before `quantize`."
            )
    model = _rebuilt(model, name, image_size)
    if top is not None:
        model = keras.Model(model.inputs[0], _output_of(model, top, name), name=model.name)
    elif not keep_top:
        model = _without_classifier(model, name)
    if not 2 <= len(model.outputs[0].shape) <= 4:
        raise UsageError(
            "--backbone must end in features of shape (batch, height, width, channels), (batch, "
            f"tokens, channels) or (batch, channels). Received: {name}, {model.outputs[0].shape}. "
            "Choose the layer whose output are the features: --top LAYER."
        )
    if weights == "none":
        for leaf in leaves(*model.layers):
            reinitialize(leaf)
    elif weights != "imagenet":
        load_weights_file(model, weights)
    return model


def _rebuilt(model: keras.Model, name: str, image_size: ImageSize | None) -> keras.Model:
    """The whole model as it must be: flat, float32, for batches of any size, for RGB images."""
    source = model.inputs[0]
    size = _image_size(source.shape, name, image_size)
    image = keras.Input((*size, 3), name=source._keras_history.operation.name)
    model = keras.Model(source, model.outputs[0], name=model.name)  # not a dict, not a list
    if source.shape[3] == 1:
        coloured = keras.Input((*source.shape[1:3], 3))
        gray = model(keras.ops.image.rgb_to_grayscale(coloured))
        model = keras.Model(coloured, gray, name=model.name)
    try:
        flat = flatten(model, image)
        if source.shape[0] is not None:  # what was traced for it may hold it still
            count = 3 if source.shape[0] == 2 else 2
            flat(np.zeros((count, *size, 3), "float32"), training=False)
    except Exception as error:  # of its author's code, or of operations made for other shapes
        reason = " ".join(str(error).split())[:300]
        raise UsageError(
            f"--backbone must be a network that can be built for images of shape (any number, "
            f"{size[0]}, {size[1]}, 3). Received: {name}, built for {tuple(source.shape)}: "
            f"{type(error).__name__}: {reason}"
        ) from error
    for weight in flat.weights:
        if keras.backend.standardize_dtype(weight.dtype) in OTHER_FLOATS:
            raise UsageError(
                f"--backbone must have weights that can be float32. Received: {name}, whose layer "
                f"makes {weight.path} as {weight.dtype}."
            )
    return flat


def _image_size(
    shape: tuple[int | None, ...], name: str, image_size: ImageSize | None
) -> tuple[int, int]:
    """Height and width: the model's, or where it takes any those that are asked for."""
    if len(shape) != 4 or shape[3] not in (1, 3):
        raise UsageError(
            "--backbone must take images of shape (batch, height, width, 3 or 1). Received: "
            f"{name}, which takes {tuple(shape)}."
        )
    missing = next((side for side in shape[1:3] if side is not None), UNSIZED)
    own = tuple(side or missing for side in shape[1:3])
    if image_size is None:
        return own
    asked = sides(image_size)
    if any(side not in (None, wanted) for side, wanted in zip(shape[1:3], asked, strict=True)):
        raise UsageError(
            f"--image_size must be {size_text(own)}, that of {name}. Received: "
            f"{size_text(image_size)}."
        )
    return asked


def _output_of(model: keras.Model, layer: str, name: str) -> keras.KerasTensor:
    operations = {operation.name: operation for operation in model.operations}
    if layer not in operations:
        near = ", ".join(difflib.get_close_matches(layer, operations, 5, 0.0))
        raise UsageError(
            f"--top must be the name of a layer of {name}. Received: {layer}. The nearest: {near}."
        )
    return operations[layer].output


def _without_classifier(model: keras.Model, name: str) -> keras.Model:
    """The model without the classifier on its top; where it may have one that is not found, say so.

    The note goes to stderr: what commands print on stdout may be JSON.
    """
    features = below_classifier(model)
    if features is not None:
        return keras.Model(model.inputs[0], features, name=model.name)
    if not ends_in_features(model):
        last = model.outputs[0]._keras_history.operation.name
        print(
            f"no classifier was found on top of {name}, so nothing was taken off: its features are "
            f"the output of {last!r}, {' × '.join(map(str, model.outputs[0].shape[1:]))}. Choose "
            "another layer by --top LAYER, or confirm it by --keep_top.",
            file=sys.stderr,
            flush=True,
        )
    return model


def load_weights_file(model: keras.Model, path: str) -> None:
    """Assign weights from a .keras, .weights.h5 or .h5 file, or say why it does not fit."""
    if path.endswith(".keras"):
        source = {weight.path: weight for weight in load_model_file(path, "--weights").weights}
        for weight in model.weights:
            if weight.path not in source or source[weight.path].shape != weight.shape:
                raise _other_architecture(path, model, f"it has no {weight.path} {weight.shape}")
        assign_weights(model, [source[weight.path] for weight in model.weights])
        return
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
