"""The settings of a transferability study that its cells do not share with runs."""

import dataclasses
import os

from tl_strategies.analysis.cells import parse_treatments
from tl_strategies.backbones.names import UNTRAINED
from tl_strategies.errors import UsageError
from tl_strategies.training.schema import check_values, require, setting
from tl_strategies.training.settings import Settings

# Of a run, those that all cells share.
CELL_SETTINGS = [
    field.name
    for field in dataclasses.fields(Settings)
    if field.name
    not in (
        *("strategy", "n", "option", "plugin", "classes", "deterministic", "resume"),
        *(
            "keep_top",
            "top",
            "train_on",
            "folds",
            "fold",
            "protocol",
            "patience",
            "plateau",
            "keep",
        ),
    )
]
SCORES = ("final", "paper")


@dataclasses.dataclass(frozen=True)
class CurveSettings:
    """Which cells there are, and how they are scored.

    Raises:
        UsageError: a value is not what it must be.
    """

    class_split: str | None = setting(
        None,
        "random, natural_manmade, given (the backbone's weights are A), or a file of the names of "
        "A's classes; several with commas. Default: given where there are weights, else random",
    )
    splits: int = setting(2, "random splits; where the weights are given, splits of the images")
    treatments: str = setting("all", "base, BnB, AnB, BnB+, AnB+, RnB, RnB+ or all")
    n: str = setting("auto", "transfer depths: all, auto (8 at most), or counts with commas")
    repeats: int = setting(1, "seeds for each cell")
    score: str = setting(
        "final",
        "test accuracy in the end, or the paper's: the mean of the ten best validation accuracies",
        SCORES,
    )
    paper: bool = setting(False, "draw the published ImageNet curves beside")
    workers: int = setting(1, "processes that train cells")

    def __post_init__(self):
        object.__setattr__(self, "n", str(self.n))
        if self.class_split is not None:
            object.__setattr__(self, "class_split", os.fspath(self.class_split))
        check_values(self)
        for name in ("splits", "repeats", "workers"):
            require(name, getattr(self, name) >= 1, "at least 1", getattr(self, name))
        parse_treatments(self.treatments, given=False)

    def kinds(self, settings: Settings) -> list[str]:
        """The kinds of class split that are asked for.

        Raises:
            UsageError: the weights are to be given, and there are none.
        """
        trained = settings.weights != "none" and settings.backbone not in UNTRAINED
        trained = trained or settings.weights not in ("none", "imagenet")
        text = self.class_split or ("given" if trained else "random")
        kinds = [kind.strip() for kind in text.split(",")]
        if "given" in kinds and (len(kinds) > 1 or not trained):
            raise UsageError(
                "--class_split given must stand alone, with a backbone that has weights. Received: "
                f"{text} with --backbone {settings.backbone} --weights {settings.weights}."
            )
        return kinds
