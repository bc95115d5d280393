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
        lowest_multiplier: of the learning rate of the lowest trainable unit; the top's is 1/10.
    """

    def __init__(self, l2_sp: float = 0.0, lowest_multiplier: float = LOWEST_MULTIPLIER):
        if not isinstance(l2_sp, int | float) or not 0 <= l2_sp < float("inf"):
            raise UsageError(f"--option l2_sp must be at least 0. Received: {l2_sp}.")
        if not isinstance(lowest_multiplier, int | float) or not 0 < lowest_multiplier <= 1:
            raise UsageError(
                "--option lowest_multiplier must be above 0, at most 1. Received: "
                f"{lowest_multiplier}."
            )
        self.l2_sp = l2_sp
        self.lowest_multiplier = lowest_multiplier

    @classmethod
    def search_space(cls, hp: "keras_tuner.HyperParameters") -> None:
        hp.Float("lowest_multiplier", 1e-3, 0.1, sampling="log", default=LOWEST_MULTIPLIER)

    def learning_rate_multiplier(self, unit: Unit, lowest: int, depth_count: int) -> float:
        return geometric_multiplier(self.lowest_multiplier, unit.depth, lowest, depth_count)

    def trainable(self, unit: Unit, depth_count: int) -> bool:
        return True
