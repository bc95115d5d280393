import pytest
from keras import Input, Model, layers

from tl_strategies.backbones.cost import multiply_adds
from tl_strategies.backbones.units import find_units
from tl_strategies.backbones.zoo import load_backbone


def test_each_kind_of_kernel():
    inputs = Input((8, 8, 4))
    x = layers.Conv2D(6, 3, 2, "same", name="conv")(inputs)  # 4 x 4 places
    x = layers.ReLU()(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.ReLU()(x)
    x = layers.Conv2D(6, 1, groups=2, name="grouped")(x)
    x = layers.ReLU()(x)
    x = layers.Flatten()(x)
    x = layers.Dense(5, name="dense")(x)
    model = Model(inputs, x)
    costs = multiply_adds(model, find_units(model))
    assert costs == [16 * 9 * 4 * 6, 16 * 9 * 6, 16 * 6 * 6 // 2, 96 * 5]


def test_the_bundled_backbone_has_the_published_cost():
    """407 million with its classifier of 1.3 million, at 224 pixels (EfficientNet-Lite0)."""
    backbone = load_backbone("efficientnet_lite0", image_size=224)
    assert sum(multiply_adds(backbone, find_units(backbone))) == pytest.approx(406e6, rel=0.05)
