"""The solvers of linear classifiers give what scikit-learn gives, whatever the labels are."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import LinearSVC

from tl_strategies.training import linear
from tl_strategies.training.linear import solutions

KINDS = ("linear_svm", "logistic_regression", "ridge")


def clusters(count, labels, seed, values=12):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(labels, values))
    chosen = np.arange(count) % labels
    codes = centres[chosen] + 0.3 * rng.normal(size=(count, values))
    return (codes / np.linalg.norm(codes, axis=1, keepdims=True)).astype("float32"), chosen


@pytest.mark.parametrize("values", [12, 150])
@pytest.mark.parametrize("labels", [2, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_scikit_learn(kind, labels, values):
    """Of weighted images, whether values are fewer than images or more."""
    codes, chosen = clusters(100, labels, 0, values)
    weights = np.linspace(0.5, 2, 100)
    for penalty in (0.1, 1.0, 10):
        [(_, kernel, bias)] = solutions(kind, codes, chosen, labels, weights, 0, [penalty])
        scores = codes @ kernel + bias
        if kind == "ridge":
            model = Ridge(1 / penalty).fit(codes, 2.0 * np.eye(labels)[chosen] - 1, weights)
            np.testing.assert_allclose(scores, model.predict(codes), atol=1e-4)
            continue
        kinds = {"linear_svm": LinearSVC, "logistic_regression": LogisticRegression}
        model = kinds[kind](C=penalty, max_iter=20000, random_state=0)
        model.fit(codes, chosen, weights)
        expected = model.decision_function(codes)
        own = scores if labels > 2 else scores[:, 1] - scores[:, 0]
        np.testing.assert_allclose(own, expected, atol=1e-4)


def test_going_on_from_one_penalty_to_the_next_ends_where_starting_anew_does():
    codes, chosen = clusters(120, 5, 4)
    codes = codes + np.random.default_rng(0).normal(size=codes.shape).astype("float32")
    given = ("logistic_regression", codes, chosen, 5, np.ones(120), 0)
    for penalty, kernel, bias in solutions(*given, (0.01, 0.1, 1.0, 10.0)):
        [(_, *anew)] = solutions(*given, [penalty])
        own, other = (codes @ kernel + bias).argmax(1), (codes @ anew[0] + anew[1]).argmax(1)
        assert np.mean(own == other) >= 0.98


@pytest.mark.parametrize("kind", KINDS)
def test_a_label_that_all_images_have_or_none(kind):
    """Its score is the same for all; the label between is learnt."""
    codes, chosen = clusters(60, 2, 0)
    labels = np.stack([chosen == 0, np.ones(60), np.zeros(60)], axis=1).astype(bool)
    [(_, kernel, bias)] = solutions(kind, codes, labels, 3, np.ones(60), 0, [1.0])
    scores = codes @ kernel + bias
    np.testing.assert_array_equal(scores[:, 0] > 0, chosen == 0)
    assert (scores[:, 1] > 0).all()
    assert (scores[:, 2] < 0).all()
    assert np.ptp(scores[:, 1:], axis=0).max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_a_label_without_images_is_never_told(kind):
    codes, chosen = clusters(60, 3, 0)
    for absent in range(3):
        there = chosen != absent
        given = codes[there], chosen[there], 3, np.ones(there.sum()), 0, [100.0]
        [(_, kernel, bias)] = solutions(kind, *given)
        assert absent not in (codes[there] @ kernel + bias).argmax(axis=1)


def test_what_does_not_converge_is_said_in_a_line(monkeypatch, capsys):
    monkeypatch.setattr(linear, "MOST_STEPS", 1)
    codes, chosen = clusters(60, 3, 0)
    list(solutions("linear_svm", codes, chosen, 3, np.ones(60), 0, [100.0]))
    assert "LinearSVC with C = 100 ended after 1 steps\n" in capsys.readouterr().out
