"""The settings in groups: what the network is, what the data, how is trained, where things lie.

A command has the flags of some groups. Each field says its default, its help, what it may be.
"""

import dataclasses
from typing import Any

from tl_strategies.plans.choices import BN_POLICIES, PRECISIONS, SCHEDULES
from tl_strategies.settings.schema import setting

SEEDS = {"at_least": 0, "at_most": 2**32 - 1}


@dataclasses.dataclass(frozen=True)
class Transfer:
    """The strategy."""

    strategy: str = setting("partial", "how to transfer: a name, or package.module:Class")
    option: dict[str, Any] = setting((), "NAME=VALUE for the strategy; may be repeated")


@dataclasses.dataclass(frozen=True)
class Network:
    """The pretrained network."""

    backbone: str = setting(
        "efficientnet_lite0", "a name from tl-inspect, hub:PRESET, or a .keras file"
    )
    weights: str = setting("imagenet", "imagenet, none (fresh), or a file")
    keep_top: bool = setting(False, "keep the classifier on top of a .keras file's network")
    top: str | None = setting(
        None, "the layer of a .keras file's network whose output are the features"
    )
    plugin: tuple[str, ...] = setting(
        (), "Python file with strategies or Keras layers; may be repeated"
    )


@dataclasses.dataclass(frozen=True)
class Data:
    """The images and their parts."""

    dataset: str = setting(
        "clipart", "clipart (bundled), folder:PATH, tfds:NAME, csv:FILE or npz:FILE"
    )
    train_split: str | None = setting(None, "split of tfds:NAME to train on, such as train[:80%]")
    validation_split: str | None = setting(None, "split of tfds:NAME to validate on")
    test_split: str | None = setting(None, "split of tfds:NAME to test on")
    split: str | None = setting(None, "follow this split.csv, such as another run's")
    allow_leaks: bool = setting(False, "parts of the data may share images")
    image_size: int | str | tuple | None = setting(
        None, "side of the images in pixels, or HEIGHTxWIDTH; default: the backbone's"
    )
    limit: int | None = setting(
        None, "train on this many images, stratified; default: all", at_least=1
    )
    shots: int | None = setting(None, "train on this many images of each class", at_least=1)
    seed: int = setting(0, "of the split, the fresh weights and the order of images", **SEEDS)
    split_seed: int | None = setting(None, "of the split, where it is another one", **SEEDS)


@dataclasses.dataclass(frozen=True)
class Selection:
    """Which images are used for what, and what that leaves to choose on."""

    classes: tuple[str, ...] = setting((), "use the images of this class only; may be repeated")
    protocol: str = setting(
        "none",
        "vtab1k: 800 images to train on and 200 to choose on, all 1000 in the end (without "
        "--train_on train), the whole test part",
        ("none", "vtab1k"),
    )
    keep: str = setting(
        "best",
        "weights of the epoch that is best on validation images, or of the last, without a look at "
        "validation images before",
        ("best", "last"),
    )


@dataclasses.dataclass(frozen=True)
class Folds:
    """Cross-validation."""

    folds: int | None = setting(
        None,
        "cross-validate: so many runs, each tests on another fold and trains on the others",
        at_least=2,
    )
    fold: int | None = setting(None, "do the run of this fold alone, from 1", at_least=1)


@dataclasses.dataclass(frozen=True)
class Training:
    """Gradient descent."""

    epochs: int = setting(8, "passes over the training images", at_least=1)
    batch_size: int = setting(32, "images a training step", at_least=1)
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
        at_least=0,
        below=1,
    )
    weight_decay: float = setting(
        0.0, "decoupled; of trained kernels only; none unless given", at_least=0, below=float("inf")
    )
    label_smoothing: float = setting(
        0.0, "part of each target that all labels share", at_least=0, below=1
    )
    class_weight: str = setting(
        "none", "balanced: every class weighs the same in the loss", ("none", "balanced")
    )
    augment: str = setting(
        "none",
        "random flips (flip), crops too (standard), colours too (strong); crops16: the image, five "
        "crops and two turned ones, each mirrored",
        ("none", "flip", "standard", "strong", "crops16"),
    )
    views: int | None = setting(
        None,
        "augmented views of each training image; epoch e uses view e mod views. Default: 4 where "
        "features are stored, a new one each epoch where not; 16 of crops16",
        at_least=1,
    )
    bn: str = setting(
        "frozen",
        "pretrained BatchNormalization: as it is, with statistics of the training images, or "
        "trained in the suffix",
        BN_POLICIES,
    )
    precision: str = setting(
        "float32", "dtype policy of the computation; variables stay float32", PRECISIONS
    )


@dataclasses.dataclass(frozen=True)
class Stopping:
    """What follows from validation images while a phase is trained."""

    plateau: int | None = setting(
        None,
        "no schedule: after so many epochs without improvement, a tenth of the learning rate",
        at_least=1,
    )
    patience: int | None = setting(
        None, "end a phase after so many epochs without improvement; default: never", at_least=1
    )


@dataclasses.dataclass(frozen=True)
class Place:
    """Where features are kept and the run is written; no result depends on it."""

    cache: str = setting(
        "auto",
        "store features: where possible, never, or fail where it is impossible",
        ("auto", "off", "require"),
    )
    cache_dir: str | None = setting(None, "where features are kept; default: the user's cache")
    cache_limit: float = setting(20.0, "gigabytes kept; the least recently used make room", above=0)
    run_dir: str | None = setting(None, "where the run is written; default: a new one below runs/")


@dataclasses.dataclass(frozen=True)
class Workers:
    """Who does the work; no result depends on it."""

    workers: int = setting(1, "processes that share the work", at_least=1)
    engine: str = setting(
        "local", "what starts them: local (this machine), ray, or ray:ADDRESS of a cluster"
    )
    gpus_per_worker: float | None = setting(
        None, "GPUs that a worker of Ray asks for; default: 1 where there are some", at_least=0
    )
    memory_growth: float = setting(
        2.0, "gigabytes by which a worker may grow before it is replaced", above=0
    )


@dataclasses.dataclass(frozen=True)
class Single:
    """What a single run has, and a search or a study sets itself."""

    n: int | str | None = setting(
        None,
        "transfer depth: a count of units, a negative count from the end, a unit's name, or auto "
        "to search for it",
    )
    train_on: str | None = setting(
        None,
        "parts to train on, train unless there is --protocol; without validation images the last "
        "epoch's weights are kept",
        ("train", "train+validation"),
    )
    deterministic: bool = setting(False, "the same seed gives the same weights, bit by bit")
    resume: bool = setting(False, "go on with the run in --run_dir, or begin it")


@dataclasses.dataclass(frozen=True)
class Objects:
    """What only a call from Python can give."""

    loss: Any = setting(None, "a Keras loss of one-hot targets and probabilities")
    metrics: Any = setting((), "Keras metrics besides ours")
    callbacks: Any = setting((), "Keras callbacks; their model is the part that is trained")
    head: Any = setting(None, "a function from a tensor of features to one of probabilities")
