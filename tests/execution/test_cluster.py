"""A Ray cluster of two machines, played by two nodes here, of which one goes down."""

import subprocess
import sys

import pytest

CODE = """
import pathlib, sys, threading
from ray.cluster_utils import Cluster
from tl_strategies.execution.executor import execute, in_order
from tl_strategies.execution.tasks import Opening, Task
from tl_strategies.settings.groups import Workers

directory = pathlib.Path(sys.argv[1])
head = {"num_cpus": 1, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args=head)
node = cluster.add_node(num_cpus=1)
tasks = [Task(f"task {n}", ("takes long", n), directory / f"takes long{n}") for n in range(8)]
opening = Opening("tests.execution.contexts:open_squares", (str(directory),))
workers = Workers(workers=2, engine=f"ray:{cluster.address}")
processes = set()
for ended in execute(in_order(tasks), workers, opening, directory):
    square, process = ended.unwrap()
    print(ended.task.argument[1], square, flush=True)
    processes.add(process)
    if len(processes) == 2 and node is not None:  # both nodes are at work
        # When the next tasks are under way.
        threading.Timer(1.0, cluster.remove_node, [node], {"allow_graceful": False}).start()
        threading.Timer(3.0, cluster.add_node, [], {"num_cpus": 1}).start()
        node = None
assert node is None
cluster.shutdown()
"""


@pytest.mark.slow
def test_a_node_that_is_killed_and_another_that_joins(tmp_path):
    """Its task goes on elsewhere, and every task ends once."""
    command = [sys.executable, "-W", "ignore", "-c", CODE, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stderr
    lines = [line for line in result.stdout.splitlines() if line[:1].isdigit()]
    assert sorted(lines) == [f"{n} {n * n}" for n in range(8)]
    assert "a worker died at task" in result.stdout
    tries = [len((tmp_path / f"takes long{n}" / "tries").read_text()) for n in range(8)]
    assert sorted(tries) == [*[1] * 7, 2]  # what had ended is not repeated
