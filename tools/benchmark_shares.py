"""Time the prefix pass of 5,000 images by two workers against one process; compare their rows.

    python tools/benchmark_shares.py [--images 5000] [--workers 2]

The images are noise of 128 × 128 pixels, the network is the bundled one up to unit 12. Both passes
are timed from the first row's beginning to the last one's end, three times in turn, without the
start of the processes. Takes about four minutes on 2 cores.
"""

import argparse
import contextlib
import dataclasses
import os
import pathlib
import shutil
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from tl_strategies.execution.executor import execute, in_order
from tl_strategies.execution.tasks import Opening
from tl_strategies.runs.job import check, prepare
from tl_strategies.runs.shares import Share, Sharing, make_shares
from tl_strategies.runs.trainer import Trainer
from tl_strategies.settings.groups import Workers
from tl_strategies.settings.run import Settings

TIMES = "times.txt"


class Timed(Sharing):
    """Notes when it begins a share that is not its first, and when it ends."""

    def run(self, argument):
        if self._features is None and isinstance(argument, Share):  # trace the network now
            super().run(dataclasses.replace(argument, stop=argument.start + 1))
        start = time.time()
        super().run(argument)
        with (self.context.trainer.job.directory / TIMES).open("a") as file:
            file.write(f"{start} {time.time()}\n")


def open_timed(opening):
    """The context of a worker."""
    return Timed(opening())


def write_images(file: pathlib.Path, count: int) -> None:
    """Noise of two labels as arrays."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, 128, 128, 3), "uint8")
    np.savez(file, x_train=images, y_train=np.arange(count) % 2)


def compute_here(trainer: Trainer, job) -> float:
    """Seconds of the pass in this process."""
    features = trainer.features(job)
    inputs = trainer.inputs(features, job.settings)
    depth = features.plan.frozen_depth
    features.store.share(features.wanted(depth, inputs), np.array([0]))  # traces the network
    start = time.time()
    features.fetch(depth, inputs)
    return time.time() - start


def compute_by(workers: Workers, trainer: Trainer, job) -> float:
    """Seconds of the pass by workers."""
    features = trainer.features(job)
    shares = make_shares(trainer, job, features, [features.plan.frozen_depth], workers)
    opening = Opening("tl_strategies.runs.shares:open_run", (job.settings, job.directory))
    timed = Opening("benchmark_shares:open_timed", (opening,))
    with contextlib.closing(execute(in_order(shares), workers, timed, job.directory)) as work:
        for ended in work:
            ended.unwrap()
    times = np.loadtxt(job.directory / TIMES, ndmin=2)
    return times[:, 1].max() - times[:, 0].min()


def rows_of(store: pathlib.Path) -> dict[bytes, bytes]:
    """Every stored row of features by its key."""
    rows = {}
    for chunk in store.glob("store/*/chunk-*"):
        if '"features"' not in (chunk.parent / "table.json").read_text():
            continue
        keys = np.load(chunk / "index.npy")["key"]
        data = np.fromfile(chunk / "rows.bin", "uint8").reshape(len(keys), -1)
        rows |= {bytes(key): row.tobytes() for key, row in zip(keys, data, strict=True)}
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    flags = parser.parse_args()
    tools = str(pathlib.Path(__file__).parent)
    os.environ["PYTHONPATH"] = os.pathsep.join([tools, os.environ.get("PYTHONPATH", "")])
    workers = Workers(workers=flags.workers)
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        write_images(place / "images.npz", flags.images)
        seconds, rows = {"here": [], "workers": []}, {}
        for _ in range(flags.repeats):
            for kind, found in seconds.items():
                store = place / kind
                shutil.rmtree(place / "run", ignore_errors=True)
                shutil.rmtree(store, ignore_errors=True)
                settings = Settings(
                    dataset=f"npz:{place / 'images.npz'}",
                    strategy="partial",
                    n=12,
                    run_dir=str(place / "run"),
                    cache_dir=str(store),
                )
                job = prepare(check(settings))
                job.directory.mkdir()
                trainer = Trainer(job)
                trainer.images()
                by_workers = kind == "workers"
                found.append(
                    compute_by(workers, trainer, job) if by_workers else compute_here(trainer, job)
                )
                rows[kind] = rows_of(store)
    here, others = (statistics.median(found) for found in seconds.values())
    same = len(rows["here"]) == flags.images and rows["here"] == rows["workers"]
    print(f"one process   {here:6.1f} s")
    print(f"{flags.workers} workers     {others:6.1f} s, {others / here:.2f} of it")
    print(f"rows          {'the same bit for bit' if same else 'NOT THE SAME'}")
    raise SystemExit(not same)


if __name__ == "__main__":
    main()
