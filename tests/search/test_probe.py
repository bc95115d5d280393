import numpy as np
import pytest

from tl_strategies.runs.job import check, replan
from tl_strategies.runs.trainer import Trainer
from tl_strategies.search.probe import hopeless, probe_depths
from tl_strategies.search.search import open_search
from tl_strategies.search.settings import SearchSettings
from tl_strategies.search.space import trial_settings


@pytest.fixture
def trainer(base):
    return Trainer(open_search(check(base), SearchSettings()))


def test_fine_tuning_is_probed_on_all_units_that_it_keeps(trainer, monkeypatch):
    widths = []
    from sklearn.linear_model import RidgeClassifierCV

    fit = RidgeClassifierCV.fit
    monkeypatch.setattr(
        RidgeClassifierCV, "fit", lambda self, x, y: widths.append(x.shape[1]) or fit(self, x, y)
    )
    plans = {}
    for n in (1, 4, 5):
        settings = trial_settings(trainer.job.settings, {"n": n}, 0)
        plans[n] = replan(trainer.job, settings, trainer.job.directory).plan
    right = probe_depths(trainer, plans, lambda done: None)
    assert widths == [32, 14, 8]
    assert {len(values) for values in right.values()} == {6}


def test_what_is_worse_by_chance_stays():
    best = np.array([True] * 90 + [False] * 10)
    near = np.array([True] * 88 + [False] * 12)
    far = np.array([True] * 70 + [False] * 30)
    assert hopeless({0: best, 1: near, 2: far, 3: best}) == [2]
