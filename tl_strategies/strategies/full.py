"""Fine-tune everything."""

from tl_strategies.strategies.fine_tune import FineTune
from tl_strategies.strategies.registry import register


@register("full")
class Full(FineTune):
    """All units fine-tuned from their pretrained weights.

    Args:
        l2_sp, lowest_multiplier: see FineTune.
    """
