"""Time one pass of `tl.convolutionalize` over large images, and the classifier on each window.

    python tools/benchmark_convolutional.py

Fresh weights, since time does not depend on them: VGG16 (windows of 224 px, 32 px apart) and
caffenet (227 px). Prints seconds of both and their ratio. Takes about a minute on 2 cores.
"""

import os
import time

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import tl_strategies as tl

STRIDE = 32
LARGER = (320, 416, 512)  # pixels a side
CLASSES = 20


def timed(model: keras.Model, batches: list[np.ndarray]) -> float:
    """Seconds of the second time."""
    for _ in range(2):
        start = time.perf_counter()
        for batch in batches:
            model.predict_on_batch(batch)
    return time.perf_counter() - start


def main() -> None:
    vgg = keras.applications.VGG16(weights=None, classes=CLASSES)
    caffenet = tl.load_backbone("caffenet", "none")
    scores = keras.layers.Dense(CLASSES, "softmax")(caffenet.outputs[0])
    for name, model in (("vgg16", vgg), ("caffenet", keras.Model(caffenet.inputs[0], scores))):
        whole, side = tl.convolutionalize(model), model.inputs[0].shape[1]
        for size in LARGER:
            image = np.random.default_rng(0).uniform(0, 255, (1, size, size, 3)).astype("float32")
            places = range(0, size - side + 1, STRIDE)
            windows = [image[:, i : i + side, j : j + side] for i in places for j in places]
            batches = [np.concatenate(windows[i : i + 16]) for i in range(0, len(windows), 16)]
            one, each = timed(whole, [image]), timed(model, batches)
            print(
                f"{name:<9}{size} px: {len(windows):>3} windows {each:6.2f} s, one pass "
                f"{one:6.3f} s: {each / one:5.1f} times faster",
                flush=True,
            )


if __name__ == "__main__":
    main()
