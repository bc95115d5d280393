"""A run that is killed many times, wherever it is, ends as one that was left alone."""

import contextlib
import json
import signal
import time

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

from tests.conftest import draw
from tl_strategies.directories import MARK
from tl_strategies.testing import tiny_backbone

# The file whose writing is awaited, of the store, of the training or of its end.
MOMENTS = ("rows.bin", "last.npz", "random", "model.keras", "random", "random")
EPOCHS = 16
PARTS = ("validation", "test")


@pytest.fixture
def arguments(tmp_path):
    root = tmp_path / "photos"
    for colour, name in enumerate(("red", "green", "blue")):
        (root / name).mkdir(parents=True)
        for i in range(30):
            draw(100 * colour + i, colour).save(root / name / f"{i:02}.png")
    backbone = tmp_path / "tiny.keras"
    tiny_backbone().save(backbone)
    return [
        *("--strategy", "gradual", "--option", "stages=3", "--dataset", f"folder:{root}"),
        *("--backbone", str(backbone), "--epochs", str(EPOCHS), "--batch_size", "8"),
        *("--augment", "standard", "--views", "2", "--deterministic"),
    ]


@pytest.fixture
def start(fork):
    """Starts a run, or goes on with one, that has a cache."""

    def start(arguments, run, cache, resume=False):
        resumes = ["--resume"] if resume and (run / "plan.json").is_file() else []
        return fork("tl_run", [*arguments, "--run_dir", run, "--cache_dir", cache, *resumes])

    return start


def wait_for(pattern, root, process):
    """Wait until a file of such a name is written, from now on."""
    now = time.time()
    while process.alive:
        with contextlib.suppress(FileNotFoundError):  # what was only written aside
            if any(path.stat().st_mtime > now for path in root.rglob(pattern)):
                return
        time.sleep(0.01)
    raise AssertionError(process.ends())


def test_kills(arguments, start, tmp_path):
    """A run alone, then two that share its store."""
    whole = tmp_path / "whole"
    began = time.monotonic()
    start(arguments, whole, tmp_path / "other_cache").ends()
    length = time.monotonic() - began

    runs = [tmp_path / f"killed{i}" for i in range(2)]
    finished = []
    cache = tmp_path / "cache"
    rng = np.random.default_rng(1)
    for moment in MOMENTS:
        side_by_side = runs if moment == "random" else runs[:1]
        processes = [start(arguments, run, cache, resume=True) for run in side_by_side]
        if moment == "random":
            processes[0].process.join(rng.uniform(0.1, 0.45) * length)
        else:
            wait_for(moment, tmp_path, processes[0])
        for i, process in enumerate(processes):
            process.kill()
            assert process.process.exitcode in (0, -signal.SIGKILL)
            if (runs[i] / "metrics.json").is_file():  # done in spite of it all: kill another one
                finished.append(runs[i])
                runs[i] = tmp_path / f"killed{2 + len(finished)}"
    for process in [start(arguments, run, cache, resume=True) for run in runs]:
        process.ends()

    expected = json.loads((whole / "metrics.json").read_text())
    weights = keras.models.load_model(whole / "model.keras").get_weights()
    for run in [*runs, *finished]:
        metrics = json.loads((run / "metrics.json").read_text())
        assert [metrics[part] for part in PARTS] == [expected[part] for part in PARTS]
        killed = keras.models.load_model(run / "model.keras").get_weights()
        assert all(np.array_equal(*pair) for pair in zip(weights, killed, strict=True))
        assert {path.name for path in run.rglob(".*")} == {MARK}
        events = EventAccumulator(str(run / "train")).Reload()
        steps = [event.step for event in events.Tensors("epoch/loss")]
        assert steps == list(range(1, EPOCHS + 1))
        assert (run / "predictions.csv").read_text() == (whole / "predictions.csv").read_text()
    start(arguments, tmp_path / "again", cache).ends()
    found = json.loads((tmp_path / "again" / "metrics.json").read_text())
    assert found["features"]["status"] == "hit"
    assert [found[part] for part in PARTS] == [expected[part] for part in PARTS]
