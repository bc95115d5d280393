"""Linear probing, then fine-tuning (Kumar et al. 2022)."""

from tl_strategies.errors import UsageError
from tl_strategies.plans.plan import Phase
from tl_strategies.strategies.base import LOWEST_MULTIPLIER
from tl_strategies.strategies.fine_tune import FineTune
from tl_strategies.strategies.registry import register


@register("lp_ft")
class LinearProbeFineTune(FineTune):
    """The head alone first, then everything fine-tuned, so that a raw head distorts nothing.

    Args:
        head_share: the part of the epochs that trains the head alone; at least one epoch does.
        l2_sp, lowest_multiplier: see FineTune.
    """

    def __init__(
        self,
        head_share: float = 0.5,
        l2_sp: float = 0.0,
        lowest_multiplier: float = LOWEST_MULTIPLIER,
    ):
        super().__init__(l2_sp, lowest_multiplier)
        if not isinstance(head_share, int | float) or not 0 < head_share < 1:
            raise UsageError(
                f"--option head_share must be above 0, below 1. Received: {head_share}."
            )
        self.head_share = head_share

    def phases(self, lowest: int, depth_count: int, epochs: int) -> tuple[Phase, ...]:
        if epochs < 2:
            raise UsageError(f"--epochs must be at least 2 for lp_ft. Received: {epochs}.")
        head = min(max(1, round(self.head_share * epochs)), epochs - 1)
        return Phase(head, depth_count + 1), Phase(epochs - head, lowest)
