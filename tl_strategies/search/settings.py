"""The settings of a search that its trials do not share with runs: flags of `tl-search`."""

import dataclasses
import pathlib
from typing import Any

from tl_strategies.errors import UsageError
from tl_strategies.settings.groups import (
    Data,
    Network,
    Place,
    Selection,
    Stopping,
    Training,
    Transfer,
    Workers,
)
from tl_strategies.settings.schema import check_values, names_of, setting

TUNERS = ("exhaustive", "grid", "random", "bayesian", "hyperband")
# Of a run's settings, those that trials share or vary.
GROUPS = (Transfer, Network, Data, Selection, Training, Stopping, Place)


@dataclasses.dataclass(frozen=True)
class SearchSettings(Workers):
    """What is searched, and by whom."""

    depths: str = setting(
        "all", "transfer depths to try: all, or counts and unit names separated by commas"
    )
    space: str = setting(
        "depth",
        "what varies: depth (n alone), standard (also learning rate, weight decay and what the "
        "strategy declares), or a TOML file",
    )
    tuner: str = setting(
        "exhaustive", "how points are chosen; exhaustive and grid try every one", TUNERS
    )
    trials: int = setting(20, "points to try with random and bayesian", at_least=1)
    repeats: int = setting(1, "seeds to train each point with, from --seed on", at_least=1)
    probe_first: bool = setting(False, "leave out depths that a linear probe finds hopeless")
    one_standard_error: bool = setting(
        False, "choose the largest n whose accuracy is within one standard error of the best"
    )
    retrain: bool = setting(False, "train the best anew on training and validation images")

    def __post_init__(self):
        parts = self.depths if isinstance(self.depths, list | tuple) else [self.depths]
        object.__setattr__(self, "depths", ",".join(map(str, parts)))
        object.__setattr__(self, "space", str(self.space))
        check_values(self)
        if self.tuner == "hyperband" and self.repeats > 1:
            raise UsageError(
                "--tuner hyperband must have --repeats 1: it goes on with the trials that are "
                f"best so far. Received: --repeats {self.repeats}."
            )
        if self.space.endswith(".toml"):
            object.__setattr__(self, "space", str(pathlib.Path(self.space).absolute()))

    def to_config(self) -> dict[str, Any]:
        """What determines the results."""
        names = [name for name in names_of(type(self)) if name not in names_of(Workers)]
        return {name: getattr(self, name) for name in names}
