"""Time `tl-search` against its bound, and against training every model by itself.

    python tools/benchmark_search.py --out docs

Two workloads on the bundled data and backbone: `depths`, all 19 depths with 4 epochs each; and
`grid`, that of Nautilus (Nakandala and Kumar, SIGMOD 2022) scaled down: four depths, two batch
sizes and three learning rates, 5 epochs on 500 images.

By hand is `fit` of the whole model with its frozen units inside, as in Keras's transfer-learning
guide; two epochs are timed, and the second stands for all later ones; of `depths` every third is
timed, and the others lie on the line between. Learning rates take the same time: by hand and for
the bound one is timed, and counts for all. The bound is one pass of all
images through the prefix, from each depth on to the next, and `fit` of each suffix on arrays in
memory, with the memory settings that our engine uses. Counting FLOPs, training costs three times
the forward pass of what is trained. All are measured in this call: by hand first, because the
memory settings cannot be taken back, then the bound, then the command from its start to its end.
Takes about 40 minutes on 2 cores.
"""

import argparse
import collections
import itertools
import os
import pathlib
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from benchmark_engine import RATE, classifier, compile_model

import tl_strategies as tl
from tl_strategies.backbones.surgery import cut
from tl_strategies.backbones.units import multiply_adds, unit_output
from tl_strategies.data.images import load_images
from tl_strategies.data.parts import Splitting
from tl_strategies.data.sources import list_dataset
from tl_strategies.store.store import Store
from tl_strategies.training.forward import BATCH, make_forward
from tl_strategies.training.memory import keep_freed_memory

GRID_SPACE = """n = [6, 9, 12, 15]
batch_size = [16, 32]
learning_rate = [1e-3, 3e-3, 1e-2]
"""
WORKLOADS = {
    "depths": {
        "models": [(n, 32, 3e-3) for n in range(19)],
        "epochs": 4,
        "limit": None,
        "flags": ["--depths", "all"],
    },
    "grid": {
        "models": list(itertools.product((6, 9, 12, 15), (16, 32), (1e-3, 3e-3, 1e-2))),
        "epochs": 5,
        "limit": 500,
        "flags": ["--space", "SPACE", "--limit", "500"],
    },
}


