"""What the strategies that fine-tune pretrained weights have in common."""

from typing import TYPE_CHECKING

from tl_strategies.backbones.units import Unit
from tl_strategies.errors import UsageError
from tl_strategies.strategies.base import LOWEST_MULTIPLIER, Strategy, geometric_multiplier

if TYPE_CHECKING:
    import keras_tuner


class FineTune(Strategy):
    """All units fine-tuned from their pretrained weights.

    Args:
        l2_sp: draws each pretrained weight to where it began: this times the distance is added to
            its gradient (L2-SP, Li et al. 2018).
        lowest_rate: learning-rate multiplier of the lowest trainable unit; that of the top is 1/10.
    """

    def __init__(self, l2_sp: float = 0.0, lowest_rate: float = LOWEST_MULTIPLIER):
        if not isinstance(l2_sp, int | float) or not 0 <= l2_sp < float("inf"):
            raise UsageError(f"--option l2_sp must be at least 0. Received: {l2_sp}.")
        if not isinstance(lowest_rate, int | float) or not 0 < lowest_rate <= 1:
            raise UsageError(
                f"--option lowest_rate must be above 0, at most 1. Received: {lowest_rate}."
            )
        self.l2_sp = l2_sp
        self.lowest_rate = lowest_rate

    @classmethod
    def search_space(cls, hp: "keras_tuner.HyperParameters") -> None:
        hp.Float("lowest_rate", 1e-3, 0.1, sampling="log", default=LOWEST_MULTIPLIER)

    def learning_rate_multiplier(self, unit: Unit, lowest: int, depth_count: int) -> float:
        return geometric_multiplier(self.lowest_rate, unit.depth, lowest, depth_count)

    def trainable(self, unit: Unit, depth_count: int) -> bool:
        return True
