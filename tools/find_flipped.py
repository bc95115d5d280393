"""How many of the labels that were changed on purpose does `tl-inspect --labels` name?

    python tools/find_flipped.py

Fashion-MNIST of 6,000 training images (tools/tasks.py), 200 of whose labels are changed at random;
the 400 images whose labels look worst should have most of them. Takes about two minutes on 2 cores.
"""

import os
import tempfile

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tasks import dataset

from tl_strategies.analysis.labels import look_through
from tl_strategies.runs.job import check, prepare
from tl_strategies.runs.trainer import Trainer
from tl_strategies.settings.run import Settings

FLIPPED, NAMED = 200, 400


def main() -> None:
    arrays = dict(np.load(dataset("fashion_6000").removeprefix("npz:")))
    random = np.random.default_rng(0)
    chosen = random.choice(len(arrays["y_train"]), FLIPPED, replace=False)
    arrays["y_train"] = arrays["y_train"].copy()
    arrays["y_train"][chosen] = (arrays["y_train"][chosen] + random.integers(1, 10, FLIPPED)) % 10
    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/flipped.npz", **arrays)
        settings = Settings(strategy="fixed", dataset=f"npz:{folder}/flipped.npz")
        images, findings = look_through(Trainer(prepare(check(settings))))
    training = images.positions("train")
    named = set(findings.wrong[:NAMED].tolist())
    found = sum(int(training[position]) in named for position in chosen)
    print(f"{len(findings.wrong)} labels look wrong, of {len(images.rows)} images")
    print(f"{found} of the {FLIPPED} changed ones are among the worst {len(named)}")


if __name__ == "__main__":
    main()
