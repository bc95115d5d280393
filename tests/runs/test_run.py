"""Whole runs on real image files with a tiny backbone: what is written, and that it is right."""

import csv
import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import tl_strategies as tl
from tl_strategies.plans.plan import Plan
from tl_strategies.strategies import strategies

PLAIN_KERAS = """
import sys
sys.modules["tl_strategies"] = None
import csv, keras, numpy as np
from PIL import Image, ImageOps
for line in sys.stdin:
    directory = line.strip()
    model = keras.models.load_model(f"{directory}/model.keras")
    assert not model.compiled
    with open(f"{directory}/predictions.csv") as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == "test"]
    images, size = [], model.input_shape[1:3]
    for row in rows:
        image = Image.open(row["path"]).convert("RGB")
        image = ImageOps.pad(image, size, Image.Resampling.BICUBIC, color="white")
        images.append(np.asarray(image))
    probabilities = model.predict(np.stack(images).astype("float32"), verbose=0)
    expected = np.array([[float(row[name]) for name in list(rows[0])[4:]] for row in rows])
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    print("the same", flush=True)
"""


@pytest.fixture(scope="module")
def plain_keras():
    """Asks a process that lacks this package whether a run's model predicts what the run says."""
    command = [sys.executable, "-c", PLAIN_KERAS]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def ask(directory):
            print(directory, file=process.stdin, flush=True)
            return process.stdout.readline().strip()

        yield ask
        process.stdin.close()


@pytest.mark.parametrize("name", strategies())
def test_a_run_writes_what_it_should(name, settings, plain_keras, capsys):
    run = tl.fit(name, **settings)
    assert "no heat maps" not in capsys.readouterr().out
    directory = run.directory
    written = {path.name for path in directory.iterdir()}
    assert written >= {
        *("config.toml", "plan.json", "split.csv", "metrics.json", "predictions.csv"),
        *("labels.txt", "model.keras", "confusion_matrix.png"),
    }
    assert json.loads((directory / "metrics.json").read_text()) == run.metrics
    assert Plan.from_json((directory / "plan.json").read_text()) == run.plan
    assert (directory / "labels.txt").read_text().split() == ["blue", "green", "red"]
    with (directory / "split.csv").open() as file:
        split = {row["path"]: row for row in csv.DictReader(file)}
    with (directory / "predictions.csv").open() as file:
        predictions = list(csv.DictReader(file))
    assert len(split) == 42
    assert [split[row["path"]]["part"] for row in predictions] == [r["part"] for r in predictions]
    test = [row for row in predictions if row["part"] == "test"]
    right = np.mean([row["label"] == row["predicted"] for row in test])
    assert run.metrics["test"]["accuracy"] == pytest.approx(right)
    for row in predictions:
        probabilities = {label: float(row[label]) for label in ("blue", "green", "red")}
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert max(probabilities, key=probabilities.get) == row["predicted"]
    assert plain_keras(directory) == "the same"


def test_events(settings):
    directory = tl.fit("partial", n=2, **settings).directory

    def tensors(folder):
        events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
        return events, set(events.Tags()["tensors"])

    train, tags = tensors(directory / "train")
    assert {"epoch/loss", "epoch/accuracy", "learning_rate/head"} <= tags
    assert {"learning_rate/03_block1b", "learning_rate/05_top_conv"} <= tags
    assert [event.step for event in train.Tensors("epoch/loss")] == [1, 2]
    assert {"epoch/loss", "epoch/accuracy"} <= tensors(directory / "validation")[1]
    events, tags = tensors(directory)
    assert {"plan", "confusion matrix, test", "test/accuracy"} <= tags
    assert "_hparams_/session_start_info" in events.summary_metadata


def test_features_are_shared(settings, tmp_path):
    first = tl.fit("head", **settings)
    second = tl.fit("add_fc", **{**settings, "run_dir": str(tmp_path / "second")})
    third = tl.fit("head", **{**settings, "run_dir": str(tmp_path / "third")})
    statuses = [run.metrics["features"]["status"] for run in (first, second, third)]
    assert statuses == ["miss", "hit", "hit"]
    assert first.metrics["test"] == third.metrics["test"]


def test_training_learns(settings):
    run = tl.fit("scratch", **{**settings, "epochs": 20})
    assert run.metrics["validation"]["accuracy"] >= 0.8


def test_frozen_weights_are_the_backbone_s(settings, backbone):
    import keras

    source = {w.path: w.numpy() for w in keras.models.load_model(backbone).weights}
    run = tl.fit("partial", n=3, **settings)
    lowest = {"stem_conv", "stem_bn", "block1a_conv", "block1a_bn", "block1b_conv", "block1b_bn"}
    for weight in run.model.weights:
        if weight.path.split("/")[0] in lowest or "/moving_" in weight.path:
            np.testing.assert_array_equal(weight.numpy(), source[weight.path])


def test_a_strategy_object(settings):
    strategy = tl.get_strategy("transplant")(n=2, fine_tune=True)
    run = tl.fit(strategy, **settings)
    assert run.plan.n == 2
    assert all(unit.trainable for unit in run.plan.units)
    with pytest.raises(tl.UsageError, match="must be those of the strategy"):
        tl.fit(strategy, n=3, **settings)
    with pytest.raises(tl.UsageError, match="epoks"):
        tl.fit("head", epoks=3)


def test_the_readme_s_lines_predict_as_the_run_did(settings, photos, monkeypatch):
    """Run as they stand in the README, where this package cannot be imported, on odd images too."""
    rng = np.random.default_rng(0)
    for i in range(16):
        noise = rng.integers(0, 255, (900, 600, 3)).astype("uint8")
        tall = Image.fromarray(noise).resize((700, 1400))
        tall.save(photos / "red" / f"large{i}.jpg")
        clear = Image.fromarray(rng.integers(0, 255, (40, 40, 4)).astype("uint8"))
        clear.save(photos / "blue" / f"clear{i}.png")
    directory = tl.fit("head", **settings).directory
    readme = (pathlib.Path(__file__).parents[2] / "README.md").read_text()
    (lines,) = [
        block for block in re.findall(r"```python\n(.*?)```", readme, re.S) if "load_model" in block
    ]
    lines = lines.replace("runs/my_run", str(directory)).replace('"photo.jpg"', "path")
    monkeypatch.setitem(sys.modules, "tl_strategies", None)
    code = compile(lines, "README.md", "exec")
    with (directory / "predictions.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if re.search("large|clear", row["path"])]
    assert {pathlib.Path(row["path"]).suffix for row in rows} == {".jpg", ".png"}
    for row in rows:
        names = {"path": row["path"]}
        exec(code, names)
        expected = [float(row[name]) for name in ("blue", "green", "red")]
        np.testing.assert_allclose(names["probabilities"], expected, atol=1e-5)
