"""The backbones by name: ours, those of keras.applications, and a user's .keras file.

A backbone is a flat functional model from float images in [0, 255] to features; its preprocessing
is inside it.
"""

import http.client
import inspect
import pathlib
import socket
from collections.abc import Callable, Iterator

import keras

from tl_strategies.backbones import caffenet, efficientnet_lite0
from tl_strategies.backbones.hub import load_preset
from tl_strategies.backbones.keras_file import load_model_file, load_weights_file, make_backbone
from tl_strategies.backbones.names import BUNDLED, LEAST_SIZES, UNTRAINED, check_backbone
from tl_strategies.environment import undisturbed
from tl_strategies.errors import UsageError
from tl_strategies.image_size import ImageSize, sides, size_text

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
    image_size: ImageSize | None = None,
    keep_top: bool = False,
    top: str | None = None,
) -> keras.Model:
    """A backbone by name or from a .keras file, in float32 whatever the session's policy is.

    Args:
        name: one of `backbone_names()`, "hub:PRESET" of KerasHub, or the path of a .keras file.
        weights: "imagenet", "none" (fresh), or the path of a weights or model file.
        image_size: of the images, in pixels; None for the backbone's own.
        keep_top: leave the classifier on top of a preset's or a file's network.
        top: the layer whose output are the features, in a preset's or a file's network.

    Raises:
        UsageError: the name is unknown, the file is missing or of another architecture, the weights
            cannot be fetched, or the backbone does not take images of this size.
    """
    check_backbone(name, weights, image_size, keep_top, top)
    if name.endswith(".keras"):
        return take_model(load_model_file(name), weights, image_size, keep_top, top, name)
    if name.startswith("hub:"):
        return load_preset(name, weights, image_size, top)
    if name == BUNDLED:
        model = efficientnet_lite0.build(image_size or efficientnet_lite0.IMAGE_SIZE)
        if weights == "imagenet":
            efficientnet_lite0.load_imagenet(model)
    elif name in UNTRAINED:
        model = caffenet.build(name, image_size or LEAST_SIZES[name])
    else:
        model = _build_application(name, weights, image_size)
    if weights not in ("imagenet", "none"):
        load_weights_file(model, weights)
    return model


@undisturbed()
def take_model(
    model: keras.Model,
    weights: str = "imagenet",
    image_size: ImageSize | None = None,
    keep_top: bool = False,
    top: str | None = None,
    name: str = "",
) -> keras.Model:
    """A backbone from a model in memory, which stays as it is; see `load_backbone`."""
    return make_backbone(model, name or model.name, weights, image_size, keep_top, top)


def _applications() -> dict[str, tuple[Callable, Callable]]:
    """Constructor and `preprocess_input` of each network of keras.applications, by name."""
    builders = inspect.getmembers(keras.applications, inspect.isfunction)
    return {
        name.lower(): (build, inspect.getmodule(build).preprocess_input) for name, build in builders
    }


def _build_application(name: str, weights: str, image_size: ImageSize | None) -> keras.Model:
    size = image_size or IMAGE_SIZES.get(name, 224)
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(NO_ANSWER)
    try:
        return _application(name, weights, size)
    except Exception as error:
        if weights == "imagenet" and _is_of_weights(error, name, size):
            raise UsageError(
                f"--weights imagenet of {name} must be in Keras's cache, or there must be a "
                f"network to fetch it, and it must arrive whole. Received: {error}. Put the file "
                f"of that name into {pathlib.Path.home() / '.keras' / 'models'}, or give its path "
                f"as --weights FILE; --backbone {BUNDLED} brings its weights along."
            ) from error
        if not isinstance(error, ValueError):
            raise
        raise UsageError(
            f"--image_size does not fit {name}. Received: {size_text(size)}. {error}"
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)


def _application(name: str, weights: str, size: ImageSize) -> keras.Model:
    build, preprocess = _applications()[name]
    network = build(
        weights="imagenet" if weights == "imagenet" else None,
        include_top=False,
        input_tensor=preprocess(keras.Input((*sides(size), 3), name="image")),
        input_shape=(*sides(size), 3),
    )
    return keras.Model(network.inputs[0], network.outputs[0], name=name)


def _is_of_weights(error: Exception, name: str, size: ImageSize) -> bool:
    """Did fetching the weights fail, or is what came broken, where the network can be built?"""
    # Keras wraps what urllib raises into a bare Exception.
    if any(isinstance(one, OSError | http.client.HTTPException) for one in _causes(error)):
        return True
    if not isinstance(error, ValueError):
        return False
    try:
        _application(name, "none", size)
    except ValueError:
        return False
    return True


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
