"""A linear probe of each depth, before anything is trained, to leave out hopeless ones.

What training above the transfer depth can build on are the outputs of unit n and of all pretrained
units above it: a linear classifier on all of them, pooled, comes close to what fine-tuning gives
(Head2Toe, Evci et al. 2022). Where the units above are fresh or dropped, unit n is all there is.
"""

from collections.abc import Callable, Iterator

import keras
import numpy as np
from keras import ops

from tl_strategies.backbones.units import unit_output
from tl_strategies.plans.plan import Plan
from tl_strategies.search.trial import Bench
from tl_strategies.training.forward import (
    BATCH,
    computed_with,
    make_forward,
    model_digest,
    run_batches,
)
from tl_strategies.training.inputs import part_inputs

PENALTIES = np.logspace(-2, 4, 7)  # of the squared weights, on standardised codes
PARTS = ("train", "validation")
MOST_ERRORS = 2  # standard errors below the best


def pooled_codes(bench: Bench) -> dict[str, list[np.ndarray]]:
    """The output of every unit averaged over its places, by part; one pass, kept in the store."""
    job = bench.job
    pooled = []
    for unit in job.units:
        tensor = unit_output(job.backbone, unit)
        axes = tuple(range(1, len(tensor.shape) - 1))
        pooled.append(ops.mean(tensor, axes) if axes else tensor)
    widths = np.cumsum([tensor.shape[-1] for tensor in pooled])
    model = keras.Model(job.backbone.inputs[0], ops.concatenate(pooled, axis=-1))
    inputs = {part: part_inputs(bench.images, part) for part in PARTS}
    forward = make_forward(model)
    codes = {}
    for part, given in inputs.items():

        def compute(positions: np.ndarray, given=given) -> Iterator[tuple[int, np.ndarray]]:
            for first, values in run_batches(forward, given.array, positions):
                yield from zip(positions[first : first + BATCH], values, strict=False)

        what = {"kind": "codes", "model": model_digest(model), "images": bench.images.decoding}
        info = {"kind": "codes", "backbone": job.settings.backbone, "image_size": job.image_size}
        shape = (int(widths[-1]),)
        entry = bench.store.fetch(
            what | computed_with(), info, given.keys, shape, "float32", compute
        )
        if entry is None:  # there is no store
            rows = np.stack([value for _, value in compute(np.arange(len(given.keys)))])
        else:
            rows = entry.array[np.arange(len(given.keys))]
        codes[part] = np.split(rows, widths[:-1], axis=1)
    return codes


def probe_depths(
    bench: Bench, plans: dict[int, Plan], progress: Callable[[int], None]
) -> dict[int, np.ndarray]:
    """Which validation images a linear classifier gets right, by depth.

    Args:
        bench: the data and the backbone.
        plans: by depth; say which units keep pretrained weights.
        progress: called with the number of depths done.
    """
    from sklearn.linear_model import RidgeClassifierCV

    codes = pooled_codes(bench)
    labels = {part: part_inputs(bench.images, part).labels for part in PARTS}
    right, done = {}, {}
    for count, (depth, plan) in enumerate(plans.items(), 1):
        pretrained = [row.depth for row in plan.units if row.weights == "pretrained"]
        used = tuple(unit for unit in pretrained if unit >= max(depth, 1)) or (1,)
        if used not in done:
            rows = {part: np.hstack([codes[part][unit - 1] for unit in used]) for part in PARTS}
            mean, scale = rows["train"].mean(axis=0), rows["train"].std(axis=0) + 1e-6
            rows = {part: (values - mean) / scale for part, values in rows.items()}
            classifier = RidgeClassifierCV(PENALTIES).fit(rows["train"], labels["train"])
            done[used] = classifier.predict(rows["validation"]) == labels["validation"]
        right[depth] = done[used]
        progress(count)
    return right


def hopeless(right: dict[int, np.ndarray]) -> list[int]:
    """Depths whose probe is worse than the best by more than chance: two paired standard errors.

    Args:
        right: for each depth, whether each validation image is classified right.
    """
    best = max(right.values(), key=np.mean)
    found = []
    for depth, mine in right.items():
        losses = best.astype(float) - mine
        if losses.mean() > MOST_ERRORS * losses.std(ddof=1) / np.sqrt(len(losses)):
            found.append(depth)
    return found
