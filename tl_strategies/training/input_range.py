"""What a network's first kernel gets: wrong preprocessing shows there."""

import keras
import numpy as np

from tl_strategies.backbones.units import first_kernel_input
from tl_strategies.data.images import Images
from tl_strategies.training.forward import make_forward

COUNT = 32  # images looked at
MOST = 20  # larger values are hardly preprocessed


def input_range(backbone: keras.Model, images: Images) -> tuple[float, float]:
    """The lowest and the highest value that the first kernel gets, of some training images."""
    batch = images[images.positions("train")[:COUNT]].astype("float32")
    tensor = first_kernel_input(backbone)
    if tensor is not backbone.inputs[0]:
        batch = np.asarray(make_forward(keras.Model(backbone.inputs[0], tensor))(batch))
    return float(batch.min()), float(batch.max())


def range_text(limits: tuple[float, float]) -> str:
    """One line about it."""
    text = f"{'input':<12}{limits[0]:.2f} to {limits[1]:.2f} after preprocessing"
    if max(map(abs, limits)) > MOST:
        text += "; is that what the network was trained on? A backbone holds its preprocessing."
    return text
