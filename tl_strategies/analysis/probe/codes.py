"""The codes of every unit: its output averaged over its places, in one pass over the images."""

from collections.abc import Iterator

import keras
import numpy as np
from keras import ops

from tl_strategies.backbones.units import unit_output
from tl_strategies.data.images import Images
from tl_strategies.image_size import size_text
from tl_strategies.runs.trainer import Trainer
from tl_strategies.store.wanted import Wanted
from tl_strategies.tracking.progress import progress_bar
from tl_strategies.training.forward import identity_of, make_forward, run_rows


def unit_codes(trainer: Trainer, images: Images, positions: np.ndarray) -> list[np.ndarray]:
    """Pooled codes of each unit by depth, float32 of shape (positions, channels); they are stored.

    Args:
        trainer: of the backbone.
        images: the data set.
        positions: of the images among them.
    """
    job = trainer.job
    pooled = []
    for unit in job.units:
        tensor = unit_output(job.backbone, unit)
        axes = tuple(range(1, len(tensor.shape) - 1))
        pooled.append(ops.mean(tensor, axes) if axes else tensor)
    sizes = [tensor.shape[-1] for tensor in pooled]
    model = keras.Model(job.backbone.inputs[0], ops.concatenate(pooled, axis=-1))
    forward = make_forward(model)

    def compute(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        bar = progress_bar(len(rows), "codes of all units")
        return zip(rows, run_rows(forward, images, positions[rows], bar), strict=True)

    metadata = {"kind": "codes", "backbone": job.settings.backbone}
    metadata["image_size"] = size_text(job.image_size)
    identity, keys = identity_of("codes", images, model=model), images.keys[positions]
    wanted = Wanted(identity, metadata, keys, (sum(sizes),), "float32", compute)
    entry = trainer.store.fetch(wanted)
    every = np.arange(len(positions))
    if entry is None:  # there is no store
        codes = np.stack([row for _, row in compute(every)])
    else:
        codes = entry.array if isinstance(entry.array, np.ndarray) else entry.array[every]
    return np.split(codes, np.cumsum(sizes)[:-1], axis=1)
