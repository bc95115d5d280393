"""The linear classifier: right scores, two labels too, a temperature that changes no prediction."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tl_strategies.training import linear
from tl_strategies.training.linear import _fits, _temperature, fit_linear


def clusters(count, labels, seed):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(labels, 12))
    chosen = np.arange(count) % labels
    codes = centres[chosen] + 0.3 * rng.normal(size=(count, 12))
    return (codes / np.linalg.norm(codes, axis=1, keepdims=True)).astype("float32"), chosen


@pytest.mark.parametrize("labels", [2, 5])
@pytest.mark.parametrize("classifier", ["linear_svm", "logistic_regression"])
def test_separable_codes_are_separated(classifier, labels):
    parts = {"train": clusters(100, labels, 0), "validation": clusters(40, labels, 1)}
    done = []
    kernel, bias, penalty = fit_linear(
        classifier,
        {part: data[0] for part, data in parts.items()},
        {part: data[1] for part, data in parts.items()},
        labels,
        np.ones(100),
        0,
        done.append,
    )
    assert kernel.shape == (12, labels)
    assert bias.shape == (labels,)
    assert penalty > 0
    assert done == list(range(1, 8))
    codes, expected = clusters(50, labels, 2)
    assert np.mean((codes @ kernel + bias).argmax(axis=1) == expected) > 0.95


@pytest.mark.parametrize("classifier", ["linear_svm", "logistic_regression"])
def test_a_label_that_all_images_have_or_none(classifier):
    """Its score is the same for all; the label between is learnt."""
    codes, chosen = clusters(60, 2, 0)
    labels = np.stack([chosen == 0, np.ones(60), np.zeros(60)], axis=1).astype(bool)
    parts = ("train", "validation")
    kernel, bias, _ = fit_linear(
        *(classifier, dict.fromkeys(parts, codes), dict.fromkeys(parts, labels)),
        *(3, np.ones(60), 0, lambda done: None),
    )
    scores = codes @ kernel + bias
    np.testing.assert_array_equal(scores[:, 0] > 0, chosen == 0)
    assert (scores[:, 1] > 0).all()
    assert (scores[:, 2] < 0).all()
    assert np.ptp(scores[:, 1:], axis=0).max() == 0


@pytest.mark.parametrize("labels", [2, 5])
def test_going_on_from_one_penalty_to_the_next_ends_where_starting_anew_does(labels):
    codes, chosen = clusters(120, labels, 4)
    codes = codes + np.random.default_rng(0).normal(size=codes.shape).astype("float32")
    weights = np.linspace(0.5, 2, 120)
    for penalty, kernel, bias in _fits("logistic_regression", codes, chosen, labels, weights, 0):
        model = LogisticRegression(C=penalty, max_iter=5000).fit(codes, chosen, weights)
        own = (codes @ kernel + bias).argmax(axis=1)
        assert np.mean(own == model.predict(codes)) >= 0.98


def test_what_does_not_converge_is_said_in_a_line(monkeypatch, capsys):
    monkeypatch.setattr(linear, "MOST_STEPS", 1)
    codes, chosen = clusters(60, 3, 0)
    list(_fits("linear_svm", codes, chosen, 3, np.ones(60), 0))
    assert "LinearSVC with C = 100 ended after 1 steps\n" in capsys.readouterr().out


def test_the_temperature_has_the_lowest_loss():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 200)
    scores = rng.normal(size=(200, 3)) + np.eye(3)[labels]

    def loss(scale):
        logits = scale * scores
        logits = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return -logits[np.arange(200), labels].mean()

    best = _temperature(scores, labels)
    assert loss(best) <= min(loss(best * factor) for factor in (0.9, 1.1)) + 1e-9
