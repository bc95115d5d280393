"""Gradual unfreezing from the top (Howard and Ruder 2018)."""

from tl_strategies.errors import UsageError
from tl_strategies.plans.plan import Phase
from tl_strategies.strategies.base import LOWEST_MULTIPLIER
from tl_strategies.strategies.fine_tune import FineTune
from tl_strategies.strategies.registry import register


@register("gradual")
class Gradual(FineTune):
    """The head first, then more and more units from the top, in stages of about equal length.

    Args:
        stages: how many phases, at most one an epoch; the last one trains everything.
        l2_sp, lowest_multiplier: see FineTune.
    """

    def __init__(
        self,
        stages: int = 4,
        l2_sp: float = 0.0,
        lowest_multiplier: float = LOWEST_MULTIPLIER,
    ):
        super().__init__(l2_sp, lowest_multiplier)
        if not isinstance(stages, int) or stages < 2:
            raise UsageError(f"--option stages must be at least 2. Received: {stages}.")
        self.stages = stages

    def phases(self, lowest: int, depth_count: int, epochs: int) -> tuple[Phase, ...]:
        stages = min(self.stages, depth_count + 1, epochs)
        if stages < 2:
            raise UsageError(f"--epochs must be at least 2 for gradual. Received: {epochs}.")
        ends = [round(epochs * stage / stages) for stage in range(stages + 1)]
        return tuple(
            Phase(
                ends[stage + 1] - ends[stage],
                depth_count + 1 - round(depth_count * stage / (stages - 1)),
            )
            for stage in range(stages)
        )
