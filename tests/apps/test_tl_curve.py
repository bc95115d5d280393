"""tl-curve as a user types it: a small study, Ctrl-C, kills, what is answered to mistakes."""

import csv
import json
import pathlib
import random
import re
import shlex
import subprocess
import sys
import time

import pytest

from tl_apps import tl_curve

COMMAND = [str(pathlib.Path(sys.executable).with_name("tl-curve"))]
KILLS = 4


@pytest.fixture
def arguments(arrays, tmp_path):
    return [
        *("--backbone", "caffenet_mini", "--dataset", f"npz:{arrays}", "--splits", "1"),
        *("--batch_size", "8", "--optimizer", "sgd", "--learning_rate", "0.01"),
        *("--cache_dir", str(tmp_path / "cache")),
    ]


def rows_of(directory):
    """curve.csv without the seconds, and each cell's loss, which shows the least difference."""
    with (directory / "curve.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
    results = sorted(directory.glob("cells/*/result.json"))
    return rows, {r.parent.name: json.loads(r.read_text())["test_loss"] for r in results}


def test_a_study_with_workers_and_again_without(arguments, fork, tmp_path):
    run = tmp_path / "study"
    command = [*COMMAND, *arguments, "--epochs", "1", "--n", "7", "--treatments", "base,AnB,BnB"]
    command += ["--workers", "2", "--paper", "--run_dir", str(run)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert "[6/6]" in result.stdout
    assert "random: mean test accuracy, %; base" in result.stdout
    assert "Specificity grows with depth: " in result.stdout
    assert len(rows_of(run)[0]) == 6
    flags = ["--config", run / "config.toml", "--workers", 1, "--run_dir", tmp_path / "again"]
    fork("tl_curve", flags).ends()
    assert rows_of(tmp_path / "again") == rows_of(run)


def test_ctrl_c_says_how_to_go_on(arguments, fork, tmp_path):
    run = tmp_path / "my study"
    flags = ["--epochs", "2000", "--n", "7", "--run_dir", run]
    study = fork("tl_curve", [*arguments, *flags])
    while not list(run.glob("cells/*/checkpoints/last.npz")):
        assert study.alive
        time.sleep(0.1)
    study.interrupt()
    how = shlex.split(re.search("go on with: (.*)", study.ends(130)).group(1))
    assert how == ["tl-curve", "--config", str(run / "config.toml"), "--run_dir", str(run)]


def test_kills(arguments, fork, tmp_path):
    """Killed four times at random moments, it ends as one that was left alone."""
    arguments += ["--epochs", "10", "--n", "7", "--treatments", "base,AnB"]

    def start(directory):
        return fork("tl_curve", [*arguments, "--run_dir", directory])

    began = time.monotonic()
    start(tmp_path / "whole").ends()
    length = time.monotonic() - began
    chance = random.Random(0)
    written = {}
    for _ in range(KILLS):
        study = start(tmp_path / "killed")
        study.process.join(chance.uniform(0.2, 0.5) * length)
        study.kill()
        for result in tmp_path.glob("killed/cells/*/result.json"):
            written.setdefault(result, result.stat().st_mtime_ns)
    start(tmp_path / "killed").ends()
    assert written
    assert all(result.stat().st_mtime_ns == moment for result, moment in written.items())
    assert rows_of(tmp_path / "killed") == rows_of(tmp_path / "whole")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--treatments", "base,AnC"], "Did you mean"),
        (["--n", "9"], "from 0 to 7"),
        (["--class_split", "given"], "must stand alone"),
        (["--splits", "0"], "--splits must be at least 1"),
        (["--class_split", "natural_manmade"], "must come with the 1000 classes"),
        (["--backbone", "caffenet_mini", "--image_size", "20"], "at least 28"),
        (["--dataset", "clipat"], "Did you mean 'clipart'"),
        (["--strategy", "partial"], "strategy"),
    ],
)
def test_what_a_user_gets_wrong(arguments, tmp_path, capsys, flags, message):
    assert tl_curve.main([*arguments, *flags, "--run_dir", str(tmp_path / "study")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not list(tmp_path.glob("study/cells"))
