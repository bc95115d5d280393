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


def build(image_size: ImageSize, include_top: bool = False) -> keras.Model:
    """The network with fresh weights: images in [0, 255] to features of shape (h, w, 1280).

    With its top it ends in ImageNet's 1000 class probabilities.
    """
    inputs = keras.Input((*sides(image_size), 3), name="image")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="preprocess")(inputs)
    x = _convolved(x, "stem", 32, 3, 2)
    for stage, (kernel_size, stride, expansion, filters, repeats) in enumerate(STAGES, 1):
        for repeat in range(repeats):
            name = f"block{stage}{'abcd'[repeat]}"
            x = _block(x, name, kernel_size, stride if repeat == 0 else 1, expansion, filters)
    x = _convolved(x, "top", 1280)
    if include_top:
        x = layers.GlobalAveragePooling2D(name="top_pool")(x)
        x = layers.Dropout(0.2, name="top_dropout")(x)
        x = layers.Dense(1000, activation="softmax", name="predictions")(x)
    return keras.Model(inputs, x, name=BUNDLED)


def _block(x, name, kernel_size, stride, expansion, filters):
    """An inverted residual: expand, depthwise, project; added to its input where shapes agree."""
    inputs = x
    if expansion > 1:
        x = _convolved(x, f"{name}_expand", inputs.shape[-1] * expansion)
    x = _convolved(x, f"{name}_depthwise", None, kernel_size, stride)
    x = _convolved(x, f"{name}_project", filters, relu=False)
    if stride == 1 and inputs.shape[-1] == filters:
        x = layers.Add(name=f"{name}_add")([x, inputs])
    return x


def _convolved(x, name, filters, size=1, stride=1, relu=True):
    """A convolution, depthwise without a number of filters; its normalization, and ReLU6."""
    shared = {"padding": "same", "use_bias": False, "name": f"{name}_conv"}
    if filters is None:
        x = layers.DepthwiseConv2D(size, stride, depthwise_initializer="he_normal", **shared)(x)
    else:
        x = layers.Conv2D(filters, size, stride, kernel_initializer="he_normal", **shared)(x)
    x = layers.BatchNormalization(epsilon=1e-3, momentum=0.99, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if relu else x


def load_imagenet(model: keras.Model) -> None:
    """Assign the bundled weights, kept as float16 under their variables' paths."""
    with np.load(WEIGHTS) as weights:
        for variable in model.weights:
            variable.assign(weights[variable.path].astype("float32"))
