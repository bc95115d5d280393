"""The study of a worker, opened anew in its process."""

import dataclasses
import pathlib
from typing import TYPE_CHECKING

from tl_strategies.analysis.settings import CurveSettings
from tl_strategies.environment import import_keras
from tl_strategies.training.settings import Settings

if TYPE_CHECKING:
    from tl_strategies.analysis.study import Study


def open_study(settings: Settings, curve: CurveSettings, directory: pathlib.Path) -> "Study":
    """The study that a directory holds, with data and backbone loaded once more."""
    import_keras()
    from tl_strategies.analysis.checks import check_study, halves_of
    from tl_strategies.analysis.curve import prepared
    from tl_strategies.analysis.study import Study

    job = dataclasses.replace(prepared(check_study(settings, curve)), directory=directory)
    return Study(job, curve, halves_of(curve, job))
