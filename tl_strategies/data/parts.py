"""Which part each image belongs to: as the data says, as a file says, or split by us."""

import dataclasses

import numpy as np

from tl_strategies.data.csv_file import read_split
from tl_strategies.data.listing import Listing
from tl_strategies.data.split import (
    FRACTION,
    PARTS,
    joined_groups,
    split,
    stratify,
    take,
    take_shots,
)
from tl_strategies.errors import UsageError

VTAB = (800, 200)  # images for training and validation (Zhai et al. 2019)


@dataclasses.dataclass(frozen=True)
class Splitting:
    """How images come into parts."""

    seed: int = 0
    limit: int | None = None  # how many images to train on; None for all
    shots: int | None = None  # how many of each class to train on; None for all
    protocol: str = "none"  # "vtab1k" has 800 images for training and 200 for validation
    folds: int | None = None
    fold: int | None = None  # the number of the one to test on, from 1
    file: str | None = None  # a split.csv to follow
    classes: tuple[str, ...] = ()  # the only ones whose images are used; all if empty
    validation: bool = True  # whether the validation part stays apart, or is trained on too
    allow_leaks: bool = False  # whether given parts may share images


def assign_parts(
    listing: Listing, keys: np.ndarray, how: Splitting
) -> tuple[Listing, np.ndarray, np.ndarray, np.ndarray]:
    """Which of the readable images are used, and what for; `keys` are digests of their contents.

    Returns:
        The listing of those that are used; their positions in the one given; the part of each; the
        positions, among them, of those to train on.
    """
    listing.check_counts(how.classes)
    given = listing.parts if how.file is None else read_split(how.file, listing)
    kept = np.arange(len(keys))
    if how.file is not None and (given == "").any():
        kept = np.flatnonzero(given != "")
        note = f"{len(given) - len(kept)} images are not in --split {how.file}: not used"
        listing, keys, given = listing.only(kept, note), keys[kept], given[kept]
        listing.check_counts(how.classes)
    groups = joined_groups(keys, listing.groups)
    if given is not None and not how.allow_leaks:
        _refuse_leaks(listing, groups, given)
    if how.folds is not None:
        parts = _fold(listing, groups, given, how)
    else:
        parts = _complete(listing, groups, given, how.seed)
    _refuse_empty(listing, groups, parts)
    if how.classes:  # parts do not depend on which are chosen
        listing, used = listing.of_classes(how.classes)
        absent = sorted(set(parts) - set(parts[used]))
        if absent:
            raise UsageError(
                "The classes that are used must have images in every part. Received: "
                f"{', '.join(how.classes)}, without any in {absent[0]}."
            )
        groups, kept, parts = groups[used], kept[used], parts[used]
    if how.protocol == "vtab1k":
        used = _vtab1k(listing, groups, parts, how.seed)
        listing, kept, parts = listing.only(used), kept[used], parts[used]
        listing.check_counts()
    train = _limited(listing, np.flatnonzero(parts == "train"), how)
    if not how.validation:
        train = np.sort(np.concatenate([train, np.flatnonzero(parts == "validation")]))
        parts = np.where(parts == "validation", "train", parts)
    return listing, kept, parts, train


def _complete(
    listing: Listing, groups: np.ndarray, given: np.ndarray | None, seed: int
) -> np.ndarray:
    """All three parts from those that are given, if any."""
    have = [] if given is None else [part for part in PARTS if (given == part).any()]
    if have in ([], ["train"]):
        return split(listing.labels, seed, groups)
    parts = given.astype("<U10")
    if "test" not in have:
        parts[parts == "validation"] = "test"
    if have != list(PARTS):
        train = np.flatnonzero(parts == "train")
        fractions = (1 - FRACTION, FRACTION)
        parts[train] = split(listing.labels[train], seed, groups[train], fractions)
    return parts


def _fold(
    listing: Listing, groups: np.ndarray, given: np.ndarray | None, how: Splitting
) -> np.ndarray:
    """One fold to test on; of the others a share of each class to validate on."""
    if given is not None and len(set(given)) > 1:
        raise UsageError(
            f"--folds must come with data that has no parts yet. Received: {listing.source}, which "
            f"has {', '.join(sorted(set(given)))}."
        )
    number = stratify(listing.labels, groups, (1 / how.folds,) * how.folds, how.seed)
    parts = np.full(len(number), "train", dtype="<U10")
    parts[number == how.fold - 1] = "test"
    rest = np.flatnonzero(parts == "train")
    fractions = (1 - FRACTION, FRACTION)
    parts[rest] = split(listing.labels[rest], how.seed, groups[rest], fractions)
    return parts


def _vtab1k(listing: Listing, groups: np.ndarray, parts: np.ndarray, seed: int) -> np.ndarray:
    """Positions of 1000 images and of the test part; parts become those of the protocol."""
    pool = np.flatnonzero(parts != "test")
    pool = pool[np.unique(groups[pool], return_index=True)[1]]  # one of each group
    if len(pool) < sum(VTAB):
        raise UsageError(
            f"--protocol vtab1k must have {sum(VTAB)} different images beside the test part. "
            f"Received: {len(pool)} of {listing.source}."
        )
    chosen = take(listing.labels, np.sort(pool), sum(VTAB), seed)
    parts[chosen] = "validation"
    parts[take(listing.labels, chosen, VTAB[0], seed)] = "train"
    return np.sort(np.concatenate([chosen, np.flatnonzero(parts == "test")]))


def _limited(listing: Listing, train: np.ndarray, how: Splitting) -> np.ndarray:
    """Positions of the images to train on."""
    labels, names = listing.labels, listing.task.names
    if how.limit is not None:
        if how.limit < len(names):
            raise UsageError(
                f"--limit must be at least {len(names)}, one a class. Received: {how.limit}."
            )
        return take(labels, train, how.limit, how.seed)
    if how.shots is not None:
        counts = listing.counts(train)
        few = [f"{names[i]!r} with {counts[i]}" for i in np.flatnonzero(counts < how.shots)]
        if few:
            raise UsageError(
                f"--shots must be at most the training images of each class. Received: {how.shots} "
                f"of {', '.join(few[:10])}."
            )
        return take_shots(labels, train, how.shots, how.seed)
    return train


def _refuse_empty(listing: Listing, groups: np.ndarray, parts: np.ndarray) -> None:
    """Raise a UsageError where there are too few different images for all parts."""
    absent = [part for part in PARTS if part not in parts]
    if absent:
        what = "contents" if listing.groups is None else "groups"
        raise UsageError(
            f"{listing.source} must have different images for training, validation and test: those "
            f"of one content or group stay in one part. Received: {len(parts)} images of "
            f"{len(np.unique(groups))} {what}, which leaves none for {' and '.join(absent)}. Add "
            "images that differ."
        )


def _refuse_leaks(listing: Listing, groups: np.ndarray, parts: np.ndarray) -> None:
    """Raise a UsageError where images of one content or group are in several parts."""
    number = np.array([PARTS.index(part) for part in parts])
    order = np.lexsort((number, groups))
    same = groups[order][1:] == groups[order][:-1]
    pairs = np.flatnonzero(same & (number[order][1:] != number[order][:-1]))
    if not len(pairs):
        return
    lines = [
        " = ".join(f"{listing.paths[at]} ({parts[at]})" for at in order[i : i + 2])
        for i in pairs[:5]
    ]
    lines.append("Take them out of one part, or allow it with --allow_leaks.")
    raise UsageError(
        f"Parts must not share images or groups: the test part would not tell what is new. "
        f"Received: {len(pairs)} of {listing.source} that do, such as\n  " + "\n  ".join(lines)
    )
