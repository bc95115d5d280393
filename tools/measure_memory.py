"""Measure the memory of a run whose features are far larger than it may hold.

    python tools/measure_memory.py

Writes 20,000 images of 128 px, copies of the bundled ones with noise, and runs one epoch of
`tl-run --strategy partial --n 2` on them, cut where an image's features have 256 KiB. Prints their
size and the run's peak resident memory. Takes about 10 minutes and 6 GB of disk.
"""

import argparse
import json
import pathlib
import resource
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

from tl_strategies.data.decode import read_image
from tl_strategies.data.sources import list_dataset


def write_copies(root: pathlib.Path, count: int) -> None:
    """Noisy copies of the bundled images, in folders by label."""
    listing = list_dataset("clipart")
    rng = np.random.default_rng(0)
    sources = [read_image(path, 128) for path in listing.paths]
    for i in range(count):
        label = listing.task.names[listing.labels[i % len(sources)]]
        noisy = sources[i % len(sources)] + rng.integers(-20, 20, (128, 128, 3))
        folder = root / "images" / label
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy.clip(0, 255).astype("uint8")).save(folder / f"{i}.jpg", quality=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        write_copies(root, arguments.images)
        command = [
            *(str(pathlib.Path(sys.executable).parent / "tl-run"), "--strategy", "partial"),
            *("--n", "2", "--epochs", "1", "--dataset", f"folder:{root / 'images'}"),
            *("--cache_dir", str(root / "cache"), "--run_dir", str(root / "run")),
        ]
        subprocess.run(command, check=True)
        metrics = json.loads((root / "run" / "metrics.json").read_text())
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f"features {metrics['features']['bytes'] / 1e9:.2f} GB, peak {peak / 1e9:.2f} GB")
    print(f"seconds {metrics['seconds']}")


if __name__ == "__main__":
    main()
