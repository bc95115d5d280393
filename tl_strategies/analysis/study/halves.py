"""Two halves of the classes, A and B, as Yosinski et al. (2014) transfer between them."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from tl_strategies.errors import UsageError
from tl_strategies.task import Task

# Of the 1000 classes of ImageNet by WordNet number: man-made ones; the 449 others are natural, as
# Yosinski et al. (2014) divide them.
IMAGENET_MAN_MADE = (*range(398, 936), *range(959, 970), 971, 999)
# By superclass: containers, electrical devices, furniture, large outdoor things, vehicles 1 and 2.
CIFAR100_MAN_MADE = (
    *("bottle", "bowl", "can", "cup", "plate"),
    *("clock", "keyboard", "lamp", "telephone", "television"),
    *("bed", "chair", "couch", "table", "wardrobe"),
    *("bridge", "castle", "house", "road", "skyscraper"),
    *("bicycle", "bus", "motorcycle", "pickup_truck", "train"),
    *("lawn_mower", "rocket", "streetcar", "tank", "tractor"),
)
# Nothing in Fashion-MNIST is natural: what covers the upper body against shoes, bags and trousers.
FASHION_OTHERS = ("Trouser", "Sandal", "Sneaker", "Bag", "Ankle boot")
KINDS = ("random", "natural_manmade", "given")


@dataclasses.dataclass(frozen=True)
class Halves:
    """Two tasks without a common class, by the names of their classes."""

    name: str  # of the split, such as "random0"
    a: tuple[str, ...]  # empty where the weights of a network are given
    b: tuple[str, ...]


def all_halves(kinds: Sequence[str], task: Task, count: int, seed: int) -> list[Halves]:
    """The splits of several kinds, in their order, each with a name of its own."""
    splits = [split for kind in kinds for split in make_halves(kind, task, count, seed)]
    names = [split.name for split in splits]
    _require(len(set(names)) == len(names), "must have splits of different names", ", ".join(names))
    return splits


def make_halves(kind: str, task: Task, count: int, seed: int) -> list[Halves]:
    """The splits of a kind; `count` of them where classes or, of "given", images are drawn.

    Kinds are "random" halves, the first of them by the seed; "natural_manmade" of data sets that
    are known; "given", where the weights of the backbone are A and all classes are B; or the path
    of a file with the names of A's classes, one a line.
    """
    names = task.names
    _require(not task.multilabel, "must have images of one label each", "several")
    if kind == "given":
        return [Halves(f"given{i}", (), names) for i in range(count)]
    enough = len(names) >= 4
    _require(enough, f"{kind} must have 4 classes at least, two for each half", len(names))
    if kind == "random":
        splits = []
        for i in range(count):
            order = np.random.default_rng([seed + i, len(names)]).permutation(len(names))
            a = {names[j] for j in order[: len(names) // 2]}
            splits.append(_halves(f"random{i}", names, a))
        return splits
    if kind == "natural_manmade":
        return [_halves(kind, names, set(names) - _man_made(names))]
    return [_from_file(kind, names)]


def _require(holds: bool, what: str, received: object) -> None:
    if not holds:
        raise UsageError(f"--class_split {what}. Received: {received}.")


def _halves(name: str, names: tuple[str, ...], a: set[str]) -> Halves:
    """Some classes and the others, both in the order of all."""
    return Halves(name, tuple(n for n in names if n in a), tuple(n for n in names if n not in a))


def _man_made(names: tuple[str, ...]) -> set[str]:
    """The half that is not natural."""
    if len(names) == 1000:
        return {names[i] for i in IMAGENET_MAN_MADE}
    for count, known in ((100, CIFAR100_MAN_MADE), (10, FASHION_OTHERS)):
        if len(names) == count and set(known) < set(names):
            return set(known)
    raise UsageError(
        "--class_split natural_manmade must come with the 1000 classes of ImageNet, sorted by "
        "WordNet number, CIFAR-100 or Fashion-MNIST. Received: others. Give a file with the names "
        "of A's classes, one a line."
    )


def _from_file(file: str, names: tuple[str, ...]) -> Halves:
    try:
        lines = pathlib.Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"--class_split must be {', '.join(KINDS)} or a file. Received: {file}: {error}."
        ) from error
    a = [line.strip() for line in lines if line.strip()]
    for name in a:
        _require(name in names, f"{file} must name classes of the data", repr(name))
    counts = len(set(a)), len(set(names) - set(a))
    what = f"{file} must leave two classes for each half at least"
    _require(min(counts) >= 2, what, f"{counts[0]} and {counts[1]}")
    stem = pathlib.Path(file).stem
    if stem.startswith(KINDS):
        raise UsageError(
            f"--class_split must be a file whose name does not begin with {', '.join(KINDS)}. "
            f"Received: {file}. Rename it."
        )
    return _halves(stem, names, set(a))
