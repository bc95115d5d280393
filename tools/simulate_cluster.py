"""Play a Ray cluster on this machine: a search and a study on two nodes, one of which is killed.

    python tools/simulate_cluster.py

Starts nodes of one CPU each, kills one in the middle of the search and adds another, and compares
trials.csv and curve.csv, but for their seconds, with those of one process. From the seconds of the
tasks it prints how long 1 to 64 workers would take, and their efficiency. Takes about five minutes;
exits with 0 when all are the same.
"""

import csv
import functools
import heapq
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

BIN = pathlib.Path(sys.executable).parent
SEARCH = [
    *("tl-search", "--limit", "300", "--epochs", "4", "--image_size", "64"),
    *("--depths", "0,3,6,9,12,15,18", "--repeats", "2"),
]
STUDY = [
    *("tl-curve", "--backbone", "caffenet_mini", "--image_size", "28", "--limit", "300"),
    *("--epochs", "2", "--splits", "1", "--n", "1,4,7"),
]
WORKERS = (1, 2, 4, 8, 16, 32, 64)


def run(
    command: list[str],
    directory: pathlib.Path,
    address: str = "",
    meanwhile: Callable[[], None] = lambda: None,
) -> float:
    """Run a command, on the cluster where there is an address; the seconds that it took."""
    flags = ["--workers", "2", "--engine", f"ray:{address}"] if address else []
    start = time.monotonic()
    place = ["--run_dir", str(directory), "--cache_dir", str(directory.parent / "cache")]
    process = subprocess.Popen([BIN / command[0], *command[1:], *place, *flags, "--quiet"])
    meanwhile()
    if process.wait():
        raise SystemExit(f"{command[0]} failed")
    return time.monotonic() - start


def rows_of(file: pathlib.Path) -> list[dict[str, str]]:
    with file.open() as lines:
        return list(csv.DictReader(lines))


def without_seconds(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{name: row[name] for name in row if name != "seconds"} for row in rows]


def change_nodes(cluster, node, directory: pathlib.Path) -> None:
    """When two trainings have ended, kill a node, and add another some seconds later."""
    while len(list(directory.glob("trials/*/*/result.json"))) < 2:
        time.sleep(0.2)
    cluster.remove_node(node, allow_graceful=False)
    print("a node was killed", flush=True)
    time.sleep(5)
    cluster.add_node(num_cpus=1)
    print("a node was added", flush=True)


def print_makespans(name: str, seconds: list[float]) -> None:
    """How long workers would take that get these tasks in their order."""
    print(f"{name}: {len(seconds)} tasks, {sum(seconds):.0f} s of work")
    for count in WORKERS:
        busy = [0.0] * count
        for each in seconds:
            heapq.heapreplace(busy, busy[0] + each)
        span = max(busy)
        print(f"{count:>4} workers {span:>8.1f} s, efficiency {sum(seconds) / span / count:.2f}")


def main() -> int:
    """Returns the exit code."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    node = cluster.add_node(num_cpus=1)
    same = []
    with tempfile.TemporaryDirectory() as scratch:
        place = pathlib.Path(scratch)
        for command, table in ((SEARCH, "trials.csv"), (STUDY, "curve.csv")):
            one, two = place / f"{command[0]}-one", place / f"{command[0]}-two"
            alone = run(command, one)
            disturb = functools.partial(change_nodes, cluster, node, two)
            together = run(command, two, cluster.address, *([disturb] if command is SEARCH else []))
            rows = [rows_of(directory / table) for directory in (one, two)]
            same.append(without_seconds(rows[0]) == without_seconds(rows[1]))
            verdict = "the same" if same[-1] else "others"
            print(f"{command[0]}: one process {alone:.0f} s, cluster {together:.0f} s: {verdict}")
            print_makespans(command[0], [float(row["seconds"]) for row in rows[0]])
    cluster.shutdown()
    return 0 if all(same) else 1


if __name__ == "__main__":
    raise SystemExit(main())
