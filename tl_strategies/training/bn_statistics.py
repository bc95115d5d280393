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
from tl_strategies.store.rows import LazyRows
from tl_strategies.store.store import Store
from tl_strategies.tracking.progress import progress_bar
from tl_strategies.training.checkpoint import assign
from tl_strategies.training.forward import BATCH, identity_of
from tl_strategies.training.inputs import part_inputs


def adapt_statistics(
    model: keras.Model, plan: Plan, units: list[Unit], images: Images, store: Store, seed: int
) -> None:
    """Set the statistics of the units that the plan says so of, from the training images.

    They are means over batches in a seeded order. The store keeps them, since every feature
    depends on them.
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
            yield position, _mean_statistics(backbone, chosen, statistics, inputs.array, order)

    identity = identity_of("statistics", images, model=backbone)
    key = hashlib.blake2b(b"".join(inputs.keys[order]), digest_size=16).hexdigest()
    metadata = {"kind": "statistics", "backbone": plan.backbone}
    ends = np.cumsum([weight.shape[0] for weight in statistics])
    shape = (int(ends[-1]),)
    entry = store.fetch(identity, metadata, np.array([key], "S32"), shape, "float32", compute)
    values = entry.array[0] if entry else next(compute(np.zeros(1, int)))[1]
    assign(statistics, np.split(values, ends[:-1]))


def _mean_statistics(
    backbone: keras.Model, chosen: list, statistics: list, array: LazyRows, order: np.ndarray
) -> np.ndarray:
    @tf.function(jit_compile=False)
    def step(batch):
        backbone(batch, training=True)

    count = max(1, len(order) // BATCH)
    bar = progress_bar(count, "statistics of training images")
    seen = []
    with following_batches(chosen):
        for done, rows in enumerate(np.resize(order, (count, BATCH)), 1):
            step(array[rows].astype("float32"))
            seen.append(np.concatenate([weight.numpy() for weight in statistics]))
            bar(done)
    return np.mean(seen, axis=0, dtype="float64").astype("float32")
