"""Classifiers on codes: they learn what is there, and no more; scale and shift change nothing."""

import numpy as np
import pytest

from tl_strategies.analysis.probe.classifiers import score_codes
from tl_strategies.analysis.probe.settings import CLASSIFIERS, DROPOUT

SIZES = {"train": 60, "validation": 30, "test": 30}
NAMES = [*CLASSIFIERS, *(name + DROPOUT for name in CLASSIFIERS)]


def problem(size, separable=True, seed=0):
    """Codes of three classes, which differ in their means where they can be told apart."""
    random = np.random.default_rng(seed)
    means = 2 * random.normal(size=(3, size)) * separable
    labels = {part: np.arange(count) % 3 for part, count in SIZES.items()}
    codes = {
        part: (means[own] + random.normal(size=(len(own), size))).astype("float32")
        for part, own in labels.items()
    }
    return codes, labels


@pytest.mark.parametrize("size", [8, 200])
@pytest.mark.parametrize("name", NAMES)
def test_they_learn_what_is_there(name, size):
    assert min(score_codes(name, *problem(size), 3, seed=0)) >= 0.95
    nothing = [score_codes(name, *problem(size, False, seed), 3, seed=0)[1] for seed in range(4)]
    assert 0.15 < np.mean(nothing) < 0.55


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_images_with_several_labels(name):
    codes, labels = problem(20)
    several = {part: np.stack([own == 0, own >= 1], axis=1) for part, own in labels.items()}
    assert min(score_codes(name, codes, several, 2, seed=0)) >= 0.95


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_scale_and_shift_of_codes_change_nothing(name):
    codes, labels = problem(12, seed=3)
    scale = np.geomspace(0.1, 10, 12, dtype="float32")
    changed = {part: values * scale + 3 for part, values in codes.items()}
    assert score_codes(name, changed, labels, 3, 0) == score_codes(name, codes, labels, 3, 0)


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("absent", [1, 2])
def test_a_label_without_training_images_is_never_told(name, absent):
    codes, labels = problem(8)
    kept = labels["train"] != absent
    codes["train"], labels["train"] = codes["train"][kept], labels["train"][kept]
    assert score_codes(name, codes, labels, 3, seed=0)[1] == pytest.approx(2 / 3, abs=0.05)


def test_dropout_has_its_seed():
    codes, labels = problem(8, seed=2)
    codes = {part: 0.3 * values for part, values in codes.items()}
    scores = [
        score_codes("ridge" + DROPOUT, codes, labels, 3, seed) for seed in (0, 0, *range(1, 9))
    ]
    assert scores[0] == scores[1]
    assert len(set(scores)) > 1
