"""The backbones: ours, those of keras.applications and of KerasHub, and a user's .keras file.

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
from tl_strategies.backbones.keras_file import load_model_file, load_weights_file, make_backbone
from tl_strategies.backbones.names import BUNDLED, LEAST_SIZES, UNTRAINED, check_backbone
from tl_strategies.environment import undisturbed
from tl_strategies.errors import UsageError
from tl_strategies.image_size import ImageSize, sides, size_text

NO_ANSWER = 8  # seconds without an answer before a download is given up
TRAINED_AT = {  # side in pixels of the images of the published weights, where it is not 224
    240: ("efficientnetb1", "efficientnetv2b1"),
    260: ("efficientnetb2", "efficientnetv2b2"),
    299: ("inceptionresnetv2", "inceptionv3", "xception"),
    300: ("efficientnetb3", "efficientnetv2b3"),
    331: ("nasnetlarge",),
    380: ("efficientnetb4",),
    384: ("efficientnetv2s",),
    456: ("efficientnetb5",),
    480: ("efficientnetv2m", "efficientnetv2l"),
    528: ("efficientnetb6",),
    600: ("efficientnetb7",),
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
        return make_backbone(load_model_file(name), name, weights, image_size, keep_top, top)
    if name.startswith("hub:"):
        model = _load_preset(name.removeprefix("hub:"))
        return make_backbone(model, name, weights, image_size, top is None, top)
    if name == BUNDLED:
        model = efficientnet_lite0.build(image_size or efficientnet_lite0.IMAGE_SIZE)
        if weights == "imagenet":
            efficientnet_lite0.load_imagenet(model)
    elif name in UNTRAINED:
        model = caffenet.build(name, image_size or LEAST_SIZES[name])
    else:
        model = _load_application(name, weights, image_size)
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
) -> keras.Model:
    """A backbone from a model in memory, which stays as it is; see `load_backbone`."""
    return make_backbone(model, model.name, weights, image_size, keep_top, top)


def _applications() -> dict[str, tuple[Callable, Callable]]:
    """Constructor and `preprocess_input` of each network of keras.applications, by name."""
    builders = inspect.getmembers(keras.applications, inspect.isfunction)
    return {
        name.lower(): (build, inspect.getmodule(build).preprocess_input) for name, build in builders
    }


def _load_application(name: str, weights: str, image_size: ImageSize | None) -> keras.Model:
    size = image_size or next((side for side, names in TRAINED_AT.items() if name in names), 224)
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
    cause: BaseException | None = error
    while cause is not None:  # Keras wraps what urllib raises into a bare Exception
        if isinstance(cause, OSError | http.client.HTTPException):
            return True
        cause = cause.__cause__ or cause.__context__
    if not isinstance(error, ValueError):
        return False
    try:
        _application(name, "none", size)
    except ValueError:
        return False
    return True


def _load_preset(preset: str) -> keras.Model:
    """A network of KerasHub, by a preset's name or directory, with its scaling of images inside."""
    try:
        import keras_hub
    except ImportError as error:
        raise UsageError(
            f"--backbone hub:PRESET must have KerasHub: pip install 'tl-strategies[hub]'. "
            f"Received: {error}."
        ) from error
    try:
        backbone = keras_hub.models.Backbone.from_preset(preset)
    except Exception as error:  # whatever its downloader raises
        raise UsageError(
            f"--backbone hub:PRESET must be a preset of KerasHub, here or to be fetched. Received: "
            f"{preset}: {str(error).splitlines()[0]}"
        ) from error
    if len(backbone.inputs) != 1 or len(backbone.outputs) != 1:
        raise UsageError(
            f"--backbone hub:PRESET must be a network of images. Received: {preset}, with inputs "
            f"{', '.join(tensor.name for tensor in backbone.inputs)}."
        )
    image = scaled = keras.Input(backbone.inputs[0].shape[1:], name="image")
    try:
        converter = keras_hub.layers.ImageConverter.from_preset(preset)
        scale, offset = converter.scale, converter.offset
    except (ValueError, OSError):  # it has none
        scale = offset = None
    scale, offset = 1.0 if scale is None else scale, 0.0 if offset is None else offset
    if (scale, offset) != (1.0, 0.0):
        scaled = keras.layers.Rescaling(scale, offset, name="preprocess")(image)
    return keras.Model(image, backbone(scaled), name=backbone.name)
