"""Fine-tune the units above the transfer depth."""

from tl_strategies.backbones.units import Unit
from tl_strategies.strategies.base import LOWEST_MULTIPLIER
from tl_strategies.strategies.fine_tune import FineTune
from tl_strategies.strategies.registry import register


@register("partial")
class Partial(FineTune):
    """The first n units frozen; the others fine-tuned from their pretrained weights.

    Args:
        n: the transfer depth. Default: half of the units.
        l2_sp, lowest_multiplier: see FineTune.
    """

    def __init__(
        self,
        n: int | str | None = None,
        l2_sp: float = 0.0,
        lowest_multiplier: float = LOWEST_MULTIPLIER,
    ):
        super().__init__(l2_sp, lowest_multiplier)
        self.n = n

    def trainable(self, unit: Unit, depth_count: int) -> bool:
        return unit.depth > self.n
