"""What a network costs to compute, counted from shapes."""

import math

import keras

from tl_strategies.backbones.units import Unit


def multiply_adds(backbone: keras.Model, units: list[Unit]) -> list[int]:
    """Multiply-adds of each unit for one image, of its convolutions and matrix products."""
    return [sum(_multiply_adds(backbone.get_layer(name)) for name in unit.layers) for unit in units]


def _multiply_adds(layer: keras.layers.Layer) -> int:
    kernels = sum(math.prod(weight.shape) for weight in layer.weights if len(weight.shape) > 1)
    places = math.prod(layer.output.shape[1:-1]) if kernels else 0
    return kernels * places
