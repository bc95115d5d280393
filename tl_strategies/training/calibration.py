"""Probabilities that say how often they are right: one temperature, folded into the last layer."""

import keras
import numpy as np
from scipy.special import expit, logit, softmax

from tl_strategies.training.classifier import temperature
from tl_strategies.training.features import Features
from tl_strategies.training.forward import run_rows
from tl_strategies.training.inputs import part_inputs

TINY = 1e-7  # the least probability that is taken apart


def calibrate(features: Features) -> float | None:
    """Divide what the head gives before its softmax by a temperature (Guo et al. 2017).

    It has the lowest log loss on validation images, and changes no ranking of labels.

    Returns:
        The temperature; None where there are no validation images, or the head is not the plan's
        own or was fitted with one.
    """
    plan, last = features.plan, features.model.layers[-1]
    inputs = part_inputs(features.images, "validation")
    own = isinstance(last, keras.layers.Dense) and plan.head.classifier == "softmax"
    if not (own and plan.phases and inputs.images):
        return None
    depth = plan.frozen_depth
    array = features.fetch(depth, {"validation": inputs})["validation"]
    rows = run_rows(features.forward(depth, None), array, np.arange(inputs.images))
    factor, _ = temperature(_scores(np.stack([*rows]), plan.head.multilabel), inputs.labels)
    last.set_weights([factor * weight for weight in last.get_weights()])
    return 1 / factor


def uncalibrated(probabilities: np.ndarray, given: float, multilabel: bool) -> np.ndarray:
    """What probabilities were before a temperature was given to them."""
    scores = given * _scores(probabilities, multilabel)
    return expit(scores) if multilabel else softmax(scores, axis=1)


def _scores(probabilities: np.ndarray, multilabel: bool) -> np.ndarray:
    """What softmax, or sigmoid, makes these probabilities from."""
    inner = np.clip(probabilities.astype("float64"), TINY, 1 - TINY)
    return logit(inner) if multilabel else np.log(inner)
