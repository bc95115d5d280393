"""Where a run is written: nothing of the user's is replaced, one process at a time."""

import json

import keras
import numpy as np
import pytest

import tl_strategies as tl
from tests.test_directories import grow_tree, snapshot
from tl_strategies.directories import MARK, claimed, is_ours
from tl_strategies.runs.manifest import NAMES, RECORD
from tl_strategies.store.store import Store


def kept(before, root):
    now = snapshot(root)
    return {path: content for path, content in now.items() if path in before} == before


@pytest.mark.parametrize("seed", [0, 1])
def test_nothing_of_the_user_s_is_touched(settings, tmp_path, seed):
    """Through a run, a resumed one, eviction and clearing, in directories full of files."""
    run, cache = tmp_path / "run", tmp_path / "cache"
    grow_tree(cache / "store", seed + 20)
    before = grow_tree(run, seed) | grow_tree(cache, seed + 10)
    tl.fit("head", **settings)
    (run / "metrics.json").unlink()
    tl.fit("head", **settings, resume=True, cache_limit=1e-4)
    Store(cache / "store", limit=1).clear()
    assert Store(cache / "store").tables() == []
    assert kept(before, tmp_path)


def test_files_in_the_store_that_are_not_ours(settings, tmp_path):
    tl.fit("head", **settings)
    store = Store(tmp_path / "cache" / "store")
    (table, *_) = [store.directory / entry["table"] for entry in store.tables()]
    (chunk, *_) = table.glob("chunk-*")
    mine = [table / ".notes", chunk / "photo.png", store.directory / ("0" * 32) / "thesis.tex"]
    mine[2].parent.mkdir()
    for path in mine:
        path.write_text("mine")
    store.clear()
    assert [path.read_text() for path in mine] == ["mine"] * 3
    assert not (chunk / "rows.bin").exists()


def test_a_run_writes_what_it_says_and_its_directory_is_ours(settings, tmp_path):
    (tmp_path / "photos" / "red" / "broken.png").write_text("no picture")
    run = tl.fit("head", **settings)
    names = {path.name for path in run.directory.iterdir() if ".tfevents." not in path.name}
    assert names == {*NAMES, MARK}
    assert is_ours(run.directory)


def test_a_directory_with_files_of_such_names_is_refused(settings, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "labels.txt").write_text("mine")
    with pytest.raises(tl.UsageError, match=r"would be replaced\. .*labels\.txt"):
        tl.fit("head", **settings)
    assert (tmp_path / "run" / "labels.txt").read_text() == "mine"


@pytest.mark.parametrize("folds", [None, 3])
def test_one_run_at_a_time_in_a_directory(settings, tmp_path, folds):
    with (
        claimed(tmp_path / "run", RECORD, NAMES),
        pytest.raises(tl.UsageError, match="another process is at work"),
    ):
        tl.fit("head", **settings, folds=folds)


def test_a_directory_that_another_process_has_begun_meanwhile(settings, tmp_path, monkeypatch):
    """Between the first check and the lock."""
    monkeypatch.setattr("tl_strategies.runs.job.run_directory", lambda _: tmp_path / "run")
    run = tl.fit("head", **settings)
    with pytest.raises(tl.UsageError, match="must not hold a run yet"):
        tl.fit("head", **{**settings, "seed": 1})
    assert json.loads((run.directory / "metrics.json").read_text()) == run.metrics


def test_a_run_that_cannot_begin_leaves_no_directory(settings, tmp_path):
    (tmp_path / "photos" / "red" / "00.png").unlink()
    for path in sorted((tmp_path / "photos" / "red").iterdir())[2:]:
        path.write_text("no picture")
    with pytest.raises(tl.UsageError, match="'red' with 2"):
        tl.fit("head", **settings)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("lost", ["model.keras", "predictions.csv", "damaged metrics.json"])
def test_a_finished_run_without_its_files_goes_on(settings, lost):
    first = tl.fit("head", **settings)
    weights = first.model.get_weights()
    if lost == "damaged metrics.json":
        (first.directory / "metrics.json").write_text('{"strategy": "head", ')
    else:
        (first.directory / lost).unlink()
    again = tl.fit("head", **settings, resume=True)
    assert again.metrics["test"] == first.metrics["test"]
    assert all(map(np.array_equal, weights, again.model.get_weights()))
    assert (first.directory / "predictions.csv").is_file()


def test_a_loss_that_is_not_finite_ends_the_run(settings, monkeypatch):
    """The best weights before that are saved."""
    with pytest.raises(tl.UsageError, match=r"loss must be finite.* in epoch 1, step") as caught:
        tl.fit("full", **{**settings, "learning_rate": 1e30, "optimizer": "sgd", "warmup": 0})
    assert "at the learning rate 9.62e+29. Give a lower --learning_rate" in str(caught.value)


def test_the_best_weights_before_a_loss_is_not_finite_are_saved(settings, tmp_path, monkeypatch):
    from tl_strategies.training.engine import EpochEnd

    begin = EpochEnd.on_epoch_begin

    def spoil(self, epoch, logs=None):
        begin(self, epoch, logs)
        if epoch == 2:
            self.model.layers[-1].kernel.assign(self.model.layers[-1].kernel * np.nan)

    monkeypatch.setattr(EpochEnd, "on_epoch_begin", spoil)
    with pytest.raises(tl.UsageError, match=r"in epoch 3, step 1, .*model\.keras"):
        tl.fit("head", **{**settings, "epochs": 4})
    model = keras.models.load_model(tmp_path / "run" / "model.keras")
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
