"""What a study of a small data set needs."""

import pytest

from tl_strategies.analysis.study.checks import check_study
from tl_strategies.analysis.study.curve import open_curve
from tl_strategies.analysis.study.settings import CurveSettings
from tl_strategies.settings.run import Settings


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
        return curve, open_curve(check_study(settings, curve), curve)

    return open_study
