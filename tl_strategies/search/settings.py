"""The settings of a search that its trials do not share with runs: flags of `tl-search`."""

import dataclasses
import os
import pathlib
from typing import Any

from tl_strategies.errors import UsageError
from tl_strategies.training.schema import check_values, require, setting
from tl_strategies.training.settings import Settings

TUNERS = ("exhaustive", "grid", "random", "bayesian", "hyperband")
ADDRESS = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")
# Of a run, those that trials share or vary.
TRIAL_SETTINGS = [
    field.name
    for field in dataclasses.fields(Settings)
    if field.name not in ("n", "deterministic", "resume", "train_on", "folds", "fold")
]
PLACES = ("workers", "in_process", "memory_growth", "chief", "worker")  # change no result


@dataclasses.dataclass(frozen=True)
class SearchSettings:
    """What is searched, and by whom.

    Raises:
        UsageError: a value is not what it must be.
    """

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
    trials: int = setting(20, "points to try with random and bayesian")
    repeats: int = setting(1, "seeds to train each point with, from --seed on")
    probe_first: bool = setting(False, "leave out depths that a linear probe finds hopeless")
    one_standard_error: bool = setting(
        False, "choose the largest n whose accuracy is within one standard error of the best"
    )
    retrain: bool = setting(False, "train the best anew on training and validation images")
    workers: int = setting(1, "processes on this machine that run trials")
    in_process: bool = setting(False, "run trials in the search's own process")
    memory_growth: float = setting(
        2.0, "gigabytes by which a worker may grow before it is replaced"
    )
    chief: bool = setting(False, "serve workers on other machines, run no trial")
    worker: str | None = setting(None, "run trials for a chief, under this name")

    def __post_init__(self):
        for name in ("depths", "space"):
            object.__setattr__(self, name, str(getattr(self, name)))
        check_values(self)
        for name in ("trials", "repeats", "workers"):
            require(name, getattr(self, name) >= 1, "at least 1", getattr(self, name))
        require("memory_growth", self.memory_growth > 0, "above 0", self.memory_growth)
        if self.tuner == "hyperband" and self.repeats > 1:
            raise UsageError(
                "--tuner hyperband must have --repeats 1: it goes on with the trials that are "
                f"best so far. Received: --repeats {self.repeats}."
            )
        modes = [
            name
            for name, given in (
                ("--in_process", self.in_process),
                ("--chief", self.chief),
                ("--worker", self.worker),
                ("--workers", self.workers > 1),
            )
            if given
        ]
        if len(modes) > 1:
            raise UsageError(f"Only one of these may be given. Received: {' and '.join(modes)}.")
        if self.chief or self.worker:
            chief_address()
        if "chief" in (self.worker or ""):
            raise UsageError(f'--worker must be a name without "chief". Received: {self.worker}.')
        if self.space.endswith(".toml"):
            object.__setattr__(self, "space", str(pathlib.Path(self.space).absolute()))

    def to_config(self) -> dict[str, Any]:
        """What determines the results."""
        config = dataclasses.asdict(self)
        return {name: value for name, value in config.items() if name not in PLACES}


def chief_address() -> tuple[str, int]:
    """Where the chief listens, from KerasTuner's environment variables.

    Raises:
        UsageError: they are not set, or are no address and port.
    """
    missing = [name for name in ADDRESS if not os.environ.get(name)]
    if missing:
        raise UsageError(
            "--chief and --worker must come with the environment variables "
            f"{' and '.join(ADDRESS)}. Missing: {' and '.join(missing)}."
        )
    address, port = (os.environ[name] for name in ADDRESS)
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(f"{ADDRESS[1]} must be from 1 to 65535. Received: {port}.")
    return address, int(port)
