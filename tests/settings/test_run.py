"""Settings of a run: what each must be, and which images, seeds and epochs they choose."""

import csv
import dataclasses

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

import tl_strategies as tl
from tl_strategies.errors import UsageError
from tl_strategies.runs.job import check
from tl_strategies.training.checkpoint import Checkpoint


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("learning_rate", -1.0),
        ("learning_rate", float("nan")),
        ("warmup", 1.0),
        ("weight_decay", -0.1),
        ("limit", 0),
        ("image_size", 4097),
        ("image_size", 1000000),
        ("seed", -1),
        ("plugin", (3,)),
        ("classes", 3),
        ("image_size", (16, 24, 3)),
        ("optimizer", "ftrl"),
        ("schedule", "linear"),
        ("resume", True),
    ],
)
def test_settings_are_checked(setting, value):
    with pytest.raises(tl.UsageError, match=f"--{setting} must"):
        tl.Settings(**{setting: value})


def best_epoch(run):
    progress, _ = Checkpoint(run.directory / "checkpoints").load()
    return progress.best["epoch"]


def test_training_on_train_and_validation_keeps_the_last_epoch(settings):
    run = tl.fit("partial", n=3, train_on="train+validation", **settings | {"epochs": 3})
    assert run.metrics["validation"] == {}
    rows = (run.directory / "split.csv").read_text().splitlines()[1:]
    parts = [row.rsplit(",", 1)[1] for row in rows]
    assert set(parts) == {"train", "test"}
    assert best_epoch(run) == 3
    with pytest.raises(UsageError, match="validation images"):
        tl.fit("fixed", train_on="train+validation", **settings | {"run_dir": None})
    with pytest.raises(UsageError, match="--patience"):
        tl.fit("partial", n=3, train_on="train+validation", patience=1, **settings)


def test_the_split_has_a_seed_of_its_own(settings):
    runs = [
        tl.fit("head", **settings | {"run_dir": f"{settings['run_dir']}{i}"} | seeds)
        for i, seeds in enumerate(({"seed": 1, "split_seed": 5}, {"seed": 2, "split_seed": 5}))
    ]
    splits = [(run.directory / "split.csv").read_text() for run in runs]
    assert splits[0] == splits[1]
    assert runs[0].metrics["test"]["loss"] != runs[1].metrics["test"]["loss"]


class Biases(keras.callbacks.Callback):
    """Notes the bias of the head after each epoch."""

    def on_train_begin(self, logs=None):
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(self.model.layers[-1].bias.numpy())


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_epoch_that_is_kept_is_seen(keep, settings):
    """With `last` no validation image is looked at before the end."""
    biases = Biases()
    spoilt = keras.optimizers.schedules.PiecewiseConstantDecay([8], [0.02, 5.0])  # in epoch 3
    settings |= {"epochs": 4, "learning_rate": spoilt, "keep": keep, "callbacks": [biases]}
    run = tl.fit("scratch", **settings)
    events = EventAccumulator(str(run.directory / "validation")).Reload()
    assert ("epoch/accuracy" in events.Tags()["tensors"]) == (keep == "best")
    assert (best_epoch(run) == 4) == (keep == "last")
    kept = np.asarray(run.model.layers[-1].bias) * run.metrics["calibration"]["temperature"]
    same = [np.allclose(bias, kept, rtol=1e-5) for bias in biases.seen]
    assert same == [epoch == best_epoch(run) for epoch in range(1, 5)]
    if keep == "best":
        scores = [float(make_ndarray(e.tensor_proto)) for e in events.Tensors("epoch/accuracy")]
        assert scores[best_epoch(run) - 1] == max(scores)
        assert run.metrics["validation"]["accuracy"] == pytest.approx(max(scores), abs=1e-6)


def test_keeping_the_last_epoch_needs_no_patience(settings):
    with pytest.raises(UsageError, match="--keep"):
        tl.fit("head", **settings, keep="last", patience=2)


def test_a_class_that_is_not_used_may_have_one_image(photos):
    for path in sorted((photos / "red").iterdir())[1:]:
        path.unlink()
    (photos / "none").mkdir()
    settings = tl.Settings(strategy="head", dataset=f"folder:{photos}")
    with pytest.raises(UsageError, match="'none' with 0, 'red' with 1"):
        check(settings)
    check(dataclasses.replace(settings, classes=("green", "blue")))
    with pytest.raises(UsageError, match="'red' with 1"):
        check(dataclasses.replace(settings, classes=("red", "blue")))


def test_some_classes(settings, tmp_path):
    """A run on some classes has the images of these in the same parts as a run on all."""
    whole = tl.fit("head", **settings)
    run = tl.fit("head", **{**settings, "run_dir": str(tmp_path / "some")}, classes=("red", "blue"))
    assert (run.directory / "labels.txt").read_text().split() == ["red", "blue"]
    assert run.model.output_shape == (None, 2)
    of_all, of_some = (
        {row["path"]: row for row in csv.DictReader((d / "split.csv").read_text().splitlines())}
        for d in (whole.directory, run.directory)
    )
    assert of_some == {path: row for path, row in of_all.items() if row["label"] != "green"}
    assert 'classes = ["red", "blue"]' in (run.directory / "config.toml").read_text()


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("red", "yellow"), "--classes"),
        (("red",), "--classes must be two"),
        (("red", "red"), "two"),
    ],
)
def test_classes_that_are_refused(settings, classes, message):
    with pytest.raises(UsageError, match=message):
        tl.fit("head", **settings, classes=classes)
