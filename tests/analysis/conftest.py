"""What a study of a small data set needs."""

import pytest

from tl_strategies.analysis.checks import check_study
from tl_strategies.analysis.curve import open_job
from tl_strategies.analysis.settings import CurveSettings
from tl_strategies.training.settings import Settings


@pytest.fixture
def settings(arrays, tmp_path):
    return Settings(
        backbone="caffenet_mini",
        dataset=f"npz:{arrays}",
        epochs=2,
        batch_size=8,
        optimizer="sgd",
        learning_rate=0.01,
        run_dir=str(tmp_path / "study"),
        cache_dir=str(tmp_path / "cache"),
        deterministic=True,
    )


@pytest.fixture
def open_study(settings):
    """A job and its settings, from those of the study."""

    def open_study(**curve):
        curve = CurveSettings(**{"splits": 1, **curve})
        return curve, open_job(check_study(settings, curve), curve)

    return open_study
