"""What each class weighs in the loss."""

from collections.abc import Mapping

import numpy as np

from tl_strategies.errors import UsageError
from tl_strategies.task import Task

Policy = str | Mapping[str | int, float]


def check_class_weight(policy: Policy, task: Task) -> None:
    """Raise UsageError where images have several labels, or there is no such class or weight."""
    if policy == "none":
        return
    if task.multilabel:
        raise UsageError(
            f"--class_weight must be none where images have several labels. Received: {policy}. "
            "Give the images weights, in a column of csv:FILE."
        )
    if isinstance(policy, Mapping):
        known = {*task.names, *range(task.label_count)}
        if policy.keys() - known or not all(0 <= v < float("inf") for v in policy.values()):
            raise UsageError(
                "class_weight must have weights of at least 0 by names or numbers of classes. "
                f"Received: {dict(policy)}; the classes are {', '.join(task.names[:20])}."
            )


def class_weights(labels: np.ndarray, policy: Policy, task: Task) -> np.ndarray:
    """Each image's weight in the loss, float32 of shape (images,).

    By the policy "none" it is 1; by "balanced" all classes weigh the same; or it is given by names
    or numbers of classes, where 1 is not meant.
    """
    if policy == "none":
        return np.ones(len(labels), "float32")
    if isinstance(policy, Mapping):
        each = [policy.get(name, policy.get(i, 1.0)) for i, name in enumerate(task.names)]
        return np.array(each, "float32")[labels]
    counts = np.bincount(labels)
    return (len(labels) / (np.count_nonzero(counts) * counts[labels])).astype("float32")
