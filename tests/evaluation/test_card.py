"""The model card: its numbers are the run's, and names cannot break its tables."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import binomtest

import tl_strategies as tl
from tl_strategies.data.split import PARTS
from tl_strategies.evaluation.card import model_card, wilson
from tl_strategies.plans.plan import Head, Plan, UnitPlan

UNIT = UnitPlan(1, "conv", "pretrained", False, None, "frozen")
PLAN = Plan("head", 1, "efficientnet_lite0", 1, (UNIT,), Head("softmax", 3), ())


def card(names=("cat", "dog", "owl"), plan=PLAN, given=False, multilabel=False, **flags):
    measure = "average_precision" if multilabel else "recall"
    scores = {"accuracy": 0.8, "calibration_error": 0.125}
    metrics = {"trainable_parameters": 1234, "test": scores, "validation": scores}
    metrics["classes"] = {name: {measure: 0.1 * i} for i, name in enumerate(names)}
    report = {"source": "folder:my|photos", "multilabel": multilabel, "left_out": [["a", "b"]]}
    report["classes"] = {name: dict.fromkeys(PARTS, 10 * i) for i, name in enumerate(names, 1)}
    report["images"] = dict.fromkeys(PARTS, 60)
    return model_card(tl.Settings(**flags), plan, metrics, report, given, (64, 96))


@pytest.mark.parametrize(("right", "count"), [(0, 7), (3, 7), (7, 7), (812, 1000)])
def test_wilson(right, count):
    expected = binomtest(right, count).proportion_ci(method="wilson")
    np.testing.assert_allclose(wilson(right / count, count), expected, atol=1e-9)


def test_names_break_no_table():
    names = ("a|b", "*bold*", "<script>", "plain")
    lines = card(names).splitlines()
    assert r"| a\|b | 10 | 10 | 10 |" in lines
    assert r"# Model card: head on folder:my\|photos" in lines
    assert r"| \*bold\* | 0.100 | 20 |" in lines
    assert not any("<script" in line and r"\<script" not in line for line in lines)
    weakest = lines[lines.index("| weakest labels | recall | test images |") + 2 :][:4]
    assert [line.split("|")[-2].strip() for line in weakest] == ["10", "20", "30", "40"]


def test_where_it_comes_from():
    fresh = dataclasses.replace(UNIT, weights="fresh")
    assert "are Apache-2.0" in card()
    for changed in ({"weights": "none"}, {"plan": dataclasses.replace(PLAN, units=(fresh,))}):
        assert "No pretrained weights" in card(**changed)
    assert "of the pretrained weights of resnet50" in card(backbone="resnet50")
    assert "weights\nof its own" in card(backbone="mine.keras")
    for text, flags in (
        ("Split 70/15/15, stratified, by seed 5", {"split_seed": 5}),
        ("Split as the data was", {"given": True}),
        ("Split as other.csv says", {"split": "other.csv"}),
        ("Fold 2 of 5", {"folds": 5, "fold": 2}),
        ("protocol vtab1k", {"protocol": "vtab1k"}),
        ("was trained on too", {"train_on": "train+validation"}),
    ):
        assert text in card(**flags)
    assert "average precision" in card(multilabel=True)


def test_a_run_has_one(settings):
    run = tl.fit("head", **settings)
    text = (run.directory / "card.md").read_text()
    low, high = wilson(run.metrics["test"]["accuracy"], 6)
    assert f"{run.metrics['test']['accuracy']:.3f} [{low:.3f}, {high:.3f}]" in text
    assert f"{run.metrics['trainable_parameters']:,} parameters trained" in text
    assert "| all images | 30 | 6 | 6 |" in text
    assert "of shape (images, 16, 16, 3)" in text