def load(limit: int | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Decoded images and labels of each part."""
    listing = list_dataset("clipart")
    images = load_images(listing, 128, Splitting(limit=limit), Store(None), lambda done: None)
    positions = {part: images.positions(part) for part in ("train", "validation", "test")}
    return {part: (images[at], images.listing.labels[at]) for part, at in positions.items()}


class _EpochTimes(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.times = [time.perf_counter()]

    def on_epoch_end(self, epoch, logs=None):
        self.times.append(time.perf_counter())


def freeze(layers, count: int) -> None:
    """The first layers frozen; all BatchNormalization too, as ours."""
    for i, layer in enumerate(layers):
        layer.trainable = i >= count and not isinstance(layer, keras.layers.BatchNormalization)


def all_by_hand(data, models: list[tuple[int, int, float]], epochs: int) -> float:
    """Seconds of training every model by itself."""
    if len({n for n, _, _ in models}) < len(models):
        timed = {(n, batch): by_hand(data, n, batch, epochs) for n, batch, _ in models}
        return sum(timed[n, batch] for n, batch, _ in models)
    depths = [n for n, _, _ in models]
    seconds = [by_hand(data, n, models[0][1], epochs) for n in depths[::3]]
    return float(np.interp(depths, depths[::3], seconds).sum())


def by_hand(data, n: int, batch: int, epochs: int) -> float:
    """Seconds of `fit` of the whole model, from two epochs."""
    keras.utils.clear_session()
    backbone = tl.load_backbone("efficientnet_lite0")
    outputs = [layer.output for layer in backbone.layers]
    count = outputs.index(unit_output(backbone, tl.find_units(backbone)[n - 1])) + 1 if n else 0
    freeze(backbone.layers, count)
    inputs = keras.Input((128, 128, 3))
    model = keras.Model(inputs, classifier(backbone(inputs, training=False), 10))
    compile_model(model, RATE / 10)
    times = _EpochTimes()
    fit = {"validation_data": data["validation"], "epochs": 2, "verbose": 0, "callbacks": [times]}
    model.fit(*data["train"], batch, **fit)
    began, first, second = times.times
    return first - began + (epochs - 1) * (second - first)


def bound(data, models: list[tuple[int, int, float]], epochs: int) -> tuple[float, float]:
    """Seconds of the pass through the prefix, and of all trainings of suffixes."""
    features = {part: array for part, (array, _) in data.items()}
    reached, passed, trained = 0, 0.0, 0.0
    counts = collections.Counter((n, batch) for n, batch, _ in models)
    for (n, batch), count in sorted(counts.items()):
        keras.utils.clear_session()
        backbone = tl.load_backbone("efficientnet_lite0")
        units = tl.find_units(backbone)
        model = keras.Model(backbone.input, classifier(backbone.output, 10))
        if n > reached:
            middle = unit_output(model, units[reached - 1]) if reached else model.inputs[0]
            forward = make_forward(keras.Model(middle, unit_output(model, units[n - 1])))
            start = time.perf_counter()
            features = {part: _pass(forward, array) for part, array in features.items()}
            passed += time.perf_counter() - start
            reached = n
        suffix = cut(model, unit_output(model, units[n - 1]))[1] if n else model
        freeze(suffix.layers, 0)
        compile_model(suffix, RATE / 10)
        validation = features["validation"], data["validation"][1]
        start = time.perf_counter()
        suffix.fit(
            *(features["train"], data["train"][1], batch),
            **{"validation_data": validation, "epochs": epochs, "verbose": 0},
        )
        trained += count * (time.perf_counter() - start)
    return passed, trained


def _pass(forward, array: np.ndarray) -> np.ndarray:
    batches = range(0, len(array), BATCH)
    padded = [np.resize(array[i : i + BATCH], (BATCH, *array.shape[1:])) for i in batches]
    return np.concatenate([forward(batch) for batch in padded])[: len(array)]


def flops_bound(models: list[tuple[int, int, float]], epochs: int) -> float:
    """How much faster than by hand one pass and the suffixes are, if only FLOPs count."""
    backbone = tl.load_backbone("efficientnet_lite0")
    costs = multiply_adds(backbone, tl.find_units(backbone))
    suffixes = sum(3 * epochs * sum(costs[n:]) for n, _, _ in models)
    prefixes = sum(epochs * sum(costs[:n]) for n, _, _ in models)
    return (prefixes + suffixes) / (sum(costs[: max(n for n, _, _ in models)]) + suffixes)


def ours(directory: pathlib.Path, flags: list[str], epochs: int) -> float:
    """Seconds of the command, from its start to its end."""
    space = directory / "space.toml"
    space.write_text(GRID_SPACE)
    flags = [str(space) if flag == "SPACE" else flag for flag in flags]
    command = [sys.executable, "-m", "tl_apps.tl_search", *flags, "--epochs", str(epochs)]
    where = ["--run_dir", str(directory / "run"), "--cache_dir", str(directory / "cache")]
    start = time.perf_counter()
    subprocess.run([*command, *where], check=True)
    return time.perf_counter() - start


def measure(names: list[str], without_hand: bool) -> dict[str, dict[str, float]]:
    """Seconds of each workload, each way."""
    data = {name: load(WORKLOADS[name]["limit"]) for name in names}
    rows = {name: {"models": len(WORKLOADS[name]["models"])} for name in names}
    for name, row in rows.items():
        models, epochs = WORKLOADS[name]["models"], WORKLOADS[name]["epochs"]
        row["flops"] = flops_bound(models, epochs)
        row["hand"] = float("nan")
        if not without_hand:
            row["hand"] = all_by_hand(data[name], models, epochs)
    keep_freed_memory()
    for name, row in rows.items():
        models, epochs = WORKLOADS[name]["models"], WORKLOADS[name]["epochs"]
        row["passed"], row["trained"] = bound(data[name], models, epochs)
        with tempfile.TemporaryDirectory() as directory:
            row["ours"] = ours(pathlib.Path(directory), WORKLOADS[name]["flags"], epochs)
        print(name, {key: round(value, 2) for key, value in row.items()}, flush=True)
    return rows


def table(rows: dict[str, dict[str, float]]) -> str:
    """Markdown: seconds, and ratios."""
    lines = [
        "| workload | models | by hand, s | bound, s | ours, s | ours / bound | faster than by "
        "hand | bound, measured | bound by FLOPs |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        limit = row["passed"] + row["trained"]
        cells = [
            name,
            f"{row['models']}",
            f"{row['hand']:.0f}",
            f"{limit:.0f}",
            f"{row['ours']:.0f}",
        ]
        cells += [f"{row['ours'] / limit:.2f}", f"{row['hand'] / row['ours']:.2f} ×"]
        cells += [f"{row['hand'] / limit:.2f} ×", f"{row['flops']:.2f} ×"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, help="directory for search.md")
    parser.add_argument("--workloads", nargs="*", default=list(WORKLOADS), choices=WORKLOADS)
    parser.add_argument("--without_hand", action="store_true", help="leave the slowest part out")
    arguments = parser.parse_args()
    rows = measure(arguments.workloads, arguments.without_hand)
    print(table(rows))
    if arguments.out:
        (arguments.out / "search.md").write_text(table(rows))


if __name__ == "__main__":
    main()
