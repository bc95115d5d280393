"""Classifiers on codes: fitted on training images, tuned on validation images, scored on both."""

import numpy as np

from tl_strategies.analysis.probe.settings import DROPOUT
from tl_strategies.plans.plan import Head
from tl_strategies.training.classifier import fit_classifier, score
from tl_strategies.training.space import Sample

KINDS = {"svm": "linear_svm", "softmax": "logistic_regression"}  # others have their own names
DROPPED = 0.5  # of the code values (Donahue et al. 2014)


def score_codes(
    name: str, codes: dict[str, np.ndarray], labels: dict[str, np.ndarray], count: int, seed: int
) -> tuple[float, float]:
    """Validation and test accuracy, or where images have several labels mean average precision.

    Codes are standardised by the training images, so that the same penalties suit every unit.

    Args:
        name: one of CLASSIFIERS, with dropout of the training codes or without.
        codes: of shape (images, features); of "train", "validation" and "test".
        labels: as in a Listing.
        count: how many labels there are.
        seed: of the solver and of the dropout.
    """
    kind = name.removesuffix(DROPOUT)
    head = Head(
        KINDS.get(kind, kind),
        count,
        dropout=DROPPED * (kind != name),
        multilabel=labels["train"].ndim == 2,
        standardize=True,
    )
    samples = {
        part: Sample(codes[part], own, np.ones(len(own), "float32")) for part, own in labels.items()
    }
    fitted, _ = fit_classifier(head, samples["train"], samples["validation"], seed, fine=False)
    validation, test = (score(fitted.scores(codes[p]), labels[p]) for p in ("validation", "test"))
    return validation, test
