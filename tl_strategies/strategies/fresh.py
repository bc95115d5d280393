"""Units trained from fresh weights: the treatments of Yosinski et al. (2014), and the baseline."""

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


@register("transplant")
class Transplant(Strategy):
    """The first n units transferred; the others trained from fresh weights (AnB, AnB+).

    Unlike fine-tuning, the upper units lose their pretrained weights, and everything that is
    trained has the same learning rate, as in Yosinski et al. (2014).

    Args:
        n: the transfer depth. Default: half of the units.
        fine_tune: train the transferred units too (AnB+, BnB+), not keep them frozen (AnB, BnB).
        random: give the transferred units random weights too, as a control (RnB, RnB+).
    """

    def __init__(self, n: int | str | None = None, fine_tune: bool = False, random: bool = False):
        self.n = n
        self.fine_tune = fine_tune
        self.random = random

    def trainable(self, unit: Unit, depth_count: int) -> bool:
        return self.fine_tune or unit.depth > self.n

    def fresh(self, unit: Unit, depth_count: int) -> bool:
        return self.random or unit.depth > self.n

    def learning_rate_multiplier(self, unit: Unit, lowest: int, depth_count: int) -> float:
        return 1.0
