"""Time `tl-predict` on 10,000 small images against the bare model on decoded arrays.

    python tools/benchmark_predict.py RUN [--images 10000]

RUN is a run on the bundled data, whose images are predicted again and again. The bare model gets
batches of the same size that are in memory; tl-predict is timed from the first image on, with the
writing of its table. Prints images a second, their ratio, and by how much memory has grown. Takes
about a minute on 2 cores.
"""

import argparse
import os
import pathlib
import resource
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from tl_apps.tl_predict import _writer
from tl_strategies.data.decode import decode_images
from tl_strategies.data.sources import unpack_clipart
from tl_strategies.evaluation.predict import Predictor, image_paths
from tl_strategies.training.forward import BATCH, make_forward


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("--images", type=int, default=10_000)
    flags = parser.parse_args()
    paths = image_paths([str(unpack_clipart())])
    paths = (paths * (flags.images // len(paths) + 1))[: flags.images]

    model = keras.models.load_model(flags.run / "model.keras")
    forward = make_forward(model)
    some = np.stack([*decode_images(paths[:BATCH], model.input_shape[1])])
    forward(some)
    start = time.perf_counter()
    for _ in range(0, flags.images, BATCH):
        forward(some)
    bare = flags.images / (time.perf_counter() - start)

    predictor = Predictor([flags.run])
    for _ in predictor.stream(paths[:BATCH]):  # traces the network
        pass
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as place,
        _writer(pathlib.Path(place) / "labels.csv", predictor, 1) as write,
    ):
        for path, values in zip(paths, predictor.stream(iter(paths)), strict=True):
            write(path, [predictor.labels[int(values.argmax())]], values, "")
    ours = flags.images / (time.perf_counter() - start)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"bare model  {bare:7.0f} images/s")
    print(f"tl-predict  {ours:7.0f} images/s, {ours / bare:.2f} of it; memory {grown:+.0f} MB")


if __name__ == "__main__":
    main()
