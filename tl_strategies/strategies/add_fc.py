"""New fully connected layers on the frozen backbone (Oquab et al. 2014)."""

from typing import TYPE_CHECKING

from tl_strategies.errors import UsageError
from tl_strategies.plans.plan import Head
from tl_strategies.strategies.base import Strategy
from tl_strategies.strategies.registry import register
from tl_strategies.task import Task

if TYPE_CHECKING:
    import keras_tuner


@register("add_fc")
class AddFC(Strategy):
    """New fully connected layers, then softmax, trained on the frozen backbone.

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
