"""The backbone stays as it is: only what is on top of it learns."""

import dataclasses
from typing import TYPE_CHECKING

from tl_strategies.backbones.units import Unit, find_depth
from tl_strategies.errors import UsageError, unknown
from tl_strategies.plans.plan import Head, Phase
from tl_strategies.strategies.base import Strategy
from tl_strategies.strategies.registry import register
from tl_strategies.task import Task

if TYPE_CHECKING:
    import keras_tuner

CLASSIFIERS = ("linear_svm", "logistic_regression", "ridge", "knn")
POOLING = ("avg", "max", "avgmax", "pyramid", "flatten")


@register("fixed")
class Fixed(Strategy):
    """A linear classifier fitted on the CNN codes of the whole backbone, or of some of its units.

    The codes are the pooled features, scaled to unit length as Razavian et al. (2014) do. What
    remains to choose, such as the C of an SVM, is chosen on validation images.

    Args:
        n: how many units are kept; the others are dropped. Default: all.
        classifier: "linear_svm", "logistic_regression", "ridge", or "knn" (nearest neighbours).
        units: depths or names of the units whose codes are joined, or "all" (Head2Toe, Evci et
            al. 2022). Default: the last one kept.
        pooling: "avg", "max", "avgmax" (both), "pyramid" (maxima over 1, 4 and 16 parts of the
            image), or "flatten".
        power: of each code value, whose sign stays; 0.5 in Razavian et al.
        unit_length: scale the codes of each unit to unit L2 norm.
        standardize: then give all values the mean 0 and one deviation over training images.
        select: the share of the values that is used, those of the largest ridge weights.
        dropout: share of the values that are dropped in training (Donahue et al. 2014).
        refit: fit again on training and validation images, once all is chosen.
    """

    def __init__(
        self,
        n: int | str | None = None,
        classifier: str = "linear_svm",
        units: int | str | tuple[int | str, ...] | None = None,
        pooling: str = "avg",
        power: float = 1.0,
        unit_length: bool = True,
        standardize: bool = False,
        select: float = 1.0,
        dropout: float = 0.0,
        refit: bool = True,
    ):
        if classifier not in CLASSIFIERS:
            raise unknown("classifier", classifier, CLASSIFIERS)
        if pooling not in POOLING:
            raise unknown("pooling", pooling, POOLING)
        if not 0 < power <= 1:
            raise UsageError(f"power must be above 0 and at most 1. Received: {power}.")
        if not 0 < select <= 1:
            raise UsageError(f"select must be above 0 and at most 1. Received: {select}.")
        if not 0 <= dropout < 1:
            raise UsageError(f"dropout must be at least 0 and below 1. Received: {dropout}.")
        self.n = n
        self.classifier = classifier
        self.units = (units,) if isinstance(units, int) else units
        self.pooling = pooling
        self.power = power
        self.unit_length = unit_length
        self.standardize = standardize
        self.select = select
        self.dropout = dropout
        self.refit = refit

    @classmethod
    def search_space(cls, hp: "keras_tuner.HyperParameters") -> None:
        hp.Choice("classifier", ["linear_svm", "logistic_regression", "ridge"])
        hp.Choice("power", [1.0, 0.5])

    def resolve(self, units: list[Unit]) -> "Fixed":
        """This strategy with `n` and `units` as depths; UsageError where there are none such."""
        rule = super().resolve(units)
        if rule.units is None:
            return rule
        if rule.units == "all":
            depths = list(range(1, rule.n + 1))
        else:
            names = rule.units.split(",") if isinstance(rule.units, str) else rule.units
            depths = sorted({find_depth(name, units, "option units") for name in names})
        if not depths or not 1 <= depths[0] <= depths[-1] <= rule.n:
            raise UsageError(
                f"units must be from 1 to n, which is {rule.n}. Received: {self.units}."
            )
        config = rule.get_config() | {"n": depths[-1], "units": tuple(depths)}
        return type(self)(**config)

    def default_n(self, depth_count: int) -> int:
        return depth_count

    def kept(self, depth_count: int) -> int:
        return self.n

    def head(self, task: Task) -> Head:
        config = self.get_config()
        names = {field.name for field in dataclasses.fields(Head)} & set(config)
        chosen = {name: config[name] for name in names} | {"units": self.units or ()}
        return Head(labels=task.label_count, **chosen)

    def phases(self, lowest: int, depth_count: int, epochs: int) -> tuple[Phase, ...]:
        return ()


@register("head")
class RetrainHead(Strategy):
    """A new softmax layer trained on the frozen backbone."""


@register("add_fc")
class AddFC(Strategy):
    """New fully connected layers, then softmax, trained on the frozen backbone.

    See Oquab et al. (2014).

    Args:
        hidden: sizes of the new layers, from the bottom.
        dropout: rate before each Dense layer.
    """

    def __init__(self, hidden: tuple[int, ...] = (512,), dropout: float = 0.3):
        hidden = (hidden,) if isinstance(hidden, int) else tuple(hidden)
        if not hidden or not all(isinstance(size, int) and size > 0 for size in hidden):
            raise UsageError(f"hidden must be one or more layer sizes above 0. Received: {hidden}.")
        if not 0 <= dropout < 1:
            raise UsageError(f"dropout must be at least 0 and below 1. Received: {dropout}.")
        self.hidden = hidden
        self.dropout = dropout

    @classmethod
    def search_space(cls, hp: "keras_tuner.HyperParameters") -> None:
        hp.Choice("hidden", [128, 256, 512, 1024], default=512)
        hp.Float("dropout", 0.0, 0.6, step=0.1, default=0.3)

    def head(self, task: Task) -> Head:
        return Head("softmax", task.label_count, hidden=self.hidden, dropout=self.dropout)
