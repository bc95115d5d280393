"""The settings of a run: one schema, from which the flags of `tl-run` are made."""

import contextlib
import dataclasses
import json
import os
from typing import Any

from tl_strategies.data.parts import Splitting
from tl_strategies.errors import UsageError
from tl_strategies.plans.choices import BN_POLICIES, PRECISIONS, SCHEDULES, check_optimizer
from tl_strategies.training.schema import check_values, require, setting

LARGEST = 4096  # side of an image, in pixels


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a run depends on. Fields are the flags of `tl-run`, with the same defaults.

    Raises:
        UsageError: a value is not what it must be.
    """

    strategy: str = setting("partial", "how to transfer: a name, or package.module:Class")
    n: int | str | None = setting(
        None,
        "transfer depth: a count of units, a negative count from the end, a unit's name, or auto "
        "to search for it",
    )
    option: tuple[str, ...] = setting((), "NAME=VALUE for the strategy; may be repeated")
    plugin: tuple[str, ...] = setting(
        (), "Python file with strategies or Keras layers; may be repeated"
    )
    backbone: str = setting(
        "efficientnet_lite0", "a name from tl-inspect, hub:PRESET, or a .keras file"
    )
    weights: str = setting("imagenet", "imagenet, none (fresh), or a file")
    keep_top: bool = setting(False, "keep the classifier on top of a .keras file's network")
    top: str | None = setting(
        None, "the layer of a .keras file's network whose output are the features"
    )
    dataset: str = setting(
        "clipart", "clipart (bundled), folder:PATH, tfds:NAME, csv:FILE or npz:FILE"
    )
    classes: tuple[str, ...] = setting((), "use the images of this class only; may be repeated")
    train_split: str | None = setting(None, "split of tfds:NAME to train on, such as train[:80%]")
    validation_split: str | None = setting(None, "split of tfds:NAME to validate on")
    test_split: str | None = setting(None, "split of tfds:NAME to test on")
    split: str | None = setting(None, "follow this split.csv, such as another run's")
    allow_leaks: bool = setting(False, "parts of the data may share images")
    folds: int | None = setting(None, "cross-validate: so many runs, each tests on another fold")
    fold: int | None = setting(None, "do the run of this fold alone, from 1")
    protocol: str = setting(
        "none",
        "vtab1k: 800 images to train on and 200 to choose on, all 1000 in the end (without "
        "--train_on train), the whole test part",
        ("none", "vtab1k"),
    )
    image_size: int | None = setting(None, "side of the images in pixels; default: the backbone's")
    limit: int | None = setting(None, "train on this many images, stratified; default: all")
    shots: int | None = setting(None, "train on this many images of each class")
    epochs: int = setting(8, "passes over the training images")
    batch_size: int = setting(32, "images a training step")
    learning_rate: float | str = setting(
        3e-3,
        "the head's peak learning rate, or auto to find one; units have multiples of it (see "
        "--dry_run)",
    )
    optimizer: str = setting("adam", "a Keras optimizer, such as adam, adamw or sgd")
    schedule: str | None = setting(
        None, "shape of the learning rate, cosine unless there is --plateau", SCHEDULES
    )
    schedule_over: str = setting("run", "what one schedule lasts for", ("run", "phase"))
    warmup: float | None = setting(
        None,
        "part of the schedule over which the learning rate rises; default: 0.1, or one_cycle's",
    )
    plateau: int | None = setting(
        None, "no schedule: after so many epochs without improvement, a tenth of the learning rate"
    )
    patience: int | None = setting(
        None, "end a phase after so many epochs without improvement; default: never"
    )
    weight_decay: float = setting(0.0, "decoupled; of trained kernels only; none unless given")
    label_smoothing: float = setting(0.0, "part of each target that all labels share")
    class_weight: str = setting(
        "none", "balanced: every class weighs the same in the loss", ("none", "balanced")
    )
    augment: str = setting(
        "none",
        "random flips (flip), crops too (standard), colours too (strong)",
        ("none", "flip", "standard", "strong"),
    )
    views: int | None = setting(
        None,
        "augmented views of each training image; epoch e uses view e mod views. Default: 4 where "
        "features are stored, a new one each epoch where not",
    )
    bn: str = setting(
        "frozen",
        "pretrained BatchNormalization: as it is, with statistics of the training images, or "
        "trained in the suffix",
        BN_POLICIES,
    )
    precision: str = setting("float32", "what is computed in", PRECISIONS)
    keep: str = setting(
        "best",
        "weights of the epoch that is best on validation images, or of the last, without a look at "
        "validation images before",
        ("best", "last"),
    )
    seed: int = setting(0, "of the split, the fresh weights and the order of images")
    split_seed: int | None = setting(None, "of the split, where it is another one")
    train_on: str | None = setting(
        None,
        "parts to train on, train unless there is --protocol; without validation images the last "
        "epoch's weights are kept",
        ("train", "train+validation"),
    )
    deterministic: bool = setting(False, "the same seed gives the same weights, bit by bit")
    cache: str = setting(
        "auto",
        "store features: where possible, never, or fail where it is impossible",
        ("auto", "off", "require"),
    )
    cache_dir: str | None = setting(None, "where features are kept; default: the user's cache")
    cache_limit: float = setting(20.0, "gigabytes kept; the least recently used make room")
    run_dir: str | None = setting(None, "where the run is written; default: a new one below runs/")
    resume: bool = setting(False, "go on with the run in --run_dir, or begin it")

    def __post_init__(self):
        for name in ("option", "plugin", "classes"):
            value = getattr(self, name)
            values = value if isinstance(value, list | tuple) else (value,)
            texts = (os.fspath(of) if isinstance(of, os.PathLike) else of for of in values)
            object.__setattr__(self, name, tuple(texts))
        for name in ("backbone", "weights", "cache_dir", "run_dir", "split"):
            value = getattr(self, name)
            if isinstance(value, os.PathLike):
                object.__setattr__(self, name, os.fspath(value))
        if self.n is not None:
            object.__setattr__(self, "n", str(self.n))
        object.__setattr__(self, "learning_rate", _rate(self.learning_rate))
        check_values(self)
        counts = ("epochs", "batch_size", "limit", "shots", "image_size", "views")
        for name in (*counts, "plateau", "patience", "fold"):
            value = getattr(self, name)
            require(name, value is None or value >= 1, "at least 1", value)
        small = (self.image_size or 1) <= LARGEST
        require("image_size", small, f"at most {LARGEST}", self.image_size)
        require("folds", self.folds is None or self.folds >= 3, "at least 3", self.folds)
        require(
            "fold",
            self.fold is None or self.fold <= (self.folds or 0),
            f"at most --folds {self.folds}",
            self.fold,
        )
        for name in ("seed", "split_seed"):
            value = getattr(self, name) or 0
            require(name, 0 <= value < 2**32, "from 0 to 4294967295", value)
        require("warmup", 0 <= (self.warmup or 0) < 1, "at least 0 and below 1", self.warmup)
        require(
            "label_smoothing",
            0 <= self.label_smoothing < 1,
            "at least 0 and below 1",
            self.label_smoothing,
        )
        decays = 0 <= self.weight_decay < float("inf")
        require("weight_decay", decays, "at least 0", self.weight_decay)
        require("cache_limit", self.cache_limit > 0, "above 0", self.cache_limit)
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
        amounts = {"--limit": self.limit, "--shots": self.shots}
        amounts |= {"--protocol": self.protocol != "none"}
        parts = {"--split": self.split, "--folds": self.folds, "--protocol": amounts["--protocol"]}
        for flags in (amounts, parts):
            both = [flag for flag, value in flags.items() if value]
            if len(both) > 1:
                raise UsageError(f"Only one of these must be given. Received: {', '.join(both)}.")
        if self.resume and not self.run_dir:
            raise UsageError("--resume must come with --run_dir, the run to go on with.")

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
            limit=self.limit,
            shots=self.shots,
            protocol=self.protocol,
            folds=self.folds,
            fold=self.fold,
            file=self.split,
            classes=self.classes,
            validation=self.validates,
            allow_leaks=self.allow_leaks,
        )

    def to_config(self) -> dict[str, Any]:
        """What differs from run to run and can be replayed; not where it was written."""
        config = dataclasses.asdict(self)
        for name in ("run_dir", "resume"):
            del config[name]
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in config.items()
            if value is not None
        }


def _rate(value: float | str) -> float | str:
    with contextlib.suppress(TypeError, ValueError):
        value = float(value)
    positive = isinstance(value, float) and 0 < value < float("inf")
    require("learning_rate", value == "auto" or positive, "above 0, or auto", value)
    return value


def to_toml(config: dict[str, Any]) -> str:
    """Settings as the text of config.toml."""
    lines = ["# tl-run --config THIS_FILE replays the run"]
    lines += [f"{name} = {_toml(value)}" for name, value in config.items()]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return repr(value)
