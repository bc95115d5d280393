"""float32 throughout, whatever a file or the session says."""

from typing import Any

import keras

from tl_strategies.backbones.surgery import leaves
from tl_strategies.errors import UsageError

OTHERS = ("float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16")


def float32_config(config: Any) -> Any:
    """A layer's configuration and those of layers inside it, with float32 for other floats."""
    if isinstance(config, list | tuple):
        return (list if isinstance(config, list) else tuple)(map(float32_config, config))
    if not isinstance(config, dict):
        return config
    if "DTypePolicy" in str(config.get("class_name")):
        return keras.dtype_policies.serialize(keras.DTypePolicy("float32"))
    return {
        key: "float32" if key == "dtype" and value in OTHERS else float32_config(value)
        for key, value in config.items()
    }


def require_float(model: keras.Model, name: str) -> None:
    """Check that a model, as it was loaded, is not quantized.

    Raises:
        UsageError: it is; the weights that it had are gone.
    """
    for leaf in (leaf for layer in model.layers for leaf in leaves(layer)):
        mode = getattr(leaf, "quantization_mode", None)
        if mode is not None:
            raise UsageError(
                f"--backbone must not be quantized. Received: {name}, whose layer {leaf.name!r} is "
                f"{mode}. Give the model as it was before `quantize`."
            )


def compute_in_float32(layer: keras.layers.Layer) -> None:
    """Make a layer that is not yet built float32, and those inside it, whatever their code says."""
    for leaf in leaves(layer):
        if leaf.compute_dtype in OTHERS:
            leaf.dtype_policy = "float32"


def require_float32_weights(model: keras.Model, name: str) -> None:
    """Check the weights that layers have made.

    Raises:
        UsageError: one is of another float.
    """
    for weight in model.weights:
        if keras.backend.standardize_dtype(weight.dtype) in OTHERS:
            raise UsageError(
                f"--backbone must have weights that can be float32. Received: {name}, whose layer "
                f"makes {weight.path} as {weight.dtype}."
            )
