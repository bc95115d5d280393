"""Fine-tune everything."""

from tl_strategies.backbones.units import Unit
from tl_strategies.strategies.base import Strategy
from tl_strategies.strategies.registry import register


@register("full")
class Full(Strategy):
    """All units fine-tuned from their pretrained weights."""

    def trainable(self, unit: Unit, depth_count: int) -> bool:
        return True
