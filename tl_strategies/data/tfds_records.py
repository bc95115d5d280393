"""Data sets of TensorFlow Datasets, by name."""

import difflib
import functools
import pathlib
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import NamedTuple

import absl.logging
import numpy as np

from tl_strategies.data.contents import Records, digest
from tl_strategies.data.listing import Listing
from tl_strategies.data.split import PARTS
from tl_strategies.errors import UsageError
from tl_strategies.task import Task

NO_ANSWER = 8  # seconds without an answer from a data set's server before it is given up
BATCH = 256  # records read at a time
SPLITS = {"train": ("train",), "validation": ("validation", "val", "valid"), "test": ("test",)}


def list_tfds(name: str, splits: dict[str, str | None]) -> Listing:
    """List the records of a data set; it is downloaded and prepared where it is not yet.

    Args:
        name: NAME, NAME/CONFIG or NAME/CONFIG:VERSION.
        splits: for "train", "validation" and "test" a split in TFDS's syntax, such as
            "train[:80%]"; None for the data set's own where it has one.
    """
    import tensorflow_datasets as tfds

    absl.logging.set_verbosity(absl.logging.ERROR)  # TFDS deprecates what it uses itself
    builder = _builder(tfds, name)
    image, label = _features(tfds, builder.info.features, name)
    chosen = _chosen_splits(builder, splits)
    read = functools.partial(_read, tfds, builder, name, image, label)
    digests, labels, parts, paths, notes = [], [], [], [], []
    for part, split in list(chosen.items()):
        found, values = [], []
        for images, some in read(split):
            found += [digest(data) for data in images]
            values += some
        unlabelled = 0 if label.several else sum(value < 0 for value in values)
        if unlabelled and part == "train":
            raise UsageError(
                f"--dataset tfds:{name} must have all labels of {split}, to train on. Received: "
                f"{unlabelled} of {len(values)} without. Name one that has them by --train_split."
            )
        if unlabelled:
            notes.append(f"split {split} is not used: TFDS does not have all its labels")
            del chosen[part]
            continue
        digests += found
        labels += values
        parts += [part] * len(found)
        paths += [f"{split}/{i:06}" for i in range(len(found))]

    def iterate() -> Iterator[bytes]:
        for split in chosen.values():
            for images, _ in read(split):
                yield from images

    if label.several:
        numbers = np.zeros((len(labels), len(label.names)), bool)
        for row, present in zip(numbers, labels, strict=True):
            row[present] = True
    else:
        numbers = np.array(labels, "int64")
    return Listing(
        source=f"tfds:{name}",
        paths=tuple(paths),
        labels=numbers,
        task=Task(label.names, label.several),
        contents=Records(iterate, digests),
        parts=np.array(parts, dtype="<U10") if len(chosen) > 1 else None,
        notes=tuple(notes),
    )


class _Label(NamedTuple):
    """Where the labels are, how they are called, and whether an image has several."""

    path: tuple[str, ...]
    names: tuple[str, ...]
    several: bool


def _builder(tfds, name: str):
    """What builds a data set, which is downloaded and prepared where it is not yet."""
    try:
        builder = tfds.builder(name)
    except tfds.core.registered.DatasetNotFoundError as error:
        base = name.partition("/")[0].partition(":")[0]
        near = difflib.get_close_matches(base, tfds.list_builders(), 1)
        raise UsageError(
            f"--dataset tfds:NAME must be a data set of TFDS. Received: {name}."
            + (f" Did you mean {near[0]}?" if near else "")
        ) from error
    except (ValueError, AssertionError, KeyError) as error:  # a config or a version
        raise UsageError(
            f"--dataset tfds:NAME/CONFIG:VERSION must be one of TFDS. Received: {name}: "
            f"{str(error).splitlines()[0]}"
        ) from error
    if builder.is_prepared():
        return builder
    _refuse_without_network(builder, name)
    try:
        builder.download_and_prepare()
    except (AssertionError, OSError, ValueError) as error:
        raise UsageError(
            f"--dataset tfds:{name} must be prepared, or such that TFDS can prepare it. Received: "
            f"{error}"
        ) from error
    return builder


