"""The settings of a run: all groups together, and what must hold between them."""

import contextlib
import dataclasses
from typing import Any

from tl_strategies.data.parts import Splitting
from tl_strategies.errors import UsageError
from tl_strategies.image_size import parse_size, size_text
from tl_strategies.plans.choices import check_optimizer
from tl_strategies.settings import groups
from tl_strategies.settings.objects import check_objects, describe
from tl_strategies.settings.schema import (
    check_values,
    names_of,
    only_one,
    parse_options,
    require,
    text,
    texts,
)

PLACES = names_of(groups.Place)
SPLITTING = ("limit", "shots", "protocol", "folds", "fold", "classes", "allow_leaks")


@dataclasses.dataclass(frozen=True)
class Settings(
    *(groups.Objects, groups.Place, groups.Single, groups.Stopping, groups.Training, groups.Folds),
    *(groups.Selection, groups.Data, groups.Network, groups.Transfer),
):
    """What a run depends on. Fields are the flags of `tl-run`, with the same defaults.

    Raises:
        UsageError: a value is not what it must be.
    """

    def __post_init__(self):
        paths = ("backbone", "weights", "cache_dir", "run_dir", "split")
        plain = {
            "option": parse_options(self.option),
            "n": None if self.n is None else str(self.n),
            "image_size": parse_size(self.image_size),
            **{name: texts(getattr(self, name)) for name in ("plugin", "classes")},
            **{name: text(getattr(self, name)) for name in paths},
        }
        objects = check_objects(self)
        if "learning_rate" not in objects:
            plain["learning_rate"] = _rate(self.learning_rate)
        vars(self).update(plain)  # the class is frozen
        check_values(self, [*objects, "image_size"])  # which parse_size has checked
        within = self.fold is None or self.fold <= (self.folds or 0)
        require("fold", within, f"at most --folds {self.folds}", self.fold)
        if "optimizer" not in objects:
            check_optimizer(self.optimizer)
        self._check_together()

    def _check_together(self) -> None:
        if self.plateau and (self.schedule or self.warmup or self.learning_rate == "auto"):
            raise UsageError(
                "--plateau must be the only one to change the learning rate. Received: also "
                "--schedule, --warmup or --learning_rate auto. Leave one of them out."
            )
        if self.views and self.augment == "none":
            raise UsageError(
                f"--views must come with --augment: without it all views are the same. Received: "
                f"--views {self.views}."
            )
        if (self.plateau or self.patience) and (not self.validates or self.keep == "last"):
            raise UsageError(
                "--plateau and --patience must have validation images to look at. Received: also "
                "--train_on train+validation, --protocol vtab1k or --keep last."
            )
        splits = [self.train_split, self.validation_split, self.test_split]
        if any(splits) and not (self.train_split and self.dataset.startswith("tfds:")):
            raise UsageError(
                "--validation_split and --test_split must come with --train_split, and all of them "
                f"with --dataset tfds:NAME. Received: --dataset {self.dataset}."
            )
        given = {f"--{name}": getattr(self, name) for name in ("limit", "shots", "split", "folds")}
        given["--protocol"] = self.protocol != "none"
        only_one(given, ("--limit", "--shots", "--protocol"))
        only_one(given, ("--split", "--folds", "--protocol"))
        if self.n == "auto" and self.folds and not self.fold:
            raise UsageError("--n auto must come without --folds. Received: both.")
        if self.resume and not self.run_dir:
            raise UsageError("--resume must come with --run_dir, the run to go on with.")

    @property
    def objects(self) -> list[str]:
        """The names of settings that were given as objects."""
        given = [name for name in names_of(groups.Objects) if getattr(self, name)]
        return list(dict.fromkeys([*check_objects(self), *given]))

    @property
    def validates(self) -> bool:
        """Whether validation images are kept apart."""
        asked = self.train_on or ("train+validation" if self.protocol == "vtab1k" else "train")
        return asked == "train"

    @property
    def splitting(self) -> Splitting:
        """How images come into parts."""
        return Splitting(
            seed=self.seed if self.split_seed is None else self.split_seed,
            file=self.split,
            validation=self.validates,
            **{name: getattr(self, name) for name in SPLITTING},
        )

    def to_config(self) -> dict[str, Any]:
        """What differs from run to run and can be replayed; not where it was written."""
        config = {name: getattr(self, name) for name in names_of(type(self))}
        config["option"] = [f"{name}={value!r}" for name, value in self.option.items()]
        if not isinstance(self.image_size, int | None):
            config["image_size"] = size_text(self.image_size)
        config |= {name: config[name] or None for name in names_of(groups.Objects)}
        config |= {name: describe(config[name]) for name in self.objects}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in config.items()
            if value is not None and name not in ("run_dir", "resume")
        }


def _rate(value: float | str) -> float | str:
    with contextlib.suppress(TypeError, ValueError):
        value = float(value)
    positive = isinstance(value, float) and 0 < value < float("inf")
    require("learning_rate", value == "auto" or positive, "above 0, or auto", value)
    return value
