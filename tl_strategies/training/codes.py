"""A classifier fitted on stored codes: the training of a plan without phases."""

import time

import keras
import numpy as np

from tl_strategies.settings.run import Settings
from tl_strategies.tracking.progress import progress_bar
from tl_strategies.tracking.tensorboard import Tracker
from tl_strategies.training.classifier import MOST_FITS, fit_classifier
from tl_strategies.training.features import Features
from tl_strategies.training.forward import make_forward, run_rows
from tl_strategies.training.inputs import fitted_inputs
from tl_strategies.training.space import Sample


def fit_codes(
    features: Features, settings: Settings, tracker: Tracker
) -> tuple[float, np.ndarray | None]:
    """Fit the classifier of the plan's head, which becomes part of the model.

    Returns:
        The seconds of fitting, and where the model was fitted on validation images too, their
        probabilities before that.
    """
    head, depth = features.plan.head, len(features.plan.units)
    inputs = fitted_inputs(features.images, settings, kept=features.kept(depth))
    arrays = features.fetch(depth, inputs)
    start = time.perf_counter()
    model = features.model
    start_of, end = features.tensor(depth), model.layers[-1].input
    changed = make_forward(keras.Model(start_of, end)) if end is not start_of else lambda row: row
    samples = [
        Sample(
            np.stack([*run_rows(changed, array, np.arange(array.shape[0]))]),
            np.concatenate([inputs[part].labels] * inputs[part].views),
            np.tile(inputs[part].weights, inputs[part].views),
        )
        for part, array in arrays.items()
    ]
    bar = progress_bar(MOST_FITS, "fits")
    first, last = fit_classifier(head, *samples, settings.seed, bar)
    validation = None
    if last is not first:
        features.replace_model(first.install(model))
        array = arrays["validation"]
        rows = run_rows(features.forward(depth, None), array, np.arange(array.shape[0]))
        validation = np.stack([*rows])
    features.replace_model(last.install(model))
    tracker.write_scalar("classifier/choice", last.choice)
    return time.perf_counter() - start, validation
