"""Two halves of the classes, A and B, as Yosinski et al. (2014) transfer between them."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from tl_strategies.data.listing import Listing
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
    """Two tasks without a common class.

    Attributes:
        name: of the split, such as "random0".
        a, b: names of the classes; of a network whose weights are given `a` is empty.
    """

    name: str
    a: tuple[str, ...]
    b: tuple[str, ...]


def all_halves(kinds: Sequence[str], task: Task, count: int, seed: int) -> list[Halves]:
    """The splits of several kinds, in their order; see `make_halves`.

    Raises:
        UsageError: there is no such split of these classes, or two have one name.
    """
    halves = [of for kind in kinds for of in make_halves(kind, task, count, seed)]
    names = [of.name for of in halves]
    if len(set(names)) < len(names):
        raise UsageError(
            f"--class_split must have splits of different names. Received: {', '.join(names)}."
        )
    return halves


def check_parts(halves: Halves, listing: Listing, parts: np.ndarray) -> None:
    """Refuse a half that has no images in a part of the data.

    Args:
        halves: of the classes.
        listing: of all images.
        parts: names of the part of each, of shape (images,); "" where it has none.

    Raises:
        UsageError: there is such a half.
    """
    for names in filter(None, (halves.a, halves.b)):
        inside = listing.of_classes(names)[1]
        absent = sorted(set(parts) - set(parts[inside]) - {""})
        if absent:
            raise UsageError(
                "--class_split must leave images in each part to both halves. Received: "
                f"{halves.name}, where {', '.join(names)} have none in {absent[0]}."
            )


def make_halves(kind: str, task: Task, count: int, seed: int) -> list[Halves]:
    """The splits of a kind.

    Args:
        kind: "random" halves; "natural_manmade" of data sets that are known; "given", where the
            weights of the backbone are A and all classes are B; or the path of a file with the
            names of A's classes, one a line.
        task: the labels of the data.
        count: of splits where they are random or the images are split anew.
        seed: of the first random split.

    Raises:
        UsageError: there is no such split of these classes.
    """
    names = task.names
    if task.multilabel:
        raise UsageError("--class_split must have images of one label each. Received: several.")
    if kind == "given":
        return [Halves(f"given{i}", (), names) for i in range(count)]
    if len(names) < 4:
        raise UsageError(
            f"--class_split {kind} must have 4 classes at least, two for each half. Received: "
            f"{len(names)}."
        )
    if kind == "random":
        return [_random(names, seed + i, i) for i in range(count)]
    if kind == "natural_manmade":
        return [_without("natural_manmade", names, _man_made(names))]
    return [_from_file(kind, names)]


def _random(names: tuple[str, ...], seed: int, number: int) -> Halves:
    order = np.random.default_rng([seed, len(names)]).permutation(len(names))
    half = sorted(order[: len(names) // 2])
    others = sorted(order[len(names) // 2 :])
    return Halves(f"random{number}", tuple(names[i] for i in half), tuple(names[i] for i in others))


def _without(name: str, names: tuple[str, ...], b: set[str]) -> Halves:
    return Halves(name, tuple(n for n in names if n not in b), tuple(n for n in names if n in b))


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
    unknown = [name for name in a if name not in names]
    if unknown:
        raise UsageError(
            f"--class_split {file} must name classes of the data. Received: {unknown[0]!r}."
        )
    b = set(names) - set(a)
    if min(len(set(a)), len(b)) < 2:
        raise UsageError(
            f"--class_split {file} must leave two classes for each half at least. Received: "
            f"{len(set(a))} and {len(b)}."
        )
    stem = pathlib.Path(file).stem
    if stem.startswith(KINDS):
        raise UsageError(
            f"--class_split must be a file whose name does not begin with {', '.join(KINDS)}. "
            f"Received: {file}. Rename it."
        )
    return _without(stem, names, b)
