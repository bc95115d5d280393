"""What a study gets wrong and needs no Keras to be found."""

import dataclasses
from typing import TYPE_CHECKING

from tl_strategies.analysis.study.halves import Halves, all_halves
from tl_strategies.analysis.study.settings import CurveSettings
from tl_strategies.backbones.names import UNTRAINED
from tl_strategies.data.csv_file import read_split
from tl_strategies.data.listing import Listing
from tl_strategies.errors import UsageError
from tl_strategies.runs.job import Checked, Job, check
from tl_strategies.settings.run import Settings

if TYPE_CHECKING:
    import keras


def check_study(
    settings: Settings,
    curve: CurveSettings,
    listing: Listing | None = None,
    model: "keras.Model | None" = None,
) -> Checked:
    """Settings that passed the checks that take a moment; the backbone has weights or has not.

    Raises:
        UsageError: something must change before any cell can be trained.
    """
    if curve.paper and settings.backbone not in UNTRAINED:
        raise paper_error(settings.backbone)
    if curve.kinds(settings) != ["given"] and model is None:
        settings = dataclasses.replace(settings, weights="none")
    checked = dataclasses.replace(check(settings, None, listing, model), strategy=None)
    listing, file = checked.listing, checked.settings.split
    parts = listing.parts if file is None else read_split(file, listing)
    halves = halves_of(curve, checked)
    for split in halves if parts is not None else ():
        for names in filter(None, (split.a, split.b)):
            inside = listing.of_classes(names)[1]
            absent = sorted(set(parts) - set(parts[inside]) - {""})
            if absent:
                raise UsageError(
                    "--class_split must leave images in each part to both halves. Received: "
                    f"{split.name}, where {', '.join(names)} have none in {absent[0]}."
                )
    return checked


def halves_of(curve: CurveSettings, job: Job | Checked) -> list[Halves]:
    """All splits of the classes, in their order."""
    kinds, task = curve.kinds(job.settings), job.listing.task
    return all_halves(kinds, task, curve.splits, job.settings.seed)


def paper_error(backbone: str) -> UsageError:
    """The backbone has not the layers of the published curves."""
    return UsageError(
        f"--paper must come with --backbone {' or '.join(UNTRAINED)}, whose layers are the "
        f"paper's. Received: {backbone}."
    )
