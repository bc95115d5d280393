"""Settings that change nothing are found from the plan."""

import pytest

from tl_strategies.backbones.units import find_units
from tl_strategies.settings.run import Settings
from tl_strategies.settings.unheeded import DESCENT, unheeded, unheeded_text
from tl_strategies.strategies import strategies
from tl_strategies.strategies.registry import create_strategy
from tl_strategies.task import Task
from tl_strategies.testing import tiny_backbone

CHANGED = {
    "epochs": 5,
    "batch_size": 8,
    "learning_rate": 0.1,
    "optimizer": "sgd",
    "schedule": "step",
    "schedule_over": "phase",
    "warmup": 0.2,
    "weight_decay": 0.1,
    "label_smoothing": 0.1,
    "class_weight": "balanced",
    "keep": "last",
}


@pytest.fixture(scope="module")
def units():
    return find_units(tiny_backbone())


def found(units, strategy, n=None, **changed):
    settings = Settings(strategy=strategy, n=n, **changed)
    plan = create_strategy(strategy, n).plan(units, Task(("a", "b")), bn=settings.bn)
    return unheeded(settings, plan)


@pytest.mark.parametrize("name", strategies())
def test_a_strategy_has_a_use_for_the_defaults(units, name):
    assert found(units, name) == []


def test_without_descent_its_settings_have_no_use(units):
    assert set(found(units, "fixed", **CHANGED)) == set(CHANGED)
    patient = {"plateau": 2, "patience": 3}
    assert set(found(units, "fixed", **patient)) == set(patient)
    assert set(DESCENT) == set(CHANGED) | set(patient)
    assert found(units, "gradual", **CHANGED) == []


@pytest.mark.parametrize(
    ("strategy", "n", "changed", "expected"),
    [
        ("partial", 2, {"bn": "train"}, []),
        ("partial", 5, {"bn": "train"}, ["bn"]),
        ("head", None, {"bn": "train"}, ["bn"]),
        ("head", None, {"bn": "adapt"}, []),
        ("fixed", None, {"bn": "adapt", "augment": "flip"}, []),
        ("scratch", None, {"bn": "train"}, ["bn"]),
        ("scratch", None, {"bn": "adapt"}, ["bn"]),
        ("scratch", None, {"weights": "file.h5"}, ["weights"]),
        ("scratch", None, {"weights": "none"}, []),
        ("transplant", 2, {"weights": "file.h5"}, []),
        ("partial", 2, {"schedule_over": "phase"}, ["schedule_over"]),
        ("lp_ft", None, {"schedule_over": "phase"}, []),
        ("head", None, {"cache": "off", "cache_dir": "there"}, ["cache_dir"]),
    ],
)
def test_what_has_no_use(units, strategy, n, changed, expected):
    assert found(units, strategy, n, **changed) == expected


def test_it_is_said_in_one_line(units):
    settings = Settings(strategy="fixed", epochs=5, learning_rate=0.1)
    plan = create_strategy("fixed", None).plan(units, Task(("a", "b")))
    text = "strategy fixed has no use for --epochs, --learning_rate"
    assert unheeded_text(settings, plan) == text
    assert unheeded_text(Settings(strategy="fixed"), plan) == ""
