"""EfficientNet-Lite0: EfficientNet-B0 without squeeze-and-excitation and with ReLU6.

Source: Tan and Le, "EfficientNet" (2019), and the Lite variants that its authors published in 2020.
The bundled ImageNet weights are converted by tools/build_efficientnet_lite0.py; see NOTICE.
"""

import pathlib

import keras
import numpy as np
from keras import layers

from tl_strategies.backbones.names import BUNDLED, STAGES
from tl_strategies.image_size import ImageSize, sides

WEIGHTS = pathlib.Path(__file__).parent / "assets" / "efficientnet_lite0.npz"
IMAGE_SIZE = 128  # pixels; the weights were trained at 224


def _normalize(x, name):
    return layers.BatchNormalization(epsilon=1e-3, momentum=0.99, name=name)(x)


def _convolve(x, filters, size, stride, name):
    return layers.Conv2D(
        filters,
        size,
        stride,
        "same",
        use_bias=False,
        name=f"{name}_conv",
        kernel_initializer="he_normal",
    )(x)


def _block(x, name, kernel_size, stride, expansion, filters):
    """An inverted residual: expand, depthwise, project; added to its input where shapes agree."""
    inputs = x
    if expansion > 1:
        x = _convolve(x, inputs.shape[-1] * expansion, 1, 1, f"{name}_expand")
        x = _normalize(x, f"{name}_expand_bn")
        x = layers.ReLU(6.0, name=f"{name}_expand_relu")(x)
    x = layers.DepthwiseConv2D(
        kernel_size,
        stride,
        "same",
        use_bias=False,
        depthwise_initializer="he_normal",
        name=f"{name}_depthwise_conv",
    )(x)
    x = _normalize(x, f"{name}_depthwise_bn")
    x = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(x)
    x = _convolve(x, filters, 1, 1, f"{name}_project")
    x = _normalize(x, f"{name}_project_bn")
    if stride == 1 and inputs.shape[-1] == filters:
        x = layers.Add(name=f"{name}_add")([x, inputs])
    return x


def build(image_size: ImageSize, include_top: bool = False) -> keras.Model:
    """The network with fresh weights: (batch, height, width, 3) in [0, 255] to features.

    Args:
        image_size: of the images, in pixels.
        include_top: end in ImageNet's 1000 class probabilities, not in features (h, w, 1280).
    """
    inputs = keras.Input((*sides(image_size), 3), name="image")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="preprocess")(inputs)
    x = _convolve(x, 32, 3, 2, "stem")
    x = _normalize(x, "stem_bn")
    x = layers.ReLU(6.0, name="stem_relu")(x)
    for stage, (kernel_size, stride, expansion, filters, repeats) in enumerate(STAGES, 1):
        for repeat in range(repeats):
            name = f"block{stage}{'abcd'[repeat]}"
            x = _block(x, name, kernel_size, stride if repeat == 0 else 1, expansion, filters)
    x = _convolve(x, 1280, 1, 1, "top")
    x = _normalize(x, "top_bn")
    x = layers.ReLU(6.0, name="top_relu")(x)
    if include_top:
        x = layers.GlobalAveragePooling2D(name="top_pool")(x)
        x = layers.Dropout(0.2, name="top_dropout")(x)
        x = layers.Dense(1000, activation="softmax", name="predictions")(x)
    return keras.Model(inputs, x, name=BUNDLED)


def load_imagenet(model: keras.Model) -> None:
    """Assign the bundled weights, kept as float16 under their variables' paths."""
    with np.load(WEIGHTS) as weights:
        for variable in model.weights:
            variable.assign(weights[variable.path].astype("float32"))
