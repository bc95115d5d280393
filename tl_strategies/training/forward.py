"""Running a network over rows, in inference mode; what determines its output; its input's range."""

import concurrent.futures
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tl_strategies.backbones.folding import assign_folded, fold
from tl_strategies.backbones.units import first_kernel_input
from tl_strategies.data.images import Images
from tl_strategies.store.rows import LazyRows

# A multiple of the rows that matrix kernels take at a time (24 with AVX2, 48 with AVX-512): a rest
# is rounded in another way, and an image's features would depend on its place in the batch.
BATCH = 48
RANGE_IMAGES = 32  # whose range is looked at
LARGE = 20  # values above are hardly preprocessed

Forward = Callable[[np.ndarray], np.ndarray]


class FoldedForward:
    """From a batch to a model's output in inference mode, by what `fold` makes of the model.

    The weights are those that the model has at the first call, or at the first one after `renew`.
    """

    def __init__(self, model: keras.Model):
        self._model = model
        self._made: tuple[keras.Model, Callable] | None = None
        self._renewed = False

    def renew(self) -> None:
        """Have the next call look at the model's weights again: they may have changed."""
        self._renewed = True

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        if self._made is None:  # only when it is used: what the store has is not computed
            folded = fold(self._model)
            self._made = folded, traced(folded)
        elif self._renewed:
            assign_folded(self._made[0], self._model)
        self._renewed = False  # not before: another thread would compute with the old weights
        return self._made[1](tf.constant(batch, "float32")).numpy()


def make_forward(model: keras.Model) -> FoldedForward:
    """A function from a batch to the output, in inference mode, of a model trained no more."""
    return FoldedForward(model)


def traced(model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """The model in inference mode as one graph.

    XLA is off: on the CPU it makes convolutions several times slower.
    """

    @tf.function(jit_compile=False)
    def forward(batch):
        return tf.cast(model(batch, training=False), "float32")

    return forward.get_concrete_function(tf.TensorSpec(model.inputs[0].shape, "float32"))


def run_rows(
    forward: Forward,
    array: np.ndarray | LazyRows | Images,
    rows: np.ndarray,
    progress: Callable[[int], None] = lambda done: None,
) -> Iterator[np.ndarray]:
    """Yield the output for each of these rows.

    They go through in full batches, of which the last one is padded. The next batch is read or
    augmented while the model computes.
    """
    starts = range(0, len(rows), BATCH)
    batches = (array[np.resize(rows[start : start + BATCH], BATCH)] for start in starts)
    for start, batch in zip(starts, one_ahead(batches), strict=True):
        stop = min(start + BATCH, len(rows))
        yield from forward(batch)[: stop - start]
        progress(stop)


def one_ahead(items: Iterable) -> Iterator:
    """Items, none of which is None; the next one is made meanwhile, by another thread."""
    items = iter(items)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, items, None)
        while (item := waiting.result()) is not None:
            waiting = pool.submit(next, items, None)
            yield item


def identity_of(kind: str, images: Images, **models: keras.Model) -> dict[str, Any]:
    """What determines outputs: the model, how images are decoded, versions, and GPUs if any."""
    gpus = tf.config.list_physical_devices("GPU")
    names = [tf.config.experimental.get_device_details(gpu).get("device_name") for gpu in gpus]
    digests = {name: model_digest(model) for name, model in models.items()}
    versions = [tf.__version__, keras.__version__]
    return {"kind": kind, **digests, "images": images.decoding, "versions": versions, "gpus": names}


def model_digest(model: keras.Model) -> str:
    """Digest of a model's structure and weights, whatever its layers are called."""
    numbers = {layer.name: f"#{i}" for i, layer in enumerate(model.operations)}
    numbers[model.name] = "model"

    def numbered(node):
        """The same configuration with numbers in the place of names."""
        if isinstance(node, dict):
            return {
                key: numbers.get(value, value) if key == "name" else numbered(value)
                for key, value in node.items()
            }
        if isinstance(node, list | tuple):
            if len(node) == 3 and isinstance(node[0], str) and isinstance(node[1], int):
                return [numbers.get(node[0], node[0]), *node[1:]]  # a reference to an output
            return [numbered(item) for item in node]
        return node

    config = json.dumps(numbered(model.get_config()), sort_keys=True, default=str)
    digest = hashlib.sha256(config.encode())
    for weight in model.weights:
        digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return digest.hexdigest()


def input_range(backbone: keras.Model, images: Images) -> tuple[float, float]:
    """The lowest and the highest value that the first kernel gets, of some training images."""
    batch = images[images.positions("train")[:RANGE_IMAGES]].astype("float32")
    tensor = first_kernel_input(backbone)
    if tensor is not backbone.inputs[0]:
        batch = make_forward(keras.Model(backbone.inputs[0], tensor))(batch)
    return float(batch.min()), float(batch.max())


def range_text(limits: tuple[float, float]) -> str:
    """One line about it: wrong preprocessing shows there."""
    text = f"{'input':<12}{limits[0]:.2f} to {limits[1]:.2f} after preprocessing"
    if max(map(abs, limits)) > LARGE:
        text += "; is that what the network was trained on? A backbone holds its preprocessing."
    return text
