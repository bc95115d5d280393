"""The installed command: workers, kills, several machines played by processes, errors."""

import contextlib
import csv
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

from tl_apps.tl_search import main

VICTIMS = ("search alone", "worker", "search", "search alone")
KILLER = """
import os
import signal

import tl_strategies as tl


@tl.register("killer")
class Killer(tl.Strategy):
    '''Kills the worker that trains at n = 3.'''

    def __init__(self, n=None):
        self.n = n

    def trainable(self, unit, depth_count):
        return unit.depth > self.n

    def head(self, task):
        if self.n == 3 and "execution/worker" in __import__("sys").argv[0]:
            print("out of memory", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().head(task)
"""


@pytest.fixture
def arguments(photos, backbone, tmp_path):
    return [
        *("--dataset", f"folder:{photos}", "--backbone", backbone, "--batch_size", "8"),
        *("--learning_rate", "0.03", "--cache_dir", str(tmp_path / "cache")),
    ]


@pytest.fixture
def start(fork):
    """Starts a search in a directory."""
    return lambda arguments, directory, **others: fork(
        "tl_search", [*arguments, "--run_dir", directory], **others
    )


def rows_of(directory):
    """trials.csv without the seconds."""
    rows = csv.DictReader((directory / "trials.csv").read_text().splitlines())
    return [{name: row[name] for name in row if name != "seconds"} for row in rows]


def test_the_same_here_and_with_workers(arguments, start, tmp_path):
    """The first as a user types it."""
    arguments = [*arguments, "--epochs", "2", "--repeats", "2", "--depths", "0,4"]
    one, two = tmp_path / "one", tmp_path / "two"
    command = [pathlib.Path(sys.executable).with_name("tl-search"), *arguments]
    result = subprocess.run([*command, "--run_dir", one], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert "chosen" in result.stdout
    assert "chosen" in start([*arguments, "--workers", "2"], two).ends()
    assert len(rows_of(one)) == 4
    assert rows_of(one) == rows_of(two)
    predictions = [(path / "best" / "predictions.csv").read_bytes() for path in (one, two)]
    assert predictions[0] == predictions[1]


def worker_of(search):
    """Process number of the search's worker, or None."""
    number = search.process.pid
    children = pathlib.Path(f"/proc/{number}/task/{number}/children")
    for child in children.read_text().split() if children.exists() else ():
        line = pathlib.Path(f"/proc/{child}/cmdline")
        if line.exists() and b"execution.worker" in line.read_bytes():
            return int(child)
    return None


def wait_for_a_checkpoint(search, directory):
    """Wait until something is trained from now on, or the search ends."""
    now = time.time()
    while search.alive:
        for path in directory.glob("trials/*/*/checkpoints/last.npz"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime > now:
                    return
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for workers in /proc")
def test_kills(arguments, start, tmp_path):
    """Killed four times, the search or a worker: the same in the end, nothing trained twice."""
    arguments = [*arguments, "--epochs", "20", "--depths", "0,1,2"]
    start(arguments, tmp_path / "whole").ends()
    directory = tmp_path / "killed"
    chance = random.Random(0)
    written = {}
    for victim in VICTIMS:
        if victim == "search alone":
            search = start(arguments, directory)
        elif victim == "worker":
            search = start([*arguments, "--workers", "2"], directory)
        wait_for_a_checkpoint(search, directory)
        time.sleep(chance.uniform(0, 1))
        for result in directory.glob("trials/*/*/result.json"):
            written.setdefault(result, result.stat().st_mtime_ns)
        worker = worker_of(search)
        if victim == "worker" and worker:
            os.kill(worker, signal.SIGKILL)
        else:
            search.kill()
    start(arguments, directory).ends()
    assert written
    assert all(result.stat().st_mtime_ns == moment for result, moment in written.items())
    assert rows_of(directory) == rows_of(tmp_path / "whole")


def test_a_trial_that_kills_its_process_twice_fails(arguments, start, tmp_path):
    plugin = tmp_path / "killer.py"
    plugin.write_text(KILLER)
    flags = ["--plugin", str(plugin), "--strategy", "killer", "--depths", "3,4", "--epochs", "1"]
    output = start([*arguments, *flags, "--workers", "2"], tmp_path / "search").ends()
    killed, well = rows_of(tmp_path / "search")
    assert (killed["n"], killed["status"], well["status"]) == ("3", "failed", "completed")
    assert "it killed its process 2 times" in killed["reason"]
    assert "out of memory" in killed["reason"]
    assert "1 trials failed" in output


def test_a_full_disk_is_said(arguments, start, tmp_path):
    arguments += ["--epochs", "1", "--cache", "off"]
    assert "must have space" in start(arguments, tmp_path / "search", file_limit=40_000).ends(2)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--depths", "0,19"], "--n must be from 0 to 5"),
        (["--strategy", "head"], "takes n"),
        (["--engine", "slurm"], "--engine must be one of local, ray"),
        (["--engine", "local:a"], "--engine must be one of local, ray"),
        (["--workers", "0"], "--workers must be at least 1"),
        (["--retrain", "--patience", "2"], "--patience"),
        (["--space", "fast"], "--space must be one of"),
        (["--space", "standard"], "--tuner random"),
    ],
)
def test_what_a_user_gets_wrong(arguments, tmp_path, capsys, flags, message):
    assert main([*arguments, *flags, "--run_dir", str(tmp_path / "search")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "search" / "trials").exists()


def test_run_with_n_auto(arguments, fork, tmp_path):
    arguments += ["--n", "auto", "--epochs", "1", "--run_dir", str(tmp_path / "run")]
    first = fork("tl_run", arguments).ends()
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    rows = {int(row["n"]): row for row in rows_of(tmp_path / "run" / "search")}
    assert sorted(rows) == [0, 1, 2, 3, 4, 5]
    best = max(rows, key=lambda n: (float(rows[n]["validation_accuracy"]), n))
    assert metrics["n"] == best
    assert f"n = {best}; the curve is" in first
    assert f"n = {best} of 5 units" in fork("tl_run", [*arguments, "--resume"]).ends()
    config = tmp_path / "run" / "config.toml"
    assert f'n = "{best}"' in config.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="looks for workers in /proc")
def test_ctrl_c_ends_the_workers_and_says_how_to_go_on(arguments, start, tmp_path):
    flags = ["--epochs", "500", "--depths", "0,1", "--workers", "2"]
    search = start([*arguments, *flags], tmp_path / "search")
    while not list(tmp_path.glob("search/trials/*/*/checkpoints/last.npz")):
        assert search.alive
        time.sleep(0.1)
    worker = worker_of(search)
    search.interrupt()
    assert "go on with: tl-search --config" in search.ends(130)
    assert not pathlib.Path(f"/proc/{worker}").exists()
