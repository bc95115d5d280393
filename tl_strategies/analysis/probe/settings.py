"""The settings of a probe that its networks do not share with runs."""

import dataclasses

from tl_strategies.errors import UsageError, unknown
from tl_strategies.settings.groups import Data, Place
from tl_strategies.settings.schema import check_values, setting, texts

GROUPS = (Data, Place)  # of a run's settings, those that all networks share
CLASSIFIERS = ("svm", "softmax", "ridge", "knn")
DROPOUT = "+dropout"


@dataclasses.dataclass(frozen=True)
class ProbeSettings:
    """Which features are probed, and by what.

    Raises:
        UsageError: a value is not what it must be.
    """

    backbone: tuple[str, ...] = setting(
        ("efficientnet_lite0",), "a name from tl-inspect, or a .keras file; may be repeated"
    )
    weights: tuple[str, ...] = setting(
        ("imagenet",), "imagenet, none (fresh), or a file; may be repeated, for every backbone"
    )
    depths: str = setting("all", "units to probe: all, or counts or names with commas")
    classifiers: str = setting(
        "svm,ridge",
        f"with commas: {', '.join(CLASSIFIERS)}; svm{DROPOUT} and the like train on codes of which "
        "half are dropped",
    )
    splits: int = setting(5, "random splits of the images", at_least=1)
    pictures: bool = setting(
        False,
        "also draw the features of the lowest and the highest unit, by PCA and t-SNE, and "
        "show those of all units in TensorBoard's projector",
    )

    def __post_init__(self):
        for name in ("backbone", "weights"):
            object.__setattr__(self, name, texts(getattr(self, name)))
        for name in ("depths", "classifiers"):
            value = getattr(self, name)
            joined = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            object.__setattr__(self, name, joined)
        check_values(self)
        for name in self.classifier_names:
            if name.removesuffix(DROPOUT) not in CLASSIFIERS:
                raise unknown("--classifiers", name, CLASSIFIERS)
        if not self.classifier_names:
            raise UsageError(
                f"--classifiers must have some of {', '.join(CLASSIFIERS)}. Received: none."
            )

    @property
    def classifier_names(self) -> list[str]:
        """The classifiers, each once."""
        names = (name.strip() for name in self.classifiers.split(","))
        return list(dict.fromkeys(filter(None, names)))
