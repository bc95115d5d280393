"""CaffeNet, the network of Yosinski et al. (2014), and the same eight weight layers in small.

Krizhevsky et al. (2012) with pooling before normalization; conv1 to fc7 are the backbone, fc8 is
the head of a run.
"""

from collections.abc import Callable, Sequence

import keras
from keras import layers, ops

from tl_strategies.image_size import ImageSize, sides

BGR_MEANS = (103.939, 116.779, 123.68)  # of ImageNet, in the order of the channels


def build(name: str, image_size: ImageSize) -> keras.Model:
    """A network with fresh weights.

    Args:
        name: "caffenet" or "caffenet_mini".
        image_size: of the images, in pixels.
    """
    return {"caffenet": _caffenet, "caffenet_mini": _mini}[name](image_size)


def _caffenet(image_size: ImageSize) -> keras.Model:
    inputs = keras.Input((*sides(image_size), 3), name="image")
    x = ops.flip(inputs, axis=-1) - ops.array(BGR_MEANS)
    x = _convolution("conv1", 96, 11, strides=4, padding="valid")(x)
    x = _normalized(_pooled("pool1", x), "norm1")
    x = _convolution("conv2", 256, 5, groups=2, bias=1)(x)
    x = _normalized(_pooled("pool2", x), "norm2")
    x = _convolution("conv3", 384, 3)(x)
    x = _convolution("conv4", 384, 3, groups=2, bias=1)(x)
    x = _convolution("conv5", 256, 3, groups=2, bias=1)(x)
    x = layers.Flatten(name="flatten")(_pooled("pool5", x))
    x = _connected(x, (4096, 4096), lambda: keras.initializers.RandomNormal(stddev=0.005), bias=1)
    return keras.Model(inputs, x, name="caffenet")


def _mini(image_size: ImageSize) -> keras.Model:
    """Neither groups nor normalization, which are slow on a CPU; Keras's own initial weights."""
    inputs = keras.Input((*sides(image_size), 3), name="image")
    x = layers.Rescaling(1 / 127.5, -1, name="rescaling")(inputs)
    x = _convolution("conv1", 16, 5, strides=2, deviation=None)(x)
    x = _pooled("pool1", x, "same")
    x = _convolution("conv2", 32, 5, deviation=None)(x)
    x = _pooled("pool2", x, "same")
    for name in ("conv3", "conv4", "conv5"):
        x = _convolution(name, 64, 3, deviation=None)(x)
    x = layers.Flatten(name="flatten")(_pooled("pool5", x, "same"))
    x = _connected(x, (384, 384), keras.initializers.GlorotUniform)
    return keras.Model(inputs, x, name="caffenet_mini")


def _convolution(
    name: str,
    filters: int,
    size: int,
    strides: int = 1,
    padding: str = "same",
    groups: int = 1,
    deviation: float | None = 0.01,
    bias: float = 0.0,
) -> layers.Conv2D:
    """A convolution with ReLU; its kernel is Gaussian, without a deviation Keras's default."""
    kernel = keras.initializers.RandomNormal(stddev=deviation) if deviation else "glorot_uniform"
    return layers.Conv2D(
        filters,
        size,
        strides,
        padding,
        groups=groups,
        activation="relu",
        kernel_initializer=kernel,
        bias_initializer=keras.initializers.Constant(bias),
        name=name,
    )


def _pooled(name: str, x: keras.KerasTensor, padding: str = "valid") -> keras.KerasTensor:
    return layers.MaxPooling2D(3, 2, padding, name=name)(x)


def _connected(
    x: keras.KerasTensor, sizes: Sequence[int], initializer: Callable, bias: float = 0.0
) -> keras.KerasTensor:
    """fc6 and fc7, with ReLU and dropout."""
    for number, size in enumerate(sizes, 6):
        x = layers.Dense(
            size,
            "relu",
            kernel_initializer=initializer(),
            bias_initializer=keras.initializers.Constant(bias),
            name=f"fc{number}",
        )(x)
        x = layers.Dropout(0.5, name=f"drop{number}")(x)
    return x


def _normalized(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Local response normalization over five neighbouring channels (Krizhevsky et al. 2012)."""
    channels = x.shape[-1]
    squares = ops.pad(ops.square(x), ((0, 0), (0, 0), (0, 0), (2, 2)))
    total = squares[..., :channels]
    for first in range(1, 5):
        total = total + squares[..., first : first + channels]
    return layers.Multiply(name=name)([x, ops.power(1 + (1e-4 / 5) * total, -0.75)])
