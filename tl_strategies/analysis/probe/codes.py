"""The codes of every unit: its output averaged over its places, in one pass over the images."""

import dataclasses

import numpy as np

from tl_strategies.backbones.units import unit_output
from tl_strategies.data.images import Images
from tl_strategies.runs.job import replan
from tl_strategies.runs.trainer import Trainer
from tl_strategies.training.inputs import inputs_at


def unit_codes(trainer: Trainer, images: Images, positions: np.ndarray) -> list[np.ndarray]:
    """Pooled codes of each unit by depth, float32 of shape (positions, channels).

    They are stored, and are those of `fixed` with all units.

    Args:
        trainer: of the backbone.
        images: the data set.
        positions: of the images among them.
    """
    job = trainer.job
    chosen = {"strategy": "fixed", "n": None, "option": {"units": "all"}}
    settings = dataclasses.replace(job.settings, **chosen, bn="frozen", head=None)
    features = trainer.features(replan(job, settings, job.directory))
    inputs = inputs_at(images, positions)
    codes = features.fetch(len(job.units), {"all": inputs})["all"][np.arange(len(positions))]
    sizes = [unit_output(job.backbone, unit).shape[-1] for unit in job.units]
    return np.split(codes, np.cumsum(sizes)[:-1], axis=1)
