"""Measure how the memory of one process grows over many trainings.

    python tools/measure_growth.py

Trains the bundled network on 60 images of 32 px again and again, each of these in a process of its
own: runs of one depth, runs of all depths in turn, trials of a search in its own process, cells of
a study. Prints the resident memory after the first training, the fifth and the last, the most there
was after any, and the seconds that a training took. Takes about half an hour on 2 cores.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

COUNTS = {"shape": 50, "depths": 50, "search": 40, "study": 60}
DEPTHS = 19  # of the bundled network, the images themselves included


def runs(
    depths: Callable[[int], int], count: int, settings: dict[str, Any], note: Callable[[], None]
) -> None:
    """Runs by `tl.fit`, each of the depth that its number gives."""
    import tl_strategies as tl

    for number in range(count):
        own = settings | {"run_dir": f"{settings['run_dir']}/{number}"}
        tl.fit("partial", n=depths(number), **own)
        note()


def search(count: int, settings: dict[str, Any], note: Callable[[], None]) -> None:
    """Trials at random points of the standard space."""
    import tl_strategies as tl
    from tl_strategies.search.trial import Trials

    train = Trials.run

    def noted(*arguments: Any) -> float:
        results = train(*arguments)
        note()
        return results

    Trials.run = noted
    tl.search_depth(tuner="random", space="standard", trials=count, **settings)


def study(count: int, settings: dict[str, Any], note: Callable[[], None]) -> None:
    """A base and the four other treatments that bundled weights allow, over depths."""
    from tl_strategies.analysis.study.checks import check_study
    from tl_strategies.analysis.study.curve import open_curve, run_curve
    from tl_strategies.analysis.study.settings import CurveSettings
    from tl_strategies.analysis.study.study import Study
    from tl_strategies.settings.run import Settings

    depths = ",".join(map(str, range(1, count // 4 + 1)))
    curve = CurveSettings(n=depths, splits=1)
    job = open_curve(check_study(Settings(**settings, deterministic=True), curve), curve)
    train = Study.run

    def noted(*arguments: Any) -> dict[str, Any]:
        result = train(*arguments)
        note()
        return result

    Study.run = noted
    run_curve(curve, job)


KINDS: dict[str, Callable[[int, dict[str, Any], Callable[[], None]], None]] = {
    "shape": lambda *others: runs(lambda number: 9, *others),
    "depths": lambda *others: runs(lambda number: number % DEPTHS, *others),
    "search": search,
    "study": study,
}


def measure(kind: str, count: int) -> None:
    """Train in this process, and print how it grew."""
    from tl_strategies.execution.worker import resident

    sizes, times = [], [time.perf_counter()]

    def note() -> None:
        sizes.append(resident() / 1e6)
        times.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as directory:
        images = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3)).astype("uint8")
        path = pathlib.Path(directory) / "noise.npz"
        np.savez(path, x_train=images, y_train=np.arange(60) % 3)
        settings = {"dataset": f"npz:{path}", "image_size": 32, "epochs": 2, "batch_size": 8}
        settings |= {"run_dir": f"{directory}/runs", "cache_dir": f"{directory}/cache"}
        KINDS[kind](count, settings, note)
    print(
        f"{kind}: {len(sizes)} trainings; after the first {sizes[0]:.0f} MB, the fifth "
        f"{sizes[4]:.0f} MB, the last {sizes[-1]:.0f} MB, the most {max(sizes):.0f} MB; the first "
        f"{times[1] - times[0]:.1f} s, then {statistics.median(np.diff(times[1:])):.1f} s each"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=COUNTS, help="only this, in this process")
    parser.add_argument("--count", type=int, help=f"of trainings, at least 5; default: {COUNTS}")
    arguments = parser.parse_args()
    if arguments.kind:
        measure(arguments.kind, arguments.count or COUNTS[arguments.kind])
        return
    for kind in COUNTS:
        command = [sys.executable, __file__, "--kind", kind]
        command += ["--count", str(arguments.count)] if arguments.count else []
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        print(output.splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
