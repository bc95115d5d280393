"""Classifiers fitted on codes: what they have to choose is what is best on validation images."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tl_strategies.metrics import average_precisions
from tl_strategies.plans.plan import Head
from tl_strategies.training.linear import Linear, one_hot, solutions
from tl_strategies.training.nearest import Nearest
from tl_strategies.training.space import (
    Sample,
    Space,
    plain_space,
    spanned,
    standard_space,
    unit_length,
)

PENALTIES = tuple(10.0 ** (quarter / 4) for quarter in range(-24, 21))  # 45 values of C
DECADE = 4  # of these; decades are tried first, then what lies around the best one
MOST_FITS = len(PENALTIES[::DECADE]) + 2 * (DECADE - 1)


def fit_classifier(
    head: Head,
    train: Sample,
    validation: Sample,
    seed: int,
    progress: Callable[[int], None] = lambda done: None,
    fine: bool = True,
) -> tuple[Linear | Nearest, Linear | Nearest]:
    """Fit the classifier of a head on codes.

    Args:
        head: of a fitted classifier.
        train, validation: images to fit on, and to choose on.
        seed: of the solver, and of what is dropped.
        progress: called with the number of fits done, at most MOST_FITS.
        fine: choose among all values of C, not among decades only.

    Returns:
        What is fitted on training images, and what is kept: the same, or where the head says so
        one that is fitted on validation images too. Linear scores, but for those of logistic
        regression, are scaled by one temperature, chosen on validation images.
    """
    fit = Fit(head, _space(head, train, validation), validation, seed)
    if head.classifier == "knn":
        first = last = fit.nearest(train)
        if head.refit:
            last = fit.nearest(train.and_also(validation), first.choice)
        return first, last
    first = last = fit.best(train, progress, fine)
    if head.refit:
        both = fit.project(train.and_also(validation))
        last = next(fit.solve(*both, [first.choice]))
    if head.classifier != "logistic_regression":
        factor, _ = temperature(first.scores(validation.codes), validation.labels)
        return first.scaled(factor), last.scaled(factor)
    return first, last


@dataclasses.dataclass(frozen=True)
class Fit:
    """Fits the classifiers of a head in a space; images to choose on are apart."""

    head: Head
    space: Space
    validation: Sample
    seed: int

    def project(self, train: Sample) -> tuple[Sample, np.ndarray | None]:
        """Images in the space, in as few values as they span; and the axes of these."""
        projected = train._replace(codes=self.space.project(train.codes))
        dropped = projected.dropped(self.head.dropout, self.seed)
        codes, axes = spanned(dropped.codes[:, self.space.used])
        return dropped._replace(codes=codes), axes

    def solve(
        self, projected: Sample, axes: np.ndarray | None, penalties: Sequence[float]
    ) -> Iterator[Linear]:
        """The linear classifier of each C, on codes as they are."""
        used, count = self.space.used, self.head.labels
        codes, labels, weights = projected
        given = (self.head.classifier, codes, labels, count, weights, self.seed, penalties)
        for penalty, kernel, bias in solutions(*given):
            whole = np.zeros((len(used), count))
            kernel = kernel if axes is None else axes @ kernel
            whole[used] = kernel / self.space.scale[used, None]
            bias = bias - self.space.mean @ whole
            yield Linear(whole.astype("float32"), bias.astype("float32"), penalty)

    def best(
        self,
        train: Sample,
        progress: Callable[[int], None] = lambda done: None,
        fine: bool = True,
    ) -> Linear:
        """That with the best score on validation images; on a tie, the best probabilities."""
        best, best_key, tried = None, None, []
        projected = self.project(train)
        for step in (DECADE, 1) if fine else (DECADE,):
            at = 0 if best is None else PENALTIES.index(best.choice)
            near = PENALTIES if best is None else PENALTIES[max(at - DECADE + 1, 0) : at + DECADE]
            left = [penalty for penalty in near[::step] if penalty not in tried]
            for found in self.solve(*projected, left):
                scores = found.scores(self.validation.codes)
                loss = temperature(scores, self.validation.labels)[1]
                key = score(scores, self.validation.labels), -loss
                if best is None or key > best_key:
                    best, best_key = found, key
                tried.append(found.choice)
                progress(len(tried))
        progress(MOST_FITS)
        return best

    def nearest(self, train: Sample, number: int | None = None) -> Nearest:
        """Neighbours of which so many vote, or as many as are best on validation images."""
        projected = train._replace(codes=self.space.project(train.codes))
        codes, labels, _ = projected.dropped(self.head.dropout, self.seed)
        targets = one_hot(labels, self.head.labels)
        found = Nearest(self.space, unit_length(codes), targets, number or 1)
        if number is None:
            votes, labels = found.votes(self.validation.codes), self.validation.labels
            number = max(votes, key=lambda each: score(votes[each], labels))
        return dataclasses.replace(found, choice=number)


def score(scores: np.ndarray, labels: np.ndarray) -> float:
    """Accuracy, or where images have several labels mean average precision."""
    if labels.ndim == 2:
        precisions = np.array(average_precisions(scores, labels))
        return float(precisions[np.isfinite(precisions)].mean())
    return float(np.mean(scores.argmax(axis=1) == labels))


def temperature(scores: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """The factor on the scores at which their probabilities have the lowest log loss, and that.

    As in Platt (1999), an image more than there are is on no label's side: without it, the factor
    of scores that are all right would have no end.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_expit, log_softmax

    doubt = 1 / (len(labels) + 2)

    def loss(exponent: float) -> float:
        scaled = np.exp(exponent) * scores
        if labels.ndim == 2:
            own = np.where(labels, scaled, -scaled)
            return -((1 - doubt) * log_expit(own) + doubt * log_expit(-own)).mean()
        logs = log_softmax(scaled, axis=1)
        own = logs[np.arange(len(labels)), labels]
        return -((1 - doubt) * own + doubt * logs.mean(axis=1)).mean()

    found = minimize_scalar(loss, bounds=(-3, 5), method="bounded")
    return float(np.exp(found.x)), float(found.fun)


def _space(head: Head, train: Sample, validation: Sample) -> Space:
    """The space of a head: standardised or not, with the values that it selects.

    Those have the largest ridge weights for standardised values (Evci et al. 2022 choose so too,
    by a group lasso).
    """
    codes = train.codes
    space = standard_space(codes) if head.standardize else plain_space(codes)
    if head.select == 1:
        return space
    standard = standard_space(codes)
    ridge = Head("ridge", head.labels, multilabel=head.multilabel)
    kernel = Fit(ridge, standard, validation, seed=0).best(train).kernel
    sizes = np.linalg.norm(kernel * standard.scale[:, None], axis=1)
    most = int(np.ceil(head.select * len(sizes)))
    return space.without(np.argsort(-sizes, kind="stable")[most:])
