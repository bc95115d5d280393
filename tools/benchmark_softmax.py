"""Time the softmax classifier on codes: ours, L-BFGS over all C, against scikit-learn's solvers.

    python tools/benchmark_softmax.py [--images 50000] [--values 1280] [--labels 100]

The codes are made up: each label has a mean, and noise around it. Each solver fits all values of C
that `fixed` tries, from the strongest penalty on; scikit-learn's, which start anew for each C, are
timed on the first three, where they take the fewest steps. Prints seconds, the accuracy on other
images at the best C, and the most memory that the process has held.
"""

import argparse
import resource
import time
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression

from tl_strategies.training.linear import C_VALUES, _softmax_fits

SOLVERS = ("lbfgs", "saga")
TIMED = C_VALUES[:3]


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

    start, best, first = time.perf_counter(), 0.0, 0.0
    for penalty, kernel, bias in _softmax_fits(codes[train], labels[train], np.ones(flags.images)):
        hits = (codes[other] @ kernel + bias).argmax(axis=1) == labels[other]
        best = max(best, float(hits.mean()))
        if penalty == TIMED[-1]:
            first = time.perf_counter() - start
    seconds = time.perf_counter() - start
    print(f"{'':<22}{'first ' + str(len(TIMED)):>10}{'all C':>10}{'accuracy':>10}")
    print(f"{'ours':<22}{first:>9.1f}s{seconds:>9.1f}s{best:>10.3f}", flush=True)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    for solver in SOLVERS:
        start, best = time.perf_counter(), 0.0
        for penalty in TIMED:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # saga is ended where it takes too long
                model = LogisticRegression(C=penalty, solver=solver, max_iter=100)
                model.fit(codes[train], labels[train])
            best = max(best, model.score(codes[other], labels[other]))
        seconds = time.perf_counter() - start
        print(f"{'scikit-learn ' + solver:<22}{seconds:>9.1f}s{'–':>10}{best:>10.3f}", flush=True)
    print(f"most memory with ours alone {held:.1f} GB")


if __name__ == "__main__":
    main()
