"""Time the softmax classifier on codes, over twelve C, going on from each to the next or anew.

    python tools/benchmark_softmax.py [--images 50000] [--values 1280] [--labels 100]

The codes are made up: each label has a mean, and noise around it. `fixed` and tl-probe go on from
one C to the next; scikit-learn by itself starts anew, and is timed on four of them. Prints
seconds, the accuracy on other images at the best C, and the most memory that the process has held.
Takes about half a minute on 2 cores.
"""

import argparse
import resource
import time

import numpy as np
from sklearn.linear_model import LogisticRegression

from tl_strategies.training.classifier import DECADE, PENALTIES
from tl_strategies.training.linear import solutions

DECADES = PENALTIES[::DECADE]
TIMED = slice(4, 8)  # of these


def problem(images: int, values: int, labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes of length 1 on the mean, float32, and their labels."""
    random = np.random.default_rng(0)
    chosen = random.integers(0, labels, images)
    codes = random.standard_normal((images, values), "float32")
    codes += (0.12 * random.standard_normal((labels, values), "float32"))[chosen]
    return codes / np.sqrt(np.float32(values)), chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--values", type=int, default=1280)
    parser.add_argument("--labels", type=int, default=100)
    flags = parser.parse_args()
    codes, labels = problem(flags.images + 5000, flags.values, flags.labels)
    train, other = slice(flags.images), slice(flags.images, None)

    def time_fits(fits) -> None:
        start, best = time.perf_counter(), 0.0
        for penalty, kernel, bias in fits:
            hits = (codes[other] @ kernel + bias).argmax(axis=1) == labels[other]
            best = max(best, float(hits.mean()))
            seconds = time.perf_counter() - start
            print(f"  up to C = {penalty:<6g} {seconds:6.1f} s, accuracy {best:.3f}", flush=True)

    print("going on")
    weights = np.ones(flags.images)
    given = (codes[train], labels[train], flags.labels, weights, 0, DECADES)
    time_fits(solutions("logistic_regression", *given))
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"  {held:.1f} GB at most")

    def anew():
        for penalty in DECADES[TIMED]:
            model = LogisticRegression(C=penalty, max_iter=2000).fit(codes[train], labels[train])
            yield penalty, model.coef_.T, model.intercept_

    print("anew for each")
    time_fits(anew())


if __name__ == "__main__":
    main()
