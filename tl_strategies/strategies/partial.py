"""Fine-tune the units above the transfer depth."""

from tl_strategies.backbones.units import Unit
from tl_strategies.strategies.base import Strategy
from tl_strategies.strategies.registry import register


@register("partial")
class Partial(Strategy):
    """The first n units frozen; the others fine-tuned from their pretrained weights.

    Args:
        n: the transfer depth. Default: half of the units.
    """

    def __init__(self, n: int | str | None = None):
        self.n = n

    def trainable(self, unit: Unit, depth_count: int) -> bool:
        return unit.depth > self.n
