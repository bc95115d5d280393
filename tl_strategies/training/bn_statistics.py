"""`--bn adapt`: BatchNormalization with the statistics of the target's images (Li et al. 2017)."""

import hashlib
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tl_strategies.backbones.surgery import cut, unit_layers
from tl_strategies.backbones.units import Unit, unit_output
from tl_strategies.data.images import Images
from tl_strategies.plans.model import following_batches, set_trainable
from tl_strategies.plans.plan import Plan
from tl_strategies.store.store import Store
from tl_strategies.tracking.progress import progress_bar
from tl_strategies.training.forward import BATCH, computed_with, model_digest
from tl_strategies.training.inputs import part_inputs


def adapt_statistics(
    model: keras.Model, plan: Plan, units: list[Unit], images: Images, store: Store, seed: int
) -> None:
    """Set the statistics of the units that the plan says so of, from the training images.

    They are means over batches in a seeded order. The store keeps them, since every feature
    depends on them.

    Args:
        model: as `build_model` made it; its statistics are changed.
        plan: says which units.
        units: of the backbone.
        images: the data set.
        store: where the statistics are kept.
        seed: of the order.
    """
    chosen = [
        leaf
        for row, unit in zip(plan.units, units, strict=False)
        if row.bn == "adapt"
        for leaf in unit_layers(model, unit)
        if isinstance(leaf, layers.BatchNormalization)
    ]
    statistics = [w for leaf in chosen for w in (leaf.moving_mean, leaf.moving_variance)]
    if not statistics:
        return
    inputs = part_inputs(images, "train")
    order = np.random.default_rng(seed).permutation(inputs.images)
    backbone = cut(model, unit_output(model, units[len(plan.units) - 1]))[0]
    set_trainable(model, plan, units, None)  # no dropout

    def compute(positions: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        for position in positions:
            batches = _batches(inputs.array, order)
            yield position, _batch_statistics(backbone, chosen, statistics, batches)

    identity = {"kind": "statistics", "model": model_digest(backbone), "images": images.decoding}
    identity |= computed_with()
    key = hashlib.blake2b(b"".join(inputs.keys[order]), digest_size=16).hexdigest()
    metadata = {"kind": "statistics", "backbone": plan.backbone}
    size = sum(weight.shape[0] for weight in statistics)
    entry = store.fetch(identity, metadata, np.array([key], "S32"), (size,), "float32", compute)
    values = entry.array[0] if entry else next(compute(np.zeros(1, int)))[1]
    ends = np.cumsum([weight.shape[0] for weight in statistics])
    for weight, value in zip(statistics, np.split(values, ends[:-1]), strict=True):
        weight.assign(value)


def _batches(array, order: np.ndarray) -> Iterator[np.ndarray]:
    count = max(1, len(order) // BATCH)
    bar = progress_bar(count, "statistics of training images")
    for i, rows in enumerate(np.resize(order, (count, BATCH))):
        yield array[rows].astype("float32")
        bar(i + 1)


def _batch_statistics(backbone: keras.Model, chosen: list, statistics: list, batches) -> np.ndarray:
    @tf.function(jit_compile=False)
    def step(batch):
        backbone(batch, training=True)

    seen = []
    with following_batches(chosen):
        for batch in batches:
            step(batch)
            seen.append(np.concatenate([weight.numpy() for weight in statistics]))
    return np.mean(seen, axis=0, dtype="float64").astype("float32")
