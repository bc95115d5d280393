"""Time our engine against the same training written by hand in Keras, and against the bound.

    python tools/benchmark_engine.py --out docs

By hand is what Keras's transfer-learning guide does: the frozen backbone inside the model, `fit` on
images held in memory, validation after each epoch. The bound is one pass through the prefix at the
best throughput of several batch sizes, and `fit` of the suffix on arrays in memory. All run one
after the other in this process, by hand first, because our engine also sets how the process's
memory is managed. Takes about 20 minutes on 2 cores.
"""

import argparse
import os
import pathlib
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import tl_strategies as tl
from tl_strategies.backbones.surgery import cut
from tl_strategies.backbones.units import unit_output
from tl_strategies.data.images import load_images
from tl_strategies.data.parts import Splitting
from tl_strategies.data.sources import list_dataset
from tl_strategies.store.store import Store
from tl_strategies.training.forward import make_forward

BATCH, RATE = 32, 3e-3
ROWS = (("head", None, 20), ("partial", 6, 10), ("partial", 9, 10), ("partial", 13, 10))


def load() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Decoded images and labels of each part."""
    listing = list_dataset("clipart")
    images = load_images(listing, 128, Splitting(), Store(None), lambda done: None)
    positions = {part: images.positions(part) for part in ("train", "validation", "test")}
    return {part: (images[at], images.listing.labels[at]) for part, at in positions.items()}


def classifier(tensor, labels: int):
    pooled = keras.layers.GlobalAveragePooling2D()(tensor)
    return keras.layers.Dense(labels, "softmax")(pooled)


def compile_model(model: keras.Model, rate: float) -> None:
    optimizer = keras.optimizers.Adam(rate)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])


def by_hand(data, n: int | None, epochs: int) -> tuple[float, float]:
    """Seconds of `fit` and test accuracy."""
    keras.utils.set_random_seed(0)
    backbone = tl.load_backbone("efficientnet_lite0")
    frozen = len(backbone.layers)
    if n is not None:
        last = unit_output(backbone, tl.find_units(backbone)[n - 1])
        frozen = [layer.output for layer in backbone.layers].index(last) + 1
    for layer in backbone.layers[:frozen]:
        layer.trainable = False
    inputs = keras.Input((128, 128, 3))
    model = keras.Model(inputs, classifier(backbone(inputs, training=False), 10))
    compile_model(model, RATE if n is None else RATE / 10)
    sets = {part: tf.data.Dataset.from_tensor_slices(arrays) for part, arrays in data.items()}
    train = sets["train"].shuffle(1000, seed=0).batch(BATCH).prefetch(tf.data.AUTOTUNE)
    validation = sets["validation"].batch(BATCH).prefetch(tf.data.AUTOTUNE)
    start = time.perf_counter()
    model.fit(train, validation_data=validation, epochs=epochs, verbose=0)
    seconds = time.perf_counter() - start
    return seconds, model.evaluate(*data["test"], verbose=0)[1]


def ours(runs: pathlib.Path, strategy: str, n: int | None, epochs: int, name: str):
    """Seconds of features and fit, and test accuracy."""
    run = tl.fit(
        strategy, n=n, epochs=epochs, run_dir=runs / name, cache_dir=runs / f"cache-{strategy}-{n}"
    )
    seconds = run.metrics["seconds"]
    return seconds["features"] + seconds["fit"], run.metrics["test"]["accuracy"]


def bound(data, n: int | None, epochs: int) -> float:
    """Seconds of one pass at the best throughput, and of `fit` on arrays in memory."""
    keras.utils.set_random_seed(0)
    backbone = tl.load_backbone("efficientnet_lite0")
    units = tl.find_units(backbone)
    tensor = keras.layers.GlobalAveragePooling2D()(backbone.output)
    model = keras.Model(backbone.input, keras.layers.Dense(10, "softmax")(tensor))
    prefix, suffix = cut(model, tensor if n is None else unit_output(model, units[n - 1]))
    for layer in suffix.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    forward = make_forward(prefix)
    images = np.concatenate([data["train"][0], data["validation"][0]])
    best = min(_pass(forward, images[:512], size) for size in (16, 32, 64, 128)) / 512
    features = {
        part: np.concatenate([forward(array[i : i + BATCH]) for i in range(0, len(array), BATCH)])
        for part, (array, _) in data.items()
        if part != "test"
    }
    compile_model(suffix, RATE if n is None else RATE / 10)
    start = time.perf_counter()
    suffix.fit(
        features["train"],
        data["train"][1],
        BATCH,
        validation_data=(features["validation"], data["validation"][1]),
        epochs=epochs,
        verbose=0,
    )
    return best * len(images) + time.perf_counter() - start


def _pass(forward, images: np.ndarray, size: int) -> float:
    forward(images[:size])
    start = time.perf_counter()
    for i in range(0, len(images), size):
        forward(images[i : i + size])
    return time.perf_counter() - start


def table(rows: list[dict]) -> str:
    """Markdown: seconds, ratios to by hand and to the bound, accuracies."""
    lines = [
        "| strategy | epochs | by hand, s | ours, s | again, s | faster | again | ours / bound | "
        "test by hand | test ours |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        hand, first, again = row["hand"][0], row["first"][0], row["again"][0]
        cells = [row["name"], row["epochs"], f"{hand:.0f}", f"{first:.1f}", f"{again:.1f}"]
        cells += [f"{hand / first:.1f} ×", f"{hand / again:.1f} ×", f"{first / row['bound']:.2f}"]
        cells += [f"{100 * row['hand'][1]:.1f}", f"{100 * row['first'][1]:.1f}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, help="directory for engine.md")
    parser.add_argument("--rows", type=int, nargs="*", default=range(len(ROWS)))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        runs = pathlib.Path(directory)
        data = load()
        rows = []
        for strategy, n, epochs in (ROWS[i] for i in arguments.rows):
            name = strategy if n is None else f"{strategy}, n = {n}"
            rows.append({"name": name, "epochs": epochs, "hand": by_hand(data, n, epochs)})
            print(f"{name} by hand: {rows[-1]['hand'][0]:.1f} s", flush=True)
        for row, i in zip(rows, arguments.rows, strict=True):
            strategy, n, epochs = ROWS[i]
            row["first"] = ours(runs, strategy, n, epochs, f"{i}-first")
            row["again"] = ours(runs, strategy, n, epochs, f"{i}-again")
            row["bound"] = bound(data, n, epochs)
    print(table(rows))
    if arguments.out:
        (arguments.out / "engine.md").write_text(table(rows))


if __name__ == "__main__":
    main()
