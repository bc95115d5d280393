"""Backbones of KerasHub: image networks by the name or the directory of a preset."""

import keras

from tl_strategies.backbones.keras_file import make_backbone
from tl_strategies.errors import UsageError
from tl_strategies.image_size import ImageSize


def load_preset(
    name: str, weights: str, image_size: ImageSize | None, top: str | None = None
) -> keras.Model:
    """A flat backbone from a preset, with what its images are scaled by inside.

    Args:
        name: "hub:PRESET", where PRESET is a name or a directory.
        weights: "imagenet" keeps the preset's, "none" starts afresh, else a weights file.
        image_size: must be that of the network, or None.
        top: the layer whose output are the features, where it is not the last.

    Raises:
        UsageError: KerasHub is not installed, or there is no such preset of an image network.
    """
    try:
        import keras_hub
    except ImportError as error:
        raise UsageError(
            f"--backbone hub:PRESET must have KerasHub: pip install 'tl-strategies[hub]'. "
            f"Received: {error}."
        ) from error
    preset = name.removeprefix("hub:")
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
    image = keras.Input(backbone.inputs[0].shape[1:], name="image")
    scaled = _scaled(keras_hub, preset, image)
    model = keras.Model(image, backbone(scaled), name=backbone.name)
    return make_backbone(model, name, weights, image_size, top is None, top)


def _scaled(keras_hub, preset: str, image: keras.KerasTensor) -> keras.KerasTensor:
    """Images as the preset's converter scales them."""
    try:
        converter = keras_hub.layers.ImageConverter.from_preset(preset)
    except (ValueError, OSError):  # it has none
        return image
    scale = 1.0 if converter.scale is None else converter.scale
    offset = 0.0 if converter.offset is None else converter.offset
    if scale == 1.0 and offset == 0.0:
        return image
    return keras.layers.Rescaling(scale, offset, name="preprocess")(image)
