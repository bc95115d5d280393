"""The Python face: what a Keras user has in hand goes into one call."""

import inspect
import json

import keras
import numpy as np
import pytest
from keras import layers

import tl_strategies as tl
from tests.forked import call, prepare
from tl_apps import tl_curve, tl_search
from tl_strategies.plans.optimizers import last_rate


class Seen(keras.callbacks.Callback):
    """Counts epochs; stops the process' work in one of them."""

    def __init__(self, stop_at=None):
        super().__init__()
        self.epochs, self.stop_at = [], stop_at

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(epoch)
        if epoch == self.stop_at:
            raise KeyboardInterrupt


def wide_head(x):
    x = layers.GlobalMaxPooling2D()(x)
    return layers.Dense(3, "softmax")(layers.Dense(8, "relu")(x))


def test_a_subclass_a_head_layers_and_a_callback_stopped_and_resumed(settings, tmp_path):
    class Upper(tl.Strategy):
        """Trains the upper units."""

        def trainable(self, unit, depth_count):
            return unit.depth > 3

    def fit(name, callback, **others):
        given = {
            **settings,
            "epochs": 4,
            "deterministic": True,
            "head": wide_head,
            "augment": [layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)],
            "views": 2,
            "run_dir": str(tmp_path / name),
        }
        return tl.fit(Upper, **given, callbacks=[callback], **others)

    whole, seen = Seen(), Seen(stop_at=1)
    expected = fit("whole", whole)
    assert whole.epochs == [0, 1, 2, 3]
    with pytest.raises(KeyboardInterrupt):
        fit("stopped", seen, resume=True)
    rest = Seen()
    again = fit("stopped", rest, resume=True)
    assert rest.epochs[-1] == 3
    assert len(rest.epochs) < 4
    for one, other in zip(expected.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert again.plan.head.classifier == "given"
    assert tl.load(tmp_path / "stopped").metrics == again.metrics


class Looks(keras.callbacks.Callback):
    """Notes what an epoch ends with, and the optimizer that trains it."""

    def on_epoch_end(self, epoch, logs=None):
        self.logs = dict(logs)
        self.optimizer = self.model.optimizer
        self.rate = last_rate(self.optimizer)


def test_a_model_an_optimizer_a_loss_metrics_and_weights(settings, backbone):
    model = keras.models.load_model(backbone, compile=False)
    before = model.get_weights()
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([3], [0.02, 0.005])
    seen, calls = Looks(), []

    def loss(targets, probabilities):
        calls.append(targets.shape)
        return keras.losses.categorical_crossentropy(targets, probabilities)

    run = tl.fit(
        "partial",
        n=2,
        **settings | {"backbone": model, "learning_rate": schedule},
        optimizer=keras.optimizers.SGD(momentum=0.5, clipnorm=1.0),
        loss=loss,
        metrics=["top_k_categorical_accuracy"],
        class_weight={"red": 2.0},
        callbacks=[seen],
    )
    assert run.metrics["backbone"] == model.name
    assert run.metrics["learning_rate"] == pytest.approx(0.02)
    assert seen.rate == pytest.approx(0.005)
    assert (seen.optimizer.momentum, seen.optimizer.clipnorm) == (0.5, 1.0)
    assert {"top_k_categorical_accuracy", "val_top_k_categorical_accuracy"} <= seen.logs.keys()
    assert calls
    for old, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)


def train_folds(settings, directory):
    found = []
    for workers in (1, 2):
        place = directory / f"workers{workers}"
        flags = settings | {"run_dir": place, "epochs": 1, "deterministic": True}
        found.append(tl.fit("head", folds=3, workers=workers, **flags).metrics)
    assert found[0]["test"] == found[1]["test"]
    assert found[0]["spread"] == found[1]["spread"]


def test_folds_in_workers_are_those_of_one_process(settings, tmp_path):
    prepare()
    call(train_folds, settings, tmp_path, log=tmp_path / "log")


