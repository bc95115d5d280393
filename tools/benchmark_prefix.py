"""Time a frozen network over images in memory: Keras, ours without and with folding, ONNX Runtime.

    python tools/benchmark_prefix.py [BACKBONE …] [--image_size 128] [--rounds 5]

All run in turn in one process, on batches of 48; each has the best of its rounds. Keras is
`predict` of the model compiled without XLA, which makes convolutions slower. ONNX Runtime has the
float32 export of `tl-export`. Weights other than the bundled ones are random. Prints images a
second and their ratios to Keras. Takes about 3 minutes on 2 cores.
"""

import argparse
import os
import pathlib
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import tl_strategies as tl
from tl_strategies.backbones.names import BUNDLED
from tl_strategies.evaluation.runtimes import load_export
from tl_strategies.evaluation.writers import write_model
from tl_strategies.training.forward import BATCH, make_forward, traced

BACKBONES = (BUNDLED, "mobilenetv2", "mobilenetv3large", "resnet50", "densenet121")
BATCHES = 6  # a round
WAYS = ("Keras `predict`", "ours, unfolded", "ours", "ONNX Runtime")


def ways(model: keras.Model) -> dict:
    """From a batch to its features, in each of the ways that there are here."""
    plain = traced(model)
    calls = [
        lambda batch: model.predict(batch, BATCH, verbose=0),
        lambda batch: plain(keras.ops.convert_to_tensor(batch)).numpy(),
        make_forward(model),
    ]
    try:
        with tempfile.TemporaryDirectory() as place:
            file = pathlib.Path(place, "model.onnx")
            write_model(model, file, "onnx", "float32", [], None)
            calls.append(load_export(file, "onnx"))
    except ImportError as error:
        print(f"without ONNX Runtime: {error}")
    return dict(zip(WAYS, calls, strict=False))


def measure(name: str, size: int, rounds: int) -> dict[str, float]:
    """Images a second by way."""
    weights = "imagenet" if name == BUNDLED else "none"
    model = tl.load_backbone(name, weights, image_size=(size, size))
    model.compile(jit_compile=False)
    shape = (BATCH * BATCHES, size, size, 3)
    images = np.random.default_rng(0).uniform(0, 255, shape).astype("float32")
    calls, best = ways(model), {}
    expected = calls[WAYS[0]](images[:BATCH])
    for way, call in calls.items():
        difference = np.abs(call(images[:BATCH]) - expected).max() / np.abs(expected).max()
        assert difference < 1e-4, f"{way}: {difference}"
    for _ in range(rounds):
        for way, call in calls.items():
            start = time.perf_counter()
            if way == WAYS[0]:  # all at once: it is slow to begin
                call(images)
            else:
                for first in range(0, len(images), BATCH):
                    call(images[first : first + BATCH])
            best[way] = max(best.get(way, 0.0), len(images) / (time.perf_counter() - start))
    return best


def row(name: str, best: dict[str, float]) -> str:
    """Of a Markdown table."""
    cells = [f"{best[WAYS[0]]:,.0f}"]
    cells += [f"{best[w]:,.0f} ({best[w] / best[WAYS[0]]:.2f} ×)" for w in WAYS[1:] if w in best]
    cells += ["–"] * (len(WAYS) - len(cells))
    return f"| {' | '.join([name, *cells])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("backbones", nargs="*", default=BACKBONES)
    parser.add_argument("--image_size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    flags = parser.parse_args()
    print(f"load of the machine: {os.getloadavg()[0]:.2f}, of {os.cpu_count()} cores")
    print(f"| images/s | {' | '.join(WAYS)} |\n|{'---|' * (len(WAYS) + 1)}")
    for name in flags.backbones:
        print(row(name, measure(name, flags.image_size, flags.rounds)), flush=True)


if __name__ == "__main__":
    main()
