from keras import Input, Model, layers

from tl_strategies.backbones.cost import multiply_adds
from tl_strategies.backbones.units import find_units


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
