"""The codes of units: their outputs averaged over places, in one pass over the images."""

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
    codes = _codes(trainer, images, positions, {"units": "all"})
    sizes = [unit_output(trainer.job.backbone, unit).shape[-1] for unit in trainer.job.units]
    return np.split(codes, np.cumsum(sizes)[:-1], axis=1)


def last_codes(trainer: Trainer, images: Images, positions: np.ndarray) -> np.ndarray:
    """Pooled codes of the last unit, which trainings above frozen units share."""
    return _codes(trainer, images, positions, {})


def _codes(
    trainer: Trainer, images: Images, positions: np.ndarray, option: dict[str, str]
) -> np.ndarray:
    job = trainer.job
    chosen = {"strategy": "fixed", "n": None, "option": option, "bn": "frozen", "head": None}
    settings = dataclasses.replace(job.settings, **chosen)
    features = trainer.features(replan(job, settings, job.directory))
    inputs = {"all": inputs_at(images, positions)}
    return features.fetch(len(job.units), inputs)["all"][np.arange(len(positions))]
