"""The backbone stays as it is: only what is on top of it learns."""

from typing import TYPE_CHECKING

from tl_strategies.errors import UsageError, unknown
from tl_strategies.plans.plan import Head, Phase
from tl_strategies.strategies.base import Strategy
from tl_strategies.strategies.registry import register
from tl_strategies.task import Task

if TYPE_CHECKING:
    import keras_tuner

CLASSIFIERS = ("linear_svm", "logistic_regression")


@register("fixed")
class Fixed(Strategy):
    """A linear classifier fitted on the CNN codes of the whole backbone, or of its first n units.

    The codes are the pooled features, scaled to unit length as Razavian et al. (2014) do.

    Args:
        n: how many units make the codes; the others are dropped. Default: all.
        classifier: "linear_svm" or "logistic_regression".
    """

    def __init__(self, n: int | str | None = None, classifier: str = "linear_svm"):
        if classifier not in CLASSIFIERS:
            raise unknown("classifier", classifier, CLASSIFIERS)
        self.n = n
        self.classifier = classifier

    def default_n(self, depth_count: int) -> int:
        return depth_count

    def kept(self, depth_count: int) -> int:
        return self.n

    def head(self, task: Task) -> Head:
        return Head(self.classifier, task.label_count, unit_length=True)

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
