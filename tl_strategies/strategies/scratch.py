"""No transfer: the baseline."""

from tl_strategies.backbones.units import Unit
from tl_strategies.strategies.base import Strategy
from tl_strategies.strategies.registry import register


@register("scratch")
class Scratch(Strategy):
    """All units trained from fresh weights: what the architecture does without transfer."""

    def trainable(self, unit: Unit, depth_count: int) -> bool:
        return True

    def fresh(self, unit: Unit, depth_count: int) -> bool:
        return True

    def learning_rate_multiplier(self, unit: Unit, lowest: int, depth_count: int) -> float:
        return 1.0
