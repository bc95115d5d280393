"""The backbone as a fixed feature extractor (Razavian et al. 2014, DeCAF)."""

from tl_strategies.backbones.units import Unit
from tl_strategies.errors import unknown
from tl_strategies.plans.plan import Head, Phase
from tl_strategies.strategies.base import Strategy
from tl_strategies.strategies.registry import register
from tl_strategies.task import Task

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

    def trainable(self, unit: Unit, depth_count: int) -> bool:
        return False

    def head(self, task: Task) -> Head:
        return Head(self.classifier, task.label_count, unit_length=True)

    def phases(self, lowest: int, depth_count: int, epochs: int) -> tuple[Phase, ...]:
        return ()
