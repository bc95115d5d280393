"""The base class of strategies: a rule over depth, with a default for every answer."""

import dataclasses
import inspect
from typing import TYPE_CHECKING, Any

from tl_strategies.backbones.units import Unit, find_depth
from tl_strategies.errors import UsageError
from tl_strategies.plans.plan import Head, Phase, Plan, UnitPlan
from tl_strategies.task import Task

if TYPE_CHECKING:
    import keras
    import keras_tuner

TOP_MULTIPLIER = 1 / 10
LOWEST_MULTIPLIER = 1 / 100


class Strategy:
    """How much of a backbone is transferred, and how the rest is trained.

    A subclass overrides the answers in which it differs. Hyper-parameters are the constructor's
    arguments, each kept in an attribute of the same name; every one needs a default. A
    hyper-parameter called `n` is the transfer depth: it may be given as a count, a negative count
    from the end, or a unit's name, and is a count from 0 to the number of units wherever a rule
    reads it. Its default of None means `default_n`.

    The multipliers default to the advice of the Stanford CS231n notes and lectures: a tenth of the
    head's learning rate at the top, a hundredth at the lowest trainable unit; geometric in between.
    """

    name: str = ""

    def trainable(self, unit: Unit, depth_count: int) -> bool:
        """Is the unit trained?"""
        return False

    def fresh(self, unit: Unit, depth_count: int) -> bool:
        """Does the unit start from fresh weights, not the pretrained ones?"""
        return False

    def learning_rate_multiplier(self, unit: Unit, lowest: int, depth_count: int) -> float:
        """The unit's learning rate as a multiple of the head's; `lowest` is trained lowest."""
        return geometric_multiplier(LOWEST_MULTIPLIER, unit.depth, lowest, depth_count)

    def default_n(self, depth_count: int) -> int:
        """The transfer depth when none is given."""
        return depth_count // 2

    def kept(self, depth_count: int) -> int:
        """How many leading units remain; those above are dropped."""
        return depth_count

    def head(self, task: Task) -> Head:
        """The new layers on top."""
        return Head("softmax", task.label_count)

    def phases(self, lowest: int, depth_count: int, epochs: int) -> tuple[Phase, ...]:
        """The stretches of training; `lowest` is the lowest trainable unit's depth."""
        return (Phase(epochs, lowest),)

    @classmethod
    def search_space(cls, hp: "keras_tuner.HyperParameters") -> None:
        """Declare what `tl-search --space standard` varies of the constructor's arguments but n."""

    # From here on: what follows from the answers.

    @classmethod
    def hyperparameters(cls) -> dict[str, Any]:
        """The constructor's arguments and their defaults."""
        if cls.__init__ is object.__init__:
            return {}
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        return {parameter.name: parameter.default for parameter in parameters}

    @classmethod
    def description(cls) -> str:
        """The first line of the docstring."""
        return inspect.cleandoc(cls.__doc__ or "").split("\n")[0].rstrip(".")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments: `type(s)(**s.get_config())` equals `s`."""
        return {name: getattr(self, name) for name in self.hyperparameters()}

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.get_config() == other.get_config()

    __hash__ = None

    def __repr__(self) -> str:
        config = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({config})"

    def resolve(self, units: list[Unit]) -> "Strategy":
        """This strategy with `n` as a count; UsageError where there is no such depth."""
        config = self.get_config()
        if "n" not in config:
            return self
        n = self.default_n(len(units)) if config["n"] is None else config["n"]
        return type(self)(**config | {"n": find_depth(n, units)})

    def plan(
        self,
        units: list[Unit],
        task: Task,
        backbone: str = "",
        epochs: int = 10,
        bn: str = "frozen",
    ) -> Plan:
        """The plan for a backbone of these units.

        Args:
            units: of the backbone.
            task: the labels.
            backbone: its name.
            epochs: of all phases.
            bn: what pretrained BatchNormalization does: "frozen", "adapt" or "train".

        Raises:
            UsageError: `n` is not a depth of this backbone, or a multiplier is not above 0.
        """
        rule, count = self.resolve(units), len(units)
        kept = units[: rule.kept(count)]
        if not kept:
            raise UsageError(f"Strategy {self.name!r} must keep at least 1 unit. Received: --n 0.")
        trained = [unit.depth for unit in kept if rule.trainable(unit, count)]
        lowest = min(trained, default=count + 1)
        rows = []
        for unit in kept:
            trainable = unit.depth in trained
            multiplier = rule._multiplier(unit, lowest, count) if trainable else None
            weights, policy = "pretrained", bn
            if rule.fresh(unit, count):
                weights, policy = "fresh", "train"  # it has to learn its statistics
            if policy == "train" and not trainable:
                policy = "frozen"
            rows.append(UnitPlan(unit.depth, unit.name, weights, trainable, multiplier, policy))
        return Plan(
            strategy=rule.name,
            n=getattr(rule, "n", min(lowest - 1, len(kept))),
            backbone=backbone,
            depth_count=count,
            units=tuple(rows),
            head=dataclasses.replace(rule.head(task), multilabel=task.multilabel),
            phases=tuple(rule.phases(lowest, count, epochs)),
            l2_sp=getattr(rule, "l2_sp", 0.0),
        )

    def _multiplier(self, unit: Unit, lowest: int, depth_count: int) -> float:
        multiplier = float(self.learning_rate_multiplier(unit, lowest, depth_count))
        if not multiplier > 0:
            raise UsageError(
                f"A learning-rate multiplier must be above 0. Received: {multiplier:g} for unit "
                f"{unit.name} from strategy {self.name!r}. To freeze a unit, let `trainable` "
                "answer False."
            )
        return multiplier

    def adapt(self, backbone: "keras.Model", task: Task, **settings: Any) -> "keras.Model":
        """A compiled copy of a backbone with a new head, for `model.fit` on (images, labels).

        Settings, shapes and errors are those of `tl_strategies.strategies.adapt.adapt`.
        """
        from tl_strategies.strategies.adapt import adapt

        return adapt(self, backbone, task, **settings)


def geometric_multiplier(bottom: float, depth: int, lowest: int, depth_count: int) -> float:
    """From `bottom` at the lowest trainable unit to TOP_MULTIPLIER at the top."""
    if depth_count == lowest:
        return TOP_MULTIPLIER
    height = (depth - lowest) / (depth_count - lowest)
    return bottom * (TOP_MULTIPLIER / bottom) ** height
