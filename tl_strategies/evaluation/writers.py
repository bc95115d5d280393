"""A model written in another format: LiteRT, ONNX, OpenVINO, SavedModel."""

import json
import logging
import pathlib
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tl_strategies.output import Shield
from tl_strategies.quiet import quiet_import

OPSET = 17  # of ONNX: what runtimes of 2022 and later know
INPUT, OUTPUT = "image", "probabilities"
LARGEST_HALF = 65504.0  # of float16


def write_model(
    model: keras.Model,
    file: pathlib.Path,
    name: str,
    precision: str,
    labels: Sequence[str],
    calibration: np.ndarray | None,
) -> None:
    """Write a model in a format, quietly.

    Args:
        model: float RGB images of shape (images, height, width, 3) in [0, 255] to probabilities.
        file: where it is written.
        name: of the format.
        precision: of its weights.
        labels: their names, which go into the file where it has a place for them.
        calibration: images of shape (images, height, width, 3), from which "int8" takes the ranges
            of what is computed.
    """
    batches = None if calibration is None else [c[None].astype("float32") for c in calibration]
    with warnings.catch_warnings(), redirect_stdout(Shield(None)), quiet_import(replay=False):
        warnings.simplefilter("ignore")
        WRITERS[name](model, file, precision, json.dumps(labels, ensure_ascii=False), batches)


def _litert(model: keras.Model, file: pathlib.Path, precision: str, _: str, batches: Any) -> None:
    options: dict[str, Any] = {}
    if precision != "float32":
        options["optimizations"] = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        options["target_spec"] = {"supported_types": [tf.float16]}
    if batches is not None:
        options["representative_dataset"] = lambda: ([batch] for batch in batches)
    model.export(file, format="litert", verbose=False, **options)


def _onnx(
    model: keras.Model, file: pathlib.Path, precision: str, labels: str, batches: Any
) -> None:
    import onnx
    import tf2onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    logging.getLogger("tensorflow").addFilter(_is_no_deprecation)
    # Otherwise tf2onnx takes constants of preprocessing for inputs.
    frozen = convert_variables_to_constants_v2(_concrete(model))
    names = {frozen.inputs[0].name: INPUT, frozen.outputs[0].name: OUTPUT}
    ends = [[tensor] for tensor in names]
    proto, _ = tf2onnx.convert.from_graph_def(
        frozen.graph.as_graph_def(), "model", *ends, opset=OPSET, tensors_to_rename=names
    )
    for end in (proto.graph.input[0], proto.graph.output[0]):
        end.type.tensor_type.shape.dim[0].dim_param = "images"
    if precision == "float16":
        proto = convert_float_to_float16(proto, keep_io_types=True, max_finite_val=LARGEST_HALF)
    elif precision == "int8":
        proto = _quantized(proto, batches)
    onnx.helper.set_model_props(proto, {"labels": labels})
    onnx.save(proto, file)


def _quantized(proto: Any, batches: Sequence[np.ndarray]) -> Any:
    """An ONNX model whose kernels and what they compute are of 8 bits."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        """Hands out one image after the other."""

        def __init__(self):
            self.batches: Iterator[np.ndarray] = iter(batches)

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self.batches, None)
            return None if batch is None else {INPUT: batch}

    with tempfile.TemporaryDirectory() as aside:
        before, after = (str(pathlib.Path(aside, name)) for name in ("float.onnx", "int8.onnx"))
        onnx.save(proto, before)
        quant_pre_process(before, before, skip_symbolic_shape=True)
        quantize_static(before, after, Reader(), per_channel=True)
        return onnx.load(after)


def _openvino(
    model: keras.Model, file: pathlib.Path, precision: str, labels: str, batches: Any
) -> None:
    import openvino

    converted = openvino.convert_model(_concrete(model))
    converted.outputs[0].tensor.set_names({OUTPUT})
    if precision == "int8":
        import nncf

        converted = nncf.quantize(converted, nncf.Dataset(batches), subset_size=len(batches))
    converted.set_rt_info(labels, ["model_info", "labels"])
    openvino.save_model(converted, file, compress_to_fp16=precision == "float16")


def _saved_model(model: keras.Model, file: pathlib.Path, *_: Any) -> None:
    model.export(file, format="tf_saved_model", verbose=False)


WRITERS = {
    "litert": _litert,
    "onnx": _onnx,
    "openvino": _openvino,
    "saved_model": _saved_model,
}


def _concrete(model: keras.Model) -> Any:
    """The model in inference mode as one graph of TensorFlow."""

    @tf.function(jit_compile=False)
    def forward(image):
        return model(image, training=False)

    return forward.get_concrete_function(
        tf.TensorSpec(model.inputs[0].shape, "float32", name=INPUT)
    )


def _is_no_deprecation(record: logging.LogRecord) -> bool:
    return "deprecated" not in str(record.msg)
