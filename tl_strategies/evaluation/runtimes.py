"""Each format in its own runtime, on the processor: from a batch of images to probabilities."""

import os
import pathlib

import numpy as np

from tl_strategies.quiet import quiet_import
from tl_strategies.training.forward import BATCH, Forward


def load_export(file: pathlib.Path, name: str) -> Forward:
    """What runs a file of a format on batches of shape (BATCH, height, width, 3)."""
    with quiet_import(replay=False):
        return RUNTIMES[name](file)


def _litert(file: pathlib.Path) -> Forward:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(file), num_threads=os.cpu_count())
    image = interpreter.get_input_details()[0]
    interpreter.resize_tensor_input(image["index"], (BATCH, *image["shape"][1:]))
    interpreter.allocate_tensors()
    output = interpreter.get_output_details()[0]["index"]

    def forward(batch: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(image["index"], batch.astype("float32"))
        interpreter.invoke()
        return interpreter.get_tensor(output)

    return forward


def _onnx(file: pathlib.Path) -> Forward:
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (image,) = session.get_inputs()
    return lambda batch: session.run(None, {image.name: batch.astype("float32")})[0]


def _openvino(file: pathlib.Path) -> Forward:
    import openvino

    # It would compute in bfloat16 where the processor can: probabilities differ by some percent.
    hint = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.compile_model(file, "CPU", hint)
    return lambda batch: compiled(batch.astype("float32"))[0]


def _saved_model(file: pathlib.Path) -> Forward:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(file))
    return lambda batch: loaded.serve(tf.constant(batch, "float32")).numpy()


RUNTIMES = {
    "litert": _litert,
    "onnx": _onnx,
    "openvino": _openvino,
    "saved_model": _saved_model,
}
