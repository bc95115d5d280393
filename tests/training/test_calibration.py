"""The temperature of a run: in the saved model, changes no prediction, and is told."""

import csv

import numpy as np
import pytest
from keras import layers
from scipy.special import softmax

import tl_strategies as tl
from tl_strategies.runs import run as run_module
from tl_strategies.training.calibration import _scores, uncalibrated


def probabilities(run):
    """By part, from predictions.csv."""
    found = {}
    with (run.directory / "predictions.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["part"], []).append([float(row[n]) for n in list(row)[4:]])
    return {part: np.array(rows) for part, rows in found.items()}


@pytest.mark.parametrize("strategy", ["head", "full", "lp_ft"])
def test_it_lowers_the_loss_on_validation_images_and_changes_no_label(
    strategy, settings, monkeypatch
):
    settings |= {"deterministic": True, "learning_rate": 0.1}
    run = tl.fit(strategy, **settings)
    monkeypatch.setattr(run_module, "calibrate", lambda features: None)
    plain = tl.fit(strategy, **settings | {"run_dir": settings["run_dir"] + "2"})
    told, before = probabilities(run), probabilities(plain)
    temperature = run.metrics["calibration"]["temperature"]
    assert abs(temperature - 1) > 1e-4
    for part in ("validation", "test"):
        np.testing.assert_array_equal(told[part].argmax(1), before[part].argmax(1))
        undone = uncalibrated(told[part], temperature, multilabel=False)
        np.testing.assert_allclose(undone, before[part], atol=2e-3)
        error = run.metrics["calibration"][f"{part}_error_before"]
        assert error == pytest.approx(plain.metrics[part]["calibration_error"], abs=0.02)
    assert plain.metrics["calibration"] == {"temperature": None}
    assert run.metrics["test"]["accuracy"] == plain.metrics["test"]["accuracy"]


def test_several_labels_an_image(settings, photos):
    lines = ["path,labels"]
    lines += [f"{p.relative_to(photos)},{p.parent.name};all" for p in photos.glob("*/*.png")]
    (photos / "labels.csv").write_text("\n".join(lines))
    run = tl.fit("head", **settings | {"dataset": f"csv:{photos / 'labels.csv'}"})
    assert run.metrics["calibration"]["temperature"] > 0
    assert run.metrics["calibration"]["test_error_before"] >= 0


@pytest.mark.parametrize(
    "given",
    [
        {"strategy": "fixed"},
        {"train_on": "train+validation"},
        {"head": lambda x: layers.Dense(3, "softmax")(layers.GlobalMaxPooling2D()(x))},
    ],
    ids=["fixed", "no validation", "given head"],
)
def test_what_has_none(given, settings):
    run = tl.fit(**{"strategy": "head"} | given | settings)
    assert run.metrics["calibration"] == {"temperature": None}


def test_scores_and_probabilities_are_two_sides():
    scores = np.random.default_rng(0).normal(size=(50, 4))
    told = softmax(scores / 1.7, axis=1)
    np.testing.assert_allclose(uncalibrated(told, 1.7, False), softmax(scores, axis=1), atol=1e-6)
    sure = np.array([[1.0, 0.0]])
    assert np.isfinite(_scores(sure, False)).all()
    assert np.isfinite(_scores(sure, True)).all()
