"""Time to check and split a large table of images, without decoding them.

    python tools/benchmark_table.py --rows 200000

Makes so many small files with a csv of them (in groups of five), and times what a run
does before it decodes: reading and checking the table, the digests of the files, the split.
"""

import argparse
import pathlib
import tempfile
import time

import numpy as np

from tl_strategies.data.csv_file import list_csv
from tl_strategies.data.parts import Splitting, assign_parts

FOLDERS = 100  # that the files lie in
CLASSES = 100
BYTES = 200  # of each file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as directory:
        file = _make(pathlib.Path(directory), rows)
        start = time.perf_counter()
        listing = list_csv(file)
        listed = time.perf_counter()
        keys = listing.contents.digests()
        digested = time.perf_counter()
        _, _, parts, _ = assign_parts(listing, keys, Splitting())
        end = time.perf_counter()
    assert len(parts) == rows
    for what, seconds in (
        ("checked", listed - start),
        ("digests", digested - listed),
        ("split", end - digested),
        ("together", end - start),
    ):
        print(f"{what:<9}{seconds:6.1f} s   {rows / seconds:>9,.0f} rows a second")


def _make(directory: pathlib.Path, rows: int) -> pathlib.Path:
    """Write the files and their table."""
    rng = np.random.default_rng(0)
    for i in range(FOLDERS):
        (directory / f"{i:02}").mkdir()
    lines = ["path,label,group"]
    labels = rng.integers(0, CLASSES, rows)
    for i in range(rows):
        name = f"{i % FOLDERS:02}/{i}.jpg"
        (directory / name).write_bytes(rng.bytes(BYTES))
        lines.append(f"{name},class{labels[i]},{i // 5}")
    file = directory / "table.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


if __name__ == "__main__":
    main()
