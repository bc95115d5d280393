"""Phases, seeds, and runs that go on where they stopped."""

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import tl_strategies as tl
from tl_strategies.training.checkpoint import Checkpoint


def test_fresh_backbones_have_the_seed(settings, tmp_path):
    """A random frozen prefix is the same one when a run is repeated or resumed."""
    settings["weights"] = "none"
    first = tl.fit("head", **settings)
    second = tl.fit("head", **{**settings, "run_dir": str(tmp_path / "second")})
    other = tl.fit("head", **{**settings, "run_dir": str(tmp_path / "other"), "seed": 1})
    kernels = [run.model.get_layer("stem_conv").kernel.numpy() for run in (first, second, other)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])
    assert second.metrics["features"]["status"] == "hit"


def test_a_finished_run_is_not_run_again(settings):
    first = tl.fit("head", **settings)
    with pytest.raises(tl.UsageError, match="must not hold a run yet"):
        tl.fit("head", **settings)
    again = tl.fit("head", **settings, resume=True)
    assert again.metrics == first.metrics
    with pytest.raises(tl.UsageError, match=r"epochs was 2, is 3"):
        tl.fit("head", **{**settings, "epochs": 3}, resume=True)


def test_resume_refuses_other_settings_but_takes_another_cache(settings, tmp_path):
    directory = tl.fit("head", **settings).directory
    (directory / "metrics.json").unlink()
    with pytest.raises(tl.UsageError, match=r"epochs was 2, is 3"):
        tl.fit("head", **{**settings, "epochs": 3}, resume=True)
    tl.fit("head", **{**settings, "cache_dir": str(tmp_path / "other")}, resume=True)


class HeadThenAll(tl.Strategy):
    """The head first, then everything."""

    name = "head_then_all"

    def trainable(self, unit, depth_count):
        return True

    def phases(self, lowest, depth_count, epochs):
        return (tl.Phase(1, depth_count + 1), tl.Phase(epochs - 1, lowest))


class AllThenHead(HeadThenAll):
    """Everything first, then the head on what came out of that."""

    name = "all_then_head"

    def phases(self, lowest, depth_count, epochs):
        return (tl.Phase(1, lowest), tl.Phase(epochs - 1, depth_count + 1))


@pytest.mark.parametrize("strategy", [HeadThenAll, AllThenHead])
def test_phases(strategy, settings, tmp_path, monkeypatch):
    """Each phase trains its own units; a run stopped in the second goes on to the same weights."""
    settings = {**settings, "epochs": 4}
    monkeypatch.setattr("tl_strategies.training.engine.CHECKPOINT_INTERVAL", 0)
    whole = tl.fit(strategy(), **settings)
    events = EventAccumulator(str(whole.directory / "train"), size_guidance={"tensors": 0}).Reload()
    assert [event.step for event in events.Tensors("epoch/loss")] == [1, 2, 3, 4]

    settings["run_dir"] = str(tmp_path / "stopped")
    save = Checkpoint.save
    saved = []

    def stop(self, progress, variables):
        save(self, progress, variables)
        saved.append((progress.phase, progress.epoch))
        if saved[-1] == (1, 2):
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        tl.fit(strategy(), **settings)
    assert saved == [(0, 1), (1, 1), (1, 2)]
    monkeypatch.setattr(Checkpoint, "save", save)
    resumed = tl.fit(strategy(), **settings, resume=True)
    assert resumed.metrics["test"] == pytest.approx(whole.metrics["test"], abs=1e-5)
    for one, other in zip(resumed.model.weights, whole.model.weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
