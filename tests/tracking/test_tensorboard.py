"""Events: what is resumed comes after what was there, whatever the clocks say."""

import json
import pathlib
import re
import subprocess
import sys
import time
import urllib.request

import pytest
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

import tl_strategies as tl
from tl_strategies.tracking.tensorboard import COLUMNS


@pytest.mark.parametrize("ahead", [0, 10**9])
def test_events_of_a_clock_that_is_ahead(settings, ahead, monkeypatch):
    """Nobody waits for it, and TensorBoard reads what came last at the end."""
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("waits for a clock"))
    run = tl.fit("head", **settings)
    (run.directory / "metrics.json").unlink()
    for path in run.directory.glob("*/events.out.tfevents.*"):
        parts = path.name.split(".")
        parts[3] = str(int(parts[3]) + ahead)
        path.rename(path.with_name(".".join(parts)))
    for name in ("events.out.tfevents.mine", "notes.txt"):
        (run.directory / "train" / name).touch()
    tl.fit("head", **settings, resume=True)
    again = {**settings, "epochs": 2, "resume": True}
    (run.directory / "metrics.json").unlink()
    for checkpoint in (run.directory / "checkpoints").glob("*.npz"):
        checkpoint.unlink()  # trains from the start once more
    began = time.time()
    tl.fit("head", **again)
    events = EventAccumulator(str(run.directory / "train")).Reload()
    losses = events.Tensors("epoch/loss")
    assert [event.step for event in losses] == [1, 2]
    assert all(event.wall_time >= began for event in losses)  # those of the last training


@pytest.fixture
def hparams(tmp_path):
    """What TensorBoard's HParams page gets of the runs in a directory, once it has read them."""
    command = [pathlib.Path(sys.executable).with_name("tensorboard"), "--port", "0"]
    command += ["--logdir", tmp_path / "runs"]
    with (tmp_path / "log").open("w") as log:
        board = subprocess.Popen(command, stdout=log, stderr=log)

    def hparams(count):
        experiment, groups = {}, []
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            time.sleep(0.5)
            address = re.search(r"at (http://\S+)", (tmp_path / "log").read_text())
            if address is None:
                continue
            url = f"{address[1]}data/plugin/hparams/"
            experiment = post(url + "experiment", {})
            infos = experiment.get("metricInfos", [])
            asked = {
                "startIndex": 0,
                "sliceSize": 100,
                "allowedStatuses": ["STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_UNKNOWN"],
                "colParams": [{"metric": info["name"]} for info in infos],
            }
            groups = post(url + "session_groups", asked).get("sessionGroups", [])
            if len(groups) == count and all(len(g["metricValues"]) == len(infos) for g in groups):
                return experiment, groups
        raise AssertionError((experiment, groups))

    yield hparams
    board.kill()
    board.wait()


def post(url, content):
    request = urllib.request.Request(
        url, json.dumps(content).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def test_hparams_compare_runs_trials_and_folds_by_the_same_columns(settings, tmp_path, hparams):
    def place(name):
        return settings | {"epochs": 1, "run_dir": str(tmp_path / "runs" / name)}

    first = tl.fit("head", **place("first"))
    tl.search_depth(depths="2", **place("deep"))
    tl.fit("fixed", folds=3, **place("folded"))
    experiment, groups = hparams(6)
    names = {info["name"] for info in experiment["hparamInfos"]}
    assert {"strategy", "n", "learning_rate", "epochs", "backbone", "dataset"} <= names
    assert names <= {*COLUMNS}
    names = ["validation/accuracy", "test/accuracy", "seconds"]
    assert [info["name"]["tag"] for info in experiment["metricInfos"]] == names
    found = {group["name"]: group for group in groups}
    folds = [f"folded/fold{k}" for k in (1, 2, 3)]
    assert sorted(found) == sorted(["runs/first", "deep/best", "deep/trials/0/seed0", *folds])
    values = {v["name"]["tag"]: v["value"] for v in found["runs/first"]["metricValues"]}
    assert values["test/accuracy"] == pytest.approx(first.metrics["test"]["accuracy"], abs=1e-6)
    assert found["runs/first"]["hparams"]["strategy"] == "head"
    assert found["deep/best"]["hparams"]["n"] == 2
