"""The backbones by name: ours, those of keras.applications, and a user's .keras file.

A backbone is a flat functional model from float images in [0, 255] to features; its preprocessing
is inside it.
"""

import http.client
import inspect
import pathlib
import socket
from collections.abc import Callable

import keras

from tl_strategies.backbones import caffenet, efficientnet_lite0
from tl_strategies.backbones.hub import load_preset
from tl_strategies.backbones.keras_file import load_backbone_file, load_weights_file
from tl_strategies.backbones.names import BUNDLED, UNTRAINED, backbone_names
from tl_strategies.environment import undisturbed
from tl_strategies.errors import UsageError, unknown

NO_ANSWER = 8  # seconds without an answer before a download is given up
# Side in pixels for which the published weights were trained, where it is not 224.
IMAGE_SIZES = {
    "efficientnetb1": 240,
    "efficientnetb2": 260,
    "efficientnetb3": 300,
    "efficientnetb4": 380,
    "efficientnetb5": 456,
    "efficientnetb6": 528,
    "efficientnetb7": 600,
    "efficientnetv2b1": 240,
    "efficientnetv2b2": 260,
    "efficientnetv2b3": 300,
    "efficientnetv2s": 384,
    "efficientnetv2m": 480,
    "efficientnetv2l": 480,
    "inceptionresnetv2": 299,
    "inceptionv3": 299,
    "nasnetlarge": 331,
    "xception": 299,
}


@undisturbed()
def load_backbone(
    name: str,
    weights: str = "imagenet",
    image_size: int | None = None,
    keep_top: bool = False,
) -> keras.Model:
    """A backbone by name or from a .keras file.

    Args:
        name: one of `backbone_names()`, "hub:PRESET" of KerasHub, or the path of a .keras file.
        weights: "imagenet", "none" (fresh), or the path of a weights or model file.
        image_size: side of the images in pixels; None for the backbone's own.
        keep_top: leave the classifier on top of a preset's or a file's network.

    Raises:
        UsageError: the name is unknown, the file is missing or of another architecture, the weights
            cannot be fetched, or the backbone does not take images of this size.
    """
    if name.endswith(".keras"):
        return load_backbone_file(name, weights, image_size, keep_top)
    if name.startswith("hub:"):
        return load_preset(name, weights, image_size)
    if (pathlib.Path(name) / "saved_model.pb").is_file():
        raise UsageError(
            f"--backbone must have layers. Received: {name}, a SavedModel, which is one graph "
            "without them. Where it was made, save it by model.save('model.keras')."
        )
    if name not in backbone_names():
        raise unknown(
            "--backbone",
            name,
            backbone_names(),
            "A model of yours: a path in .keras. One of KerasHub's: hub:PRESET.",
        )
    if keep_top:
        raise UsageError(
            f"--keep_top must come with a .keras file. Received: {name}, which has no top."
        )
    if weights not in ("imagenet", "none") and not pathlib.Path(weights).is_file():
        raise UsageError(
            f"--weights must be imagenet, none or a file. Received: {weights}, which is none."
        )
    if name == BUNDLED:
        if image_size is not None and image_size < 32:
            raise UsageError(
                f"--image_size must be at least 32 for {name}. Received: {image_size}."
            )
        model = efficientnet_lite0.build(image_size or efficientnet_lite0.IMAGE_SIZE)
        if weights == "imagenet":
            efficientnet_lite0.load_imagenet(model)
    elif name in UNTRAINED:
        model = _build_caffenet(name, weights, image_size)
    else:
        model = _build_application(name, weights, image_size)
    if weights not in ("imagenet", "none"):
        load_weights_file(model, weights)
    return model


def _build_caffenet(name: str, weights: str, image_size: int | None) -> keras.Model:
    least = caffenet.IMAGE_SIZES[name]
    if image_size is not None and image_size < least:
        raise UsageError(
            f"--image_size must be at least {least} for {name}. Received: {image_size}."
        )
    if weights == "imagenet":
        raise UsageError(
            f"--weights of {name} must be none or a file: no trained ones are published. Received: "
            "imagenet. Train it by --strategy scratch --weights none; tl-curve does so itself."
        )
    return caffenet.build(name, image_size or least)


def _applications() -> dict[str, tuple[Callable, Callable]]:
    """Constructor and `preprocess_input` of each network of keras.applications, by name."""
    builders = inspect.getmembers(keras.applications, inspect.isfunction)
    return {
        name.lower(): (build, inspect.getmodule(build).preprocess_input) for name, build in builders
    }


def _build_application(name: str, weights: str, image_size: int | None) -> keras.Model:
    build, preprocess = _applications()[name]
    size = image_size or IMAGE_SIZES.get(name, 224)
    inputs = keras.Input((size, size, 3), name="image")
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(NO_ANSWER)
    try:
        network = build(
            weights="imagenet" if weights == "imagenet" else None,
            include_top=False,
            input_tensor=preprocess(inputs),
            input_shape=(size, size, 3),
        )
    except ValueError as error:
        if "orrupted" in str(error):
            raise UsageError(f"--weights imagenet of {name} must arrive whole. {error}") from error
        if "nput size" not in str(error) and "input_shape" not in str(error):
            raise
        raise UsageError(f"--image_size does not fit {name}. Received: {size}. {error}") from error
    except Exception as error:
        download = isinstance(error, OSError | http.client.HTTPException)
        if not download and "URL fetch failure" not in str(error):
            raise
        raise UsageError(
            f"--weights imagenet of {name} must be in Keras's cache, or there must be a network to "
            f"fetch it. Received: {error}. Put the file of that name into "
            f"{pathlib.Path.home() / '.keras' / 'models'}, or give its path as --weights FILE; "
            f"--backbone {BUNDLED} brings its weights along."
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)
    return keras.Model(network.inputs[0], network.outputs[0], name=name)
