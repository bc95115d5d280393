"""Features: the output of the frozen prefix for each image, computed once and kept in the store."""

import hashlib
import json
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from tl_strategies.data.images import Images
from tl_strategies.data.store import Entry, Store

BATCH = 32  # fixed, so that a value does not depend on who asks for it


def compute_features(
    prefix: keras.Model,
    images: Images,
    positions: np.ndarray,
    store: Store,
    progress: Callable[[int], None],
) -> Entry:
    """The prefix's output for some images.

    Args:
        prefix: from images to features; runs in inference mode.
        images: the data set.
        positions: in the listing, of shape (count,).
        store: where features are kept.
        progress: called with the number of images done.

    Returns:
        The store's entry; its array is float32 of shape (count, *features).
    """
    rows = images.rows[positions]

    def compute(out: np.ndarray) -> None:
        for start, features in run_batches(prefix, images.array, rows):
            out[start : start + len(features)] = features
            progress(min(start + BATCH, len(rows)))

    key = {
        "prefix": model_digest(prefix),
        "images": images.digest,
        "rows": hashlib.sha256(rows.astype("int64").tobytes()).hexdigest(),
        "tensorflow": tf.__version__,
    }
    shape = (len(rows), *prefix.outputs[0].shape[1:])
    return store.fetch(key, shape, "float32", compute)


def run_batches(model: keras.Model, array: np.ndarray, rows: np.ndarray):
    """Yield (start, output) over full batches of rows; the last one is padded, then cut.

    XLA is off: on the CPU it makes convolutions several times slower.
    """

    @tf.function(jit_compile=False, reduce_retracing=True)
    def forward(batch):
        return model(tf.cast(batch, "float32"), training=False)

    for start in range(0, len(rows), BATCH):
        chosen = rows[start : start + BATCH]
        batch = array[np.resize(chosen, BATCH)]
        yield start, forward(batch).numpy()[: len(chosen)]


def model_digest(model: keras.Model) -> str:
    """Digest of a model's structure and weights, whatever its layers are called."""
    config = json.dumps(model.get_config(), sort_keys=True, default=str)
    names = {model.name: "model"}
    names |= {layer.name: f"#{i}" for i, layer in enumerate(model.operations)}
    for name, number in names.items():
        config = config.replace(json.dumps(name), json.dumps(number))
    digest = hashlib.sha256(config.encode())
    for weight in model.weights:
        digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return digest.hexdigest()
