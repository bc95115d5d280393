"""Folding: in inference, BatchNormalization behind a kernel is another kernel and a bias."""

from collections.abc import Iterator

import keras
import numpy as np
from keras import layers

from tl_strategies.backbones.surgery import clone_layer
from tl_strategies.backbones.units import block_name

VERSION = 1  # of the rule: folded networks compute what they stand for up to rounding
KERNELS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D, layers.Dense)


def fold(model: keras.Model) -> keras.Model:
    """A model for inference, of what a functional model computes, with less to do.

    Where nobody else reads what a linear kernel computes, BatchNormalization that follows is folded
    into it. All other layers are the model's own. Weights are those that it has now.
    """
    kernels = {kernel.name for kernel, _ in _pairs(model)}
    norms = {norm.name for _, norm in _pairs(model)}
    if not kernels:
        return model

    def call(layer, *args, **kwargs):
        return args[0] if layer.name in norms else layer(*args, **kwargs)

    folded = keras.models.clone_model(
        keras.Model(model.input, model.output, name=model.name),  # one that is not compiled
        clone_function=lambda layer: clone_layer(layer, _empty) if layer.name in kernels else layer,
        call_function=call,
    )
    assign_folded(folded, model)
    return folded


def assign_folded(folded: keras.Model, model: keras.Model) -> None:
    """Give what `fold` has made of a model the weights that the model has now."""
    for kernel, norm in _pairs(model):
        scale = 1 / np.sqrt(_value(norm.moving_variance) + norm.epsilon)
        scale = scale * _value(norm.gamma) if norm.scale else scale
        bias = _value(kernel.bias) if kernel.use_bias else 0
        bias = (bias - _value(norm.moving_mean)) * scale
        bias = bias + _value(norm.beta) if norm.center else bias
        *others, last = (_value(weight) for weight in kernel.weights if len(weight.shape) > 1)
        shape = last.shape[-2:] if type(kernel) is layers.DepthwiseConv2D else last.shape[-1:]
        folded.get_layer(kernel.name).set_weights([*others, last * scale.reshape(shape), bias])


def _pairs(model: keras.Model) -> Iterator[tuple[layers.Layer, layers.BatchNormalization]]:
    """Kernels and the BatchNormalization that can be folded into each."""
    nodes = [node for level in getattr(model, "_nodes_by_depth", {}).values() for node in level]
    calls = [node.operation.name for node in nodes]
    read = [id(tensor) for node in nodes for tensor in node.input_tensors]
    read += map(id, getattr(model, "outputs", ()))
    for node in nodes:
        for parent in (
            node.parent_nodes if type(node.operation) is layers.BatchNormalization else ()
        ):
            kernel, norm = parent.operation, node.operation
            if (
                calls.count(kernel.name) == calls.count(norm.name) == 1
                and read.count(id(parent.outputs[0])) == 1
                and not node.arguments.kwargs.get("training")
                and norm.compute_dtype == kernel.compute_dtype
                and norm.axis in (-1, len(parent.outputs[0].shape) - 1)
                # A cut may lie where another block begins, and must not change what is computed.
                and block_name([node]) in (None, block_name([parent]))
                and _is_linear(kernel)
            ):
                yield kernel, norm


def _is_linear(kernel: keras.Operation) -> bool:
    """Is it a plain kernel, perhaps with a bias, whose channels come last?"""
    return (
        type(kernel) in KERNELS
        and kernel.activation is keras.activations.linear
        and getattr(kernel, "data_format", "channels_last") == "channels_last"
        and not getattr(kernel, "lora_enabled", False)
        and not getattr(kernel, "quantization_mode", None)
    )


def _empty(config: dict) -> dict:
    """The configuration of a kernel with a bias that draws and regularizes nothing."""
    ends = {"initializer": "zeros", "regularizer": None, "constraint": None}
    new = {key: ends[end] for key in config if (end := key.split("_")[-1]) in ends}
    return config | new | {"use_bias": True, "trainable": False}


def _value(weight: keras.Variable) -> np.ndarray:
    return keras.ops.convert_to_numpy(weight).astype("float64")
