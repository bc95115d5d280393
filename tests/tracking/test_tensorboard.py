"""Events: what is resumed comes after what was there, whatever the clocks say."""

import time

import pytest
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

import tl_strategies as tl


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