def test_an_optimizer_gives_what_its_name_gives(settings, tmp_path):
    settings.pop("learning_rate")
    named = {"optimizer": "adam", "learning_rate": 0.01}
    weights = []
    for given in (named, {"optimizer": keras.optimizers.Adam(0.01)}):
        place = tmp_path / str(len(weights))
        run = tl.fit("full", **settings | given | {"run_dir": place}, deterministic=True)
        weights.append(run.model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_images_that_are_not_square(photos, tmp_path):
    run = tl.fit(
        "partial",
        n=5,
        dataset=f"folder:{photos}",
        backbone="caffenet_mini",
        weights="none",
        image_size=(28, 40),
        epochs=1,
        run_dir=tmp_path / "run",
    )
    assert run.model.input_shape == (None, 28, 40, 3)
    assert 'image_size = "28x40"' in (tmp_path / "run" / "config.toml").read_text()


def test_searching_in_data_from_memory(settings, tmp_path):
    given = {name: value for name, value in settings.items() if name != "dataset"}
    draw = np.random.default_rng(0)
    data = (draw.integers(0, 255, (60, 16, 16, 3)).astype("uint8"), np.arange(60) % 3)
    found = tl.search_depth("partial", data=data, depths=[2, 4], **given)
    assert found.metrics["n"] in (2, 4)
    image = keras.Input((16, 16, 3))
    features = layers.Conv2D(4, 3, 2)(layers.Conv2D(4, 3, 2)(image))
    keras.Model(image, features).save(tmp_path / "two.keras")
    given |= {"run_dir": tmp_path / "auto", "backbone": tmp_path / "two.keras"}
    run = tl.fit("partial", n="auto", data=data, **given)
    curve = json.loads((tmp_path / "auto" / "search" / "summary.json").read_text())
    assert run.metrics["n"] == curve["chosen"]["n"]


def test_a_curve(arrays, tmp_path):
    summary = tl.curve(
        backbone="caffenet_mini",
        dataset=f"npz:{arrays}",
        splits=1,
        n=[7],
        treatments=["base", "BnB"],
        epochs=1,
        optimizer=keras.optimizers.SGD(0.01),
        augment=layers.RandomFlip("horizontal"),
        run_dir=tmp_path / "study",
    )
    assert (summary["directory"] / "curve.csv").is_file()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"epoch": 3}, "Did you mean 'epochs'"),
        ({"optimizer": layers.Dense(2)}, "--optimizer must be a name or a Keras optimizer"),
        ({"callbacks": [print]}, "--callbacks must be a list of Keras callbacks"),
        ({"head": lambda x: layers.Flatten()(x)}, "head must make probabilities of shape"),
        ({"head": lambda x: layers.Dense(3)(layers.GlobalAveragePooling2D()(x)) - 5}, "softmax"),
        ({"class_weight": {"pink": 1}}, "the classes are"),
        ({"image_size": (16, 0)}, "--image_size must be from 1"),
        ({"n": "auto", "folds": 3}, "--n auto must come without --folds"),
        ({"strategy": 3}, "strategy must be a name, a subclass"),
    ],
)
def test_what_is_wrong_is_said(settings, flags, message):
    given = {**settings, "strategy": "partial", **flags}
    with pytest.raises(tl.UsageError, match=message):
        tl.fit(given.pop("strategy"), **given)


def test_what_workers_cannot_have(settings):
    given = {name: value for name, value in settings.items() if name != "dataset"}
    data = (np.zeros((60, 16, 16, 3), "uint8"), np.arange(60) % 3)
    with pytest.raises(tl.UsageError, match="workers must be 1"):
        tl.search_depth(data=data, workers=2, **given)


def test_load_refuses_what_is_no_run(tmp_path):
    with pytest.raises(tl.UsageError, match="must hold a finished run"):
        tl.load(tmp_path)


@pytest.mark.parametrize(
    ("command", "function"), [(tl_search, "search_depth"), (tl_curve, "curve")]
)
def test_the_names_are_those_of_the_commands(command, function):
    """Every flag but those of the command itself is an argument: it is not what is refused."""
    assert inspect.getdoc(getattr(tl, function))
    for flag in command.FLAGS:
        if flag.name in ("config", "quiet", "strategy"):
            continue
        with pytest.raises(tl.UsageError) as raised:
            getattr(tl, function)(**{flag.name: flag.default}, unknown=1)
        assert "Received: unknown" in str(raised.value)