def _refuse_without_network(builder, name: str) -> None:
    """TFDS itself would go on trying for minutes."""
    from tensorflow_datasets.core.download.resource import get_dl_fname

    downloads = pathlib.Path(builder._data_dir_root, "downloads", builder.name)
    urls = [
        url
        for url, info in builder.url_infos.items()
        if not (downloads / get_dl_fname(url, info.checksum)).is_file()
    ]
    if not urls:
        return
    try:
        request = urllib.request.Request(urls[0], method="HEAD")
        urllib.request.urlopen(request, timeout=NO_ANSWER).close()
    except urllib.error.HTTPError:  # an answer
        return
    except OSError as error:
        raise UsageError(
            f"--dataset tfds:{name} must be prepared, or there must be a network to download it. "
            f"Received: {getattr(error, 'reason', error)} from {urls[0]}. Prepare it where there "
            f"is one, by tfds.load({name!r}), and copy {builder.data_path} here, or set "
            "TFDS_DATA_DIR to the directory that holds it."
        ) from error


def _features(tfds, features, name: str) -> tuple[str, _Label]:
    """The keys of the image and of the labels."""
    images = [key for key in features if isinstance(features[key], tfds.features.Image)]
    one, several = {}, {}
    for key, feature in features.items():
        if isinstance(feature, tfds.features.ClassLabel):
            one[(key,)] = feature
        elif isinstance(feature, tfds.features.Sequence):
            inner = feature.feature
            if isinstance(inner, tfds.features.ClassLabel):
                several[(key,)] = inner
            elif hasattr(inner, "keys") and "label" in inner:
                several[(key, "label")] = inner["label"]
    image = "image" if "image" in images else images[0] if len(images) == 1 else None
    for found, many in ((one, False), (several, True)):
        best = [path for path in (("label",), ("labels",), ("objects", "label")) if path in found]
        best += list(found) if len(found) == 1 else []
        if image and best:
            label = found[best[0]]
            names = tuple(label.names or map(str, range(label.num_classes)))
            return image, _Label(best[0], names, many)
    raise UsageError(
        f"--dataset tfds:{name} must have an image and a label, labels or objects/label. Received: "
        f"{', '.join(features)}."
    )


def _chosen_splits(builder, splits: dict[str, str | None]) -> dict[str, str]:
    """A split for each part: those that were asked for, and the data set's own for the others.

    A split that was asked for and its neighbours (train[:80%], train[80%:]) stand for all of it:
    the data set's own are used only where nothing was asked for.
    """
    if any(splits.values()):
        return {part: split for part, split in splits.items() if split}
    there = builder.info.splits
    own = {part: next((name for name in SPLITS[part] if name in there), None) for part in PARTS}
    if own["train"] is None:
        return {"train": next(iter(there), "train")}
    return {part: split for part, split in own.items() if split}


def _read(
    tfds, builder, name: str, image: str, label: _Label, split: str
) -> Iterator[tuple[list[bytes], list]]:
    """Encoded images and their labels, some at a time, always in the same order."""
    wanted = {label.path[0]: {label.path[1]: True} if len(label.path) > 1 else True}
    decoders = tfds.decode.PartialDecoding(
        {image: True, **wanted}, decoders={image: tfds.decode.SkipDecoding()}
    )
    try:
        dataset = builder.as_dataset(
            split=split,
            decoders=decoders,
            read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
        )
    except (ValueError, KeyError, AssertionError) as error:
        raise UsageError(
            f"A split of tfds:{name} must be one of {', '.join(builder.info.splits)}, or a part "
            f"such as train[:80%]. Received: {split}: {str(error).splitlines()[0]}"
        ) from error
    for batch in dataset.ragged_batch(BATCH):
        values = batch
        for key in label.path:
            values = values[key]
        labels = [row.numpy() for row in values] if label.several else values.numpy().tolist()
        yield batch[image].numpy().tolist(), labels
