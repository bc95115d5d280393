"""CaffeNet, the network of Yosinski et al. (2014), and the same eight weight layers in small.

Krizhevsky et al. (2012) with pooling before normalization; conv1 to fc7 are the backbone, fc8 is
the head of a run. The small one has neither groups nor normalization, which are slow on a CPU, and
Keras's own initial weights.
"""

import keras
from keras import layers, ops

from tl_strategies.image_size import ImageSize, sides

BGR_MEANS = (103.939, 116.779, 123.68)  # of ImageNet, in the order of the channels
CONVOLUTIONS = {  # filters, kernel size, strides, padding, groups, initial bias
    "caffenet": (
        (96, 11, 4, "valid", 1, 0),
        (256, 5, 1, "same", 2, 1),
        (384, 3, 1, "same", 1, 0),
        (384, 3, 1, "same", 2, 1),
        (256, 3, 1, "same", 2, 1),
    ),
    "caffenet_mini": (
        (16, 5, 2, "same", 1, 0),
        (32, 5, 1, "same", 1, 0),
        *[(64, 3, 1, "same", 1, 0)] * 3,
    ),
}
WIDTHS = {"caffenet": 4096, "caffenet_mini": 384}  # of fc6 and fc7


def build(name: str, image_size: ImageSize) -> keras.Model:
    """The network "caffenet" or "caffenet_mini" with fresh weights, for images in [0, 255]."""
    mini = name == "caffenet_mini"
    inputs = keras.Input((*sides(image_size), 3), name="image")
    if mini:
        x = layers.Rescaling(1 / 127.5, -1, name="rescaling")(inputs)
    else:
        x = ops.flip(inputs, axis=-1) - ops.array(BGR_MEANS)
    for number, (filters, size, strides, padding, groups, bias) in enumerate(CONVOLUTIONS[name], 1):
        x = layers.Conv2D(
            filters,
            size,
            strides,
            padding,
            groups=groups,
            name=f"conv{number}",
            **_weight_layer(None if mini else 0.01, bias),
        )(x)
        if number in (1, 2, 5):
            pooling = layers.MaxPooling2D(3, 2, "same" if mini else "valid", name=f"pool{number}")
            x = pooling(x)
        if number in (1, 2) and not mini:
            x = _normalized(x, f"norm{number}")
    x = layers.Flatten(name="flatten")(x)
    for number in (6, 7):
        options = _weight_layer(None, 0) if mini else _weight_layer(0.005, 1)
        x = layers.Dense(WIDTHS[name], name=f"fc{number}", **options)(x)
        x = layers.Dropout(0.5, name=f"drop{number}")(x)
    return keras.Model(inputs, x, name=name)


def _weight_layer(deviation: float | None, bias: float) -> dict:
    """ReLU, and initial weights: Gaussian ones, or Keras's own without a deviation."""
    gaussian = keras.initializers.RandomNormal(stddev=deviation) if deviation else "glorot_uniform"
    constant = keras.initializers.Constant(float(bias))
    return {"activation": "relu", "kernel_initializer": gaussian, "bias_initializer": constant}


def _normalized(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Local response normalization over five neighbouring channels (Krizhevsky et al. 2012)."""
    channels = x.shape[-1]
    squares = ops.pad(ops.square(x), ((0, 0), (0, 0), (0, 0), (2, 2)))
    total = squares[..., :channels]
    for first in range(1, 5):
        total = total + squares[..., first : first + channels]
    return layers.Multiply(name=name)([x, ops.power(1 + (1e-4 / 5) * total, -0.75)])
