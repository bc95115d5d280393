"""What the strategies that fine-tune pretrained weights have in common."""

from tl_strategies.backbones.units import Unit
from tl_strategies.errors import UsageError
from tl_strategies.strategies.base import Strategy


class FineTune(Strategy):
    """All units fine-tuned from their pretrained weights.

    Args:
        l2_sp: draws each pretrained weight to where it began: this times the distance is added to
            its gradient (L2-SP, Li et al. 2018).
    """

    def __init__(self, l2_sp: float = 0.0):
        if not isinstance(l2_sp, int | float) or not 0 <= l2_sp < float("inf"):
            raise UsageError(f"--option l2_sp must be at least 0. Received: {l2_sp}.")
        self.l2_sp = l2_sp

    def trainable(self, unit: Unit, depth_count: int) -> bool:
        return True
