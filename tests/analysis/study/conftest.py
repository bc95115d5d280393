"""What a study of a small data set needs."""

import dataclasses
import functools
import shutil

import pytest

from tl_strategies.analysis.study.checks import check_study
from tl_strategies.analysis.study.curve import open_curve, run_curve
from tl_strategies.analysis.study.settings import CurveSettings
from tl_strategies.runs.job import Job
from tl_strategies.settings.run import Settings


def settings_of(root, arrays):
    """Settings of short trainings."""
    return Settings(
        backbone="caffenet_mini",
        dataset=f"npz:{arrays}",
        epochs=2,
        batch_size=8,
        optimizer="sgd",
        learning_rate=0.01,
        run_dir=str(root / "study"),
        cache_dir=str(root / "cache"),
        deterministic=True,
    )


def open_settings(settings, **curve):
    """A study's own settings, one split where these say nothing of it, and its job."""
    curve = CurveSettings(**{"splits": 1, **curve})
    return curve, open_curve(check_study(settings, curve), curve)


@pytest.fixture
def settings(arrays, tmp_path):
    return settings_of(tmp_path, arrays)


@pytest.fixture
def open_study(settings):
    """A job and its settings, from those of the study."""
    return functools.partial(open_settings, settings)


@dataclasses.dataclass(frozen=True)
class Finished:
    """A study that has ended.

    Attributes:
        curve: its settings.
        job: what its cells share.
        summary: what it gave.
    """

    curve: CurveSettings
    job: Job
    summary: dict

    def again(self):
        """Start it once more."""
        return run_curve(self.curve, self.job)


@pytest.fixture(scope="module")
def _studied(arrays, tmp_path_factory):
    root = tmp_path_factory.mktemp("studied")
    flags = {"n": "1,7", "treatments": "base,AnB,BnB,AnB+", "paper": True}
    curve, job = open_settings(settings_of(root, arrays), **flags)
    summary = run_curve(curve, job)
    shutil.copytree(job.directory, root / "copy")
    return Finished(curve, job, summary)


@pytest.fixture
def finished(_studied):
    """One for all tests of a file; each finds it as it ended."""
    directory = _studied.job.directory
    shutil.rmtree(directory)
    shutil.copytree(directory.with_name("copy"), directory)
    return _studied
