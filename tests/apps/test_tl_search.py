"""The installed command: workers, kills, several machines played by processes, errors."""

import contextlib
import csv
import json
import multiprocessing
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time

import pytest

from tl_apps.tl_search import main

COMMAND = [str(pathlib.Path(sys.executable).with_name("tl-search"))]
KILLS = 10
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
        if self.n == 3 and "--worker" in __import__("sys").argv:
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


def start(arguments, directory, **environment):
    return subprocess.Popen(
        [*COMMAND, *arguments, "--run_dir", str(directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    )


def ends(process, code=0):
    output, _ = process.communicate(timeout=300)
    assert process.returncode == code, output
    return output


def rows_of(directory):
    """trials.csv without the seconds."""
    rows = csv.DictReader((directory / "trials.csv").read_text().splitlines())
    return [{name: row[name] for name in row if name != "seconds"} for row in rows]


def test_the_same_in_process_in_a_worker_and_with_three(arguments, tmp_path):
    modes = {"in_process": ["--in_process"], "worker": [], "three": ["--workers", "3"]}
    arguments = [*arguments, "--epochs", "2", "--repeats", "2", "--depths", "0,4"]
    for name, flags in modes.items():
        output = ends(start([*arguments, *flags], tmp_path / name))
        assert "chosen" in output
    rows = rows_of(tmp_path / "in_process")
    assert len(rows) == 4
    assert rows == rows_of(tmp_path / "worker") == rows_of(tmp_path / "three")
    models = [(tmp_path / name / "best" / "predictions.csv").read_bytes() for name in modes]
    assert models[0] == models[1] == models[2]


def worker_of(search):
    """Process number of the search's worker, or None."""
    children = pathlib.Path(f"/proc/{search.pid}/task/{search.pid}/children")
    for child in children.read_text().split() if children.exists() else ():
        line = pathlib.Path(f"/proc/{child}/cmdline")
        if line.exists() and b"--worker" in line.read_bytes():
            return int(child)
    return None


def wait_for_a_checkpoint(search, directory):
    """Wait until something is trained from now on, or the search ends."""
    now = time.time()
    while search.is_alive():
        for path in directory.glob("trials/*/*/checkpoints/last.npz"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime > now:
                    return
        time.sleep(0.05)


def _search(arguments, log):
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
    os.dup2(1, 2)
    from tl_apps.tl_search import main

    raise SystemExit(main(arguments))


@pytest.fixture
def fork(tmp_path):
    """Starts a search in a process that has TensorFlow already, so that kills fall among work."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tl_strategies.search.search", "tl_apps.tl_search"])

    def fork(arguments, directory):
        arguments = [*arguments, "--run_dir", str(directory)]
        process = context.Process(target=_search, args=(arguments, str(tmp_path / "log")))
        process.start()
        return process

    return fork


def joined(process, tmp_path):
    process.join(300)
    assert process.exitcode == 0, (tmp_path / "log").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="looks for workers in /proc")
def test_kills(arguments, fork, tmp_path):
    """Killed ten times, the search or its worker: the same in the end, nothing trained twice."""
    arguments = [*arguments, "--epochs", "40", "--depths", "0,1,2"]
    joined(fork([*arguments, "--in_process"], tmp_path / "whole"), tmp_path)
    directory = tmp_path / "killed"
    chance = random.Random(0)
    written = {}
    for kill in range(KILLS):
        victim = ("search in process", "worker", "search")[kill % 3]
        if victim == "search in process":
            search = fork([*arguments, "--in_process"], directory)
        elif victim == "worker":
            search = fork(arguments, directory)
        if kill < KILLS - 2:
            wait_for_a_checkpoint(search, directory)
        time.sleep(chance.uniform(0, 2))
        for result in directory.glob("trials/*/*/result.json"):
            written.setdefault(result, result.stat().st_mtime_ns)
        worker = worker_of(search)
        if victim == "worker" and worker:
            os.kill(worker, signal.SIGKILL)
        else:
            search.kill()
            search.join()
    joined(fork(arguments, directory), tmp_path)
    assert written
    assert all(result.stat().st_mtime_ns == moment for result, moment in written.items())
    assert rows_of(directory) == rows_of(tmp_path / "whole")


def test_a_trial_that_kills_its_process_twice_fails(arguments, tmp_path):
    plugin = tmp_path / "killer.py"
    plugin.write_text(KILLER)
    flags = ["--plugin", str(plugin), "--strategy", "killer", "--depths", "3,4", "--epochs", "1"]
    output = ends(start([*arguments, *flags], tmp_path / "search"))
    killed, well = rows_of(tmp_path / "search")
    assert (killed["n"], killed["status"], well["status"]) == ("3", "failed", "completed")
    assert "it killed its process 2 times" in killed["reason"]
    assert "out of memory" in killed["reason"]
    assert "1 trials failed" in output


def test_a_worker_that_grows_is_replaced(arguments, tmp_path):
    flags = ["--depths", "3,4,5", "--epochs", "1", "--memory_growth", "0.000001"]
    ends(start([*arguments, *flags], tmp_path / "search"))
    assert len(rows_of(tmp_path / "search")) == 3
    log = (tmp_path / "search" / "workers" / "worker0.log").read_text()
    assert "replacing this process" in log


def test_a_full_disk_is_said(arguments, tmp_path):
    limited = ["bash", "-c", 'ulimit -f 40; exec "$0" "$@"', *COMMAND, *arguments]
    limited += ["--epochs", "1", "--run_dir", str(tmp_path / "search"), "--cache", "off"]
    process = subprocess.run(limited, capture_output=True, text=True, timeout=300)
    assert process.returncode == 2, process.stdout + process.stderr
    assert "must have space" in process.stderr
    assert "Traceback" not in process.stderr


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_a_chief_and_workers_of_their_own(arguments, tmp_path):
    where = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(free_port())}
    arguments = [*arguments, "--epochs", "1", "--depths", "1,3,5"]
    directory = tmp_path / "search"
    workers = [start([*arguments, "--worker", name], directory, **where) for name in ("a", "b")]
    chief = start([*arguments, "--chief"], directory, **where)
    assert "chosen" in ends(chief)
    for worker in workers:
        ends(worker)
    assert len(rows_of(directory)) == 3


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--depths", "0,19"], "--n must be from 0 to 5"),
        (["--strategy", "head"], "takes n"),
        (["--chief"], "KERASTUNER_ORACLE_IP"),
        (["--worker", "a"], "KERASTUNER_ORACLE_IP"),
        (["--retrain", "--patience", "2"], "--patience"),
        (["--space", "fast"], "--space must be one of"),
        (["--space", "standard"], "--tuner random"),
        (["--workers", "2", "--in_process"], "Only one"),
    ],
)
def test_what_a_user_gets_wrong(arguments, tmp_path, capsys, flags, message):
    assert main([*arguments, *flags, "--run_dir", str(tmp_path / "search")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "search" / "trials").exists()


def test_run_with_n_auto(arguments, tmp_path):
    command = [str(pathlib.Path(sys.executable).with_name("tl-run")), *arguments]
    command += ["--n", "auto", "--epochs", "1", "--run_dir", str(tmp_path / "run")]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    rows = {int(row["n"]): row for row in rows_of(tmp_path / "run" / "search")}
    assert sorted(rows) == [0, 1, 2, 3, 4, 5]
    best = max(rows, key=lambda n: (float(rows[n]["validation_accuracy"]), n))
    assert metrics["n"] == best
    assert f"n = {best}; the curve is" in first.stdout
    again = subprocess.run([*command, "--resume"], capture_output=True, text=True, check=True)
    assert f"n = {best} of 5 units" in again.stdout
    config = tmp_path / "run" / "config.toml"
    assert f'n = "{best}"' in config.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="looks for workers in /proc")
def test_ctrl_c_ends_the_workers_and_says_how_to_go_on(arguments, tmp_path):
    search = start([*arguments, "--epochs", "500", "--depths", "0"], tmp_path / "search")
    while not list(tmp_path.glob("search/trials/*/*/checkpoints/last.npz")):
        assert search.poll() is None
        time.sleep(0.1)
    worker = worker_of(search)
    search.send_signal(signal.SIGINT)
    assert "go on with: tl-search --config" in ends(search, code=130)
    assert not pathlib.Path(f"/proc/{worker}").exists()
