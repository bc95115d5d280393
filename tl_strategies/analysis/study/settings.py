"""The settings of a transferability study that its cells do not share with runs."""

import dataclasses

from tl_strategies.analysis.study.cells import parse_treatments
from tl_strategies.backbones.names import UNTRAINED
from tl_strategies.errors import UsageError
from tl_strategies.settings.groups import Data, Network, Place, Training, Workers
from tl_strategies.settings.run import Settings
from tl_strategies.settings.schema import check_values, setting, text

GROUPS = (Network, Data, Training, Place)  # of a run's settings, those that all cells share
SCORES = ("final", "paper")
# All layers have it, also those that are transferred and fine-tuned, which more would spoil.
LEARNING_RATE = 1e-3


@dataclasses.dataclass(frozen=True)
class CurveSettings(Workers):
    """Which cells there are, and how they are scored."""

    class_split: str | None = setting(
        None,
        "random, natural_manmade, given (the backbone's weights are A), or a file of the names of "
        "A's classes; several with commas. Default: given where there are weights, else random",
    )
    splits: int = setting(
        2, "random splits; where the weights are given, splits of the images", at_least=1
    )
    treatments: str = setting("all", "base, BnB, AnB, BnB+, AnB+, RnB, RnB+ or all")
    n: str = setting("auto", "transfer depths: all, auto (8 at most), or counts with commas")
    repeats: int = setting(1, "seeds for each cell", at_least=1)
    score: str = setting(
        "final",
        "test accuracy in the end, or the paper's: the mean of the ten best validation accuracies",
        SCORES,
    )
    paper: bool = setting(False, "draw the published ImageNet curves beside")

    def __post_init__(self):
        for name in ("n", "treatments"):
            value = getattr(self, name)
            parts = value if isinstance(value, list | tuple) else [value]
            object.__setattr__(self, name, ",".join(map(str, parts)))
        object.__setattr__(self, "class_split", text(self.class_split))
        check_values(self)
        parse_treatments(self.treatments, given=False)

    def kinds(self, settings: Settings) -> list[str]:
        """The kinds of class split that are asked for; refuses given weights that are not there."""
        trained = settings.weights != "none" and settings.backbone not in UNTRAINED
        trained = trained or settings.weights not in ("none", "imagenet")
        asked = self.class_split or ("given" if trained else "random")
        kinds = [kind.strip() for kind in asked.split(",")]
        if "given" in kinds and (len(kinds) > 1 or not trained):
            raise UsageError(
                "--class_split given must stand alone, with a backbone that has weights. Received: "
                f"{asked} with --backbone {settings.backbone} --weights {settings.weights}."
            )
        return kinds
