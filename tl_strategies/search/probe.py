"""A linear probe of each depth, before anything is trained, to leave out hopeless ones.

What training above the transfer depth can build on are the outputs of unit n and of all pretrained
units above it: a linear classifier on all of them, pooled, comes close to what fine-tuning gives
(Head2Toe, Evci et al. 2022). Where the units above are fresh or dropped, unit n is all there is.
"""

from collections.abc import Callable
from typing import Any

import keras_tuner
import numpy as np

from tl_strategies.analysis.probe.codes import unit_codes
from tl_strategies.backbones.units import multiply_adds
from tl_strategies.files import read_json, write_text
from tl_strategies.plans.plan import Plan
from tl_strategies.runs.manifest import to_json
from tl_strategies.runs.trainer import Trainer
from tl_strategies.search.trial import fails, point_job
from tl_strategies.tracking.progress import progress_bar

PENALTIES = np.logspace(-2, 4, 7)  # of the squared weights, on standardised codes
PARTS = ("train", "validation")
MOST_ERRORS = 2  # standard errors below the best


def probe_depths(
    trainer: Trainer, plans: dict[int, Plan], progress: Callable[[int], None]
) -> dict[int, np.ndarray]:
    """By depth, the share of its labels that a linear classifier gets right, for each image.

    The images are those of the validation part; plans say which units keep pretrained weights.
    """
    from sklearn.linear_model import RidgeClassifierCV

    images = trainer.images()
    positions = {part: images.positions(part) for part in PARTS}
    codes = unit_codes(trainer, images, np.concatenate([*positions.values()]))
    ends = [len(positions[PARTS[0]])]
    labels = {part: images.listing.labels[own] for part, own in positions.items()}
    right, done = {}, {}
    for count, (depth, plan) in enumerate(plans.items(), 1):
        pretrained = [row.depth for row in plan.units if row.weights == "pretrained"]
        used = tuple(unit for unit in pretrained if unit >= max(depth, 1)) or (1,)
        if used not in done:
            whole = np.hstack([codes[unit - 1] for unit in used])
            rows = dict(zip(PARTS, np.split(whole, ends), strict=True))
            mean, scale = rows["train"].mean(axis=0), rows["train"].std(axis=0) + 1e-6
            rows = {part: (values - mean) / scale for part, values in rows.items()}
            classifier = RidgeClassifierCV(PENALTIES).fit(rows["train"], labels["train"])
            hits = classifier.predict(rows["validation"]) == labels["validation"]
            done[used] = hits.reshape(len(hits), -1).mean(axis=1)
        right[depth] = done[used]
        progress(count)
    return right


def hopeless(right: dict[int, np.ndarray]) -> list[int]:
    """Depths whose probe is worse than the best by more than chance: two paired standard errors."""
    best = max(right.values(), key=np.mean).astype(float)
    losses = {depth: best - shares for depth, shares in right.items()}
    return [
        depth
        for depth, loss in losses.items()
        if loss.mean() > MOST_ERRORS * loss.std(ddof=1) / np.sqrt(len(loss))
    ]


def leave_out(trainer: Trainer, space: keras_tuner.HyperParameters) -> dict[str, Any]:
    """Depths that a probe finds hopeless; says so, and what that saves."""
    job = trainer.job
    file = job.directory / "probe.json"
    done = read_json(file)
    if done is not None:
        return done
    [depths] = [hp.values for hp in space.space if hp.name == "n"]
    plans = {n: point_job(job, {"n": n}).plan for n in depths if not fails(job, {"n": n})}
    if not plans:
        return {}
    right = probe_depths(trainer, plans, progress_bar(len(plans), "linear probes"))
    accuracies = {n: float(np.mean(shares)) for n, shares in right.items()}
    out = hopeless(right)
    costs = multiply_adds(job.backbone, job.units)
    work = {n: _work(plan, costs) for n, plan in plans.items()}
    saved = sum(work[n] for n in out) / max(sum(work.values()), 1)
    if out:
        left_out = ", ".join(f"{n} ({accuracies[n]:.3f})" for n in out)
        print(
            f"left out by their linear probes: n = {left_out}; the best has "
            f"{max(accuracies.values()):.3f}. That saves {saved:.0%} of the training."
        )
    else:
        print("the linear probes leave no depth out")
    dropped = {"depths": out, "accuracies": accuracies, "saved": saved}
    write_text(file, to_json(dropped))
    return dropped


def _work(plan: Plan, costs: list[int]) -> int:
    """Multiply-adds of training a plan, for each image: forwards, and twice that backwards."""
    return sum(
        3 * phase.epochs * sum(costs[phase.trainable_from - 1 : len(plan.units)])
        for phase in plan.phases
    )
