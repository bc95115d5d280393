"""The plan: what a strategy decides for one backbone and one task, as plain data."""

import dataclasses
import json
from typing import Any, Literal


@dataclasses.dataclass(frozen=True)
class UnitPlan:
    """What happens to one unit.

    Attributes:
        depth, name: of the unit.
        weights: where they come from.
        trainable: whether any phase trains it.
        learning_rate_multiplier: times the run's learning rate; None for a frozen unit.
        bn: BatchNormalization in inference mode ("frozen"), the same with statistics of the
            target's images ("adapt"), or trained with the unit ("train").
    """

    depth: int
    name: str
    weights: Literal["pretrained", "fresh"]
    trainable: bool
    learning_rate_multiplier: float | None
    bn: Literal["frozen", "adapt", "train"]


@dataclasses.dataclass(frozen=True)
class Head:
    """The new layers on top of the pooled features.

    Attributes:
        classifier: "softmax" is trained by gradient descent, "given" is a user's, and the others
            are fitted on stored codes.
        labels: the number of labels.
        hidden: sizes of fully connected ReLU layers before the classifier.
        dropout: rate before each Dense layer.
        unit_length: scale each image's codes, those of each unit, to unit L2 norm.
        multilabel: a probability for each label by itself (sigmoid in place of softmax).
        units: depths whose codes are joined; empty for the last one that is kept.
        pooling: what makes codes of a unit's output.
        power: of each code value, whose sign stays; before the unit length.
        standardize: give all code values the mean 0 and one deviation over training images.
        select: the share of code values that a fitted classifier uses.
        refit: fit again on training and validation images, once all is chosen.
    """

    classifier: Literal["softmax", "linear_svm", "logistic_regression", "ridge", "knn", "given"]
    labels: int
    hidden: tuple[int, ...] = ()
    dropout: float = 0.0
    unit_length: bool = False
    multilabel: bool = False
    units: tuple[int, ...] = ()
    pooling: str = "avg"
    power: float = 1.0
    standardize: bool = False
    select: float = 1.0
    refit: bool = False


@dataclasses.dataclass(frozen=True)
class Phase:
    """A stretch of training with one set of trainable units.

    Attributes:
        epochs: passes over the training images.
        trainable_from: depth of the lowest unit trained; the unit count + 1 trains the head only.
    """

    epochs: int
    trainable_from: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """The resolved table of a run: one row a unit, the head and the phases.

    Attributes:
        strategy: the strategy's registered name.
        n: the transfer depth: how many leading units are transferred and, but where
            the strategy trains them too, kept frozen.
        backbone: the backbone's name.
        depth_count: how many units the backbone has; `units` has fewer rows where a
            strategy drops the last ones.
        units: a row for each unit that is kept, by depth.
        head: the new layers on top.
        phases: in order; none where the head is fitted on stored codes.
        l2_sp: how strongly pretrained weights that are trained are drawn to where they began.
    """

    strategy: str
    n: int
    backbone: str
    depth_count: int
    units: tuple[UnitPlan, ...]
    head: Head
    phases: tuple[Phase, ...]
    l2_sp: float = 0.0

    @property
    def multipliers(self) -> dict[str, float]:
        """Learning-rate multiplier by the name of each trainable unit."""
        return {u.name: u.learning_rate_multiplier for u in self.units if u.trainable}

    @property
    def frozen_depth(self) -> int:
        """How many leading units no phase trains."""
        lowest = [phase.trainable_from for phase in self.phases]
        return min([depth - 1 for depth in lowest], default=len(self.units))

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """The plan that `to_json` wrote. Raises TypeError for unknown or missing fields."""
        fields: dict[str, Any] = json.loads(text)
        fields["units"] = tuple(UnitPlan(**unit) for unit in fields["units"])
        head = fields["head"]
        lists = {name: tuple(head[name]) for name in ("hidden", "units") if name in head}
        fields["head"] = Head(**head | lists)
        fields["phases"] = tuple(Phase(**phase) for phase in fields["phases"])
        return cls(**fields)

    def __str__(self) -> str:
        width = max([len(unit.name) for unit in self.units] + [4])
        of_backbone = f" of {self.backbone}" if self.backbone else ""
        lines = [
            f"strategy {self.strategy}, n = {self.n} of {self.depth_count} units{of_backbone}",
            f"{'depth':>5}  {'unit':<{width}}  {'weights':<10}  {'':<9}  {'rate ×':>8}  bn",
        ]
        for unit in self.units:
            rate = f"{unit.learning_rate_multiplier:.4g}" if unit.trainable else "–"
            state = "trainable" if unit.trainable else "frozen"
            lines.append(
                f"{unit.depth:>5}  {unit.name:<{width}}  {unit.weights:<10}  {state:<9}  "
                f"{rate:>8}  {unit.bn}"
            )
        if len(self.units) < self.depth_count:
            lines.append(f"       units {len(self.units) + 1} to {self.depth_count} are dropped")
        lines.append(f"head   {_describe(self.head)}")
        for number, phase in enumerate(self.phases, 1):
            trains = "the head"
            if phase.trainable_from <= self.depth_count:
                trains = f"units {phase.trainable_from} to {self.depth_count} and the head"
            plural = "epoch" if phase.epochs == 1 else "epochs"
            lines.append(f"phase {number}: {phase.epochs} {plural}, trains {trains}")
        if self.l2_sp:
            lines.append(f"pretrained weights are drawn to where they began: L2-SP {self.l2_sp:g}")
        if not self.phases:
            lines.append("no phases: the classifier is fitted on the CNN codes")
        return "\n".join(lines)


def _describe(head: Head) -> str:
    """One line: the head's layers in order."""
    if head.classifier == "given":
        return f"given, over {head.labels} labels"
    fitted = head.classifier != "softmax"
    dropout = [f"dropout {head.dropout:g}"] if head.dropout else []
    pooling = {"avg": "average pooling", "flatten": "flattened"}
    layers = [pooling.get(head.pooling, f"{head.pooling} pooling")]
    if head.units:
        first, *_, last = (*head.units, head.units[-1])
        whole = len(head.units) == last - first + 1 > 2
        units = f"{first} to {last}" if whole else ", ".join(map(str, head.units))
        layers[0] += f" of unit{'s' * (len(head.units) > 1)} {units}"
    layers += [f"power {head.power:g}"] * (head.power != 1) + ["unit length"] * head.unit_length
    layers += ["standardised"] * head.standardize
    layers += [f"the best {100 * head.select:.3g} % of values"] * (head.select < 1)
    for size in head.hidden:
        layers += [*dropout, f"dense {size} + ReLU"]
    classifier = {"knn": "nearest neighbours"}.get(head.classifier, head.classifier)
    classifier = classifier.replace("_", " ")
    if head.multilabel:
        classifier = f"{classifier}, each label by itself," if fitted else "sigmoid"
    layers += [*dropout, f"{classifier} over {head.labels} labels"]
    return ", ".join(layers) + ", refitted on training and validation images" * head.refit
