"""Metrics: values known by hand, scikit-learn's, and VOC 2007's own definition."""

from fractions import Fraction

import numpy as np
import pytest
from sklearn import metrics as theirs

from tl_strategies.metrics import (
    average_precisions,
    calibration_error,
    confidences,
    image_losses,
    margins,
    score,
    score_classes,
    voc07_precision,
)


def test_average_precision_known_by_hand():
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    truth = np.array([True, False, True, False, True])
    probabilities, labels = scores[:, None], truth[:, None]
    assert average_precisions(probabilities, labels) == [pytest.approx((1 + 2 / 3 + 3 / 5) / 3)]
    # Best precision at or beyond: recalls 0 to .3 have 1, .4 to .6 have 2/3, .7 to 1 have 3/5.
    expected = (4 * 1 + 3 * 2 / 3 + 4 * 3 / 5) / 11
    assert voc07_precision(scores, truth) == pytest.approx(expected, abs=1e-12)


def voc_devkit(scores, truth):
    """The loop of VOC 2007's evaluation: recall and precision by rank, then eleven thresholds."""
    ranked = truth[np.argsort(-scores, kind="stable")]
    points, hits = [], 0
    for rank, hit in enumerate(ranked, 1):
        hits += int(hit)
        points.append((Fraction(hits, int(truth.sum())), hits / rank))
    best = [max(p for r, p in points if r >= Fraction(k, 10)) for k in range(11)]
    return sum(best) / 11


@pytest.mark.parametrize("seed", range(5))
def test_average_precisions_of_many(seed):
    rng = np.random.default_rng(seed)
    labels = rng.random((200, 4)) < (0.5, 0.1, 0.3, 0.02)
    labels[0] = True
    probabilities = np.clip(rng.random((200, 4)) + 0.3 * labels, 0, 1)
    found = score(probabilities, labels)
    expected = theirs.average_precision_score(labels, probabilities, average="macro")
    assert found["mean_average_precision"] == pytest.approx(expected, abs=1e-9)
    voc = [voc_devkit(*pair) for pair in zip(probabilities.T, labels.T, strict=True)]
    assert found["mean_average_precision_voc07"] == pytest.approx(np.mean(voc), abs=1e-9)
    loss = np.mean([theirs.log_loss(t, p) for t, p in zip(labels.T, probabilities.T, strict=True)])
    assert found["loss"] == pytest.approx(loss, rel=1e-3)
    classes = score_classes(probabilities, labels, "abcd")
    assert np.mean([of["average_precision"] for of in classes.values()]) == pytest.approx(expected)


def test_a_label_that_no_image_has_does_not_count():
    labels = np.array([[True, False], [False, False]])
    probabilities = np.array([[0.9, 0.4], [0.1, 0.6]])
    assert score(probabilities, labels)["mean_average_precision"] == 1.0
    assert score_classes(probabilities, labels, "ab")["b"] == {}


@pytest.mark.parametrize("labels", [3, 8])
def test_one_label_an_image(labels):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, labels - 1, 300)  # one class has no image
    probabilities = rng.dirichlet(np.ones(labels), 300)
    predicted = probabilities.argmax(axis=1)
    found = score(probabilities, truth)
    assert found["accuracy"] == pytest.approx(theirs.accuracy_score(truth, predicted))
    recall = theirs.recall_score(truth, predicted, labels=np.unique(truth), average="macro")
    assert found["balanced_accuracy"] == pytest.approx(recall)
    expected = theirs.log_loss(truth, probabilities, labels=range(labels))
    assert found["loss"] == pytest.approx(expected)
    f1 = theirs.f1_score(truth, predicted, labels=np.unique(truth), average="macro")
    assert found["macro_f1"] == pytest.approx(f1)
    assert ("top_5_accuracy" in found) == (labels > 5)
    if labels > 5:
        top = theirs.top_k_accuracy_score(truth, probabilities, k=5, labels=range(labels))
        assert found["top_5_accuracy"] == pytest.approx(top)
    classes = score_classes(probabilities, truth, [str(i) for i in range(labels)])
    assert classes["0"]["recall"] == pytest.approx(np.mean(predicted[truth == 0] == 0))
    assert classes["1"]["precision"] == pytest.approx(np.mean(truth[predicted == 1] == 1))
    assert "recall" not in classes[str(labels - 1)]


def test_calibration_known_by_hand():
    sure = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55])
    right = np.array([True, True, True, False, True, False])
    assert calibration_error(sure, right) == pytest.approx((4 * 0.20 + 2 * 0.05) / 6)
    assert calibration_error(np.ones(3), np.ones(3, bool)) == 0


def test_what_is_worst_and_least_certain():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    labels = np.array([0, 0, 1])
    assert image_losses(probabilities, labels).argmax() == 1
    assert margins(probabilities, multilabel=False).argmin() == 2
    several = np.array([[True, False], [True, True], [False, True]])
    assert image_losses(probabilities, several).argmax() == 1
    assert margins(probabilities, multilabel=True).argmin() == 2
    sure, right = confidences(probabilities, several)
    assert sure.shape == right.shape == (6,)
