"""Retrain the head."""

from tl_strategies.strategies.base import Strategy
from tl_strategies.strategies.registry import register


@register("head")
class RetrainHead(Strategy):
    """A new softmax layer trained on the frozen backbone."""
