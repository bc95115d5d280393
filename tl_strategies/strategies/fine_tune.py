"""Pretrained weights trained further: above a depth, all at once, or in phases."""

import math
from typing import TYPE_CHECKING, Any

from tl_strategies.backbones.units import Unit
from tl_strategies.errors import UsageError
from tl_strategies.plans.plan import Phase
from tl_strategies.strategies.base import LOWEST_MULTIPLIER, Strategy, geometric_multiplier
from tl_strategies.strategies.registry import register

if TYPE_CHECKING:
    import keras_tuner


class FineTune(Strategy):
    """All units fine-tuned from their pretrained weights.

    Args:
        l2_sp: draws each pretrained weight to where it began: this times the distance is added to
            its gradient (L2-SP, Li et al. 2018).
        lowest_multiplier: of the learning rate of the lowest trainable unit; the top's is 1/10.
    """

    def __init__(self, l2_sp: float = 0.0, lowest_multiplier: float = LOWEST_MULTIPLIER):
        holds = _is_number(l2_sp) and 0 <= l2_sp < math.inf
        _require(holds, "l2_sp", "at least 0", l2_sp)
        holds = _is_number(lowest_multiplier) and 0 < lowest_multiplier <= 1
        _require(holds, "lowest_multiplier", "above 0, at most 1", lowest_multiplier)
        self.l2_sp = l2_sp
        self.lowest_multiplier = lowest_multiplier

    @classmethod
    def search_space(cls, hp: "keras_tuner.HyperParameters") -> None:
        hp.Float("lowest_multiplier", 1e-3, 0.1, sampling="log", default=LOWEST_MULTIPLIER)

    def learning_rate_multiplier(self, unit: Unit, lowest: int, depth_count: int) -> float:
        return geometric_multiplier(self.lowest_multiplier, unit.depth, lowest, depth_count)

    def trainable(self, unit: Unit, depth_count: int) -> bool:
        return True


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


@register("full")
class Full(FineTune):
    """All units fine-tuned from their pretrained weights."""


@register("lp_ft")
class LinearProbeFineTune(FineTune):
    """The head alone first, then everything fine-tuned, so that a raw head distorts nothing.

    See Kumar et al. (2022).

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
        holds = _is_number(head_share) and 0 < head_share < 1
        _require(holds, "head_share", "above 0, below 1", head_share)
        self.head_share = head_share

    def phases(self, lowest: int, depth_count: int, epochs: int) -> tuple[Phase, ...]:
        if epochs < 2:
            raise UsageError(f"--epochs must be at least 2 for lp_ft. Received: {epochs}.")
        head = min(max(1, round(self.head_share * epochs)), epochs - 1)
        return Phase(head, depth_count + 1), Phase(epochs - head, lowest)


@register("gradual")
class Gradual(FineTune):
    """The head first, then more and more units from the top, in stages of about equal length.

    See Howard and Ruder (2018).

    Args:
        stages: how many phases, at most one an epoch; the last one trains everything.
        l2_sp, lowest_multiplier: see FineTune.
    """

    def __init__(
        self, stages: int = 4, l2_sp: float = 0.0, lowest_multiplier: float = LOWEST_MULTIPLIER
    ):
        super().__init__(l2_sp, lowest_multiplier)
        _require(isinstance(stages, int) and stages >= 2, "stages", "at least 2", stages)
        self.stages = stages

    def phases(self, lowest: int, depth_count: int, epochs: int) -> tuple[Phase, ...]:
        stages = min(self.stages, depth_count + 1, epochs)
        if stages < 2:
            raise UsageError(f"--epochs must be at least 2 for gradual. Received: {epochs}.")
        ends = [round(epochs * stage / stages) for stage in range(stages + 1)]
        depths = [depth_count + 1 - round(depth_count * i / (stages - 1)) for i in range(stages)]
        return tuple(Phase(ends[i + 1] - ends[i], depth) for i, depth in enumerate(depths))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _require(holds: bool, option: str, bounds: str, received: Any) -> None:
    if not holds:
        raise UsageError(f"--option {option} must be {bounds}. Received: {received}.")
