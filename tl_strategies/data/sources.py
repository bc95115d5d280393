"""Where images come from: `--dataset` names a source."""

import pathlib

from tl_strategies.data.clipart import unpack_clipart
from tl_strategies.data.csv_file import list_csv
from tl_strategies.data.folder import list_folder
from tl_strategies.data.listing import Listing
from tl_strategies.data.npz_file import list_npz
from tl_strategies.data.tfds_records import list_tfds
from tl_strategies.errors import UsageError, unknown

SOURCES = {
    "clipart": "ten classes of clip art, bundled",
    "folder:PATH": "a folder with a sub-folder of images for each class",
    "tfds:NAME": "a data set of TensorFlow Datasets, NAME[/CONFIG][:VERSION]",
    "csv:FILE": "a table with columns path and label, or labels",
    "npz:FILE": "arrays x_train and y_train, x_test and y_test",
}


def list_dataset(dataset: str, splits: dict[str, str | None] | None = None) -> Listing:
    """The images and labels that a `--dataset` names.

    Args:
        dataset: "clipart", or one of SOURCES with its argument.
        splits: of TFDS, by part, where they are given.

    Raises:
        UsageError: there is no such source, or it is not as it must be.
    """
    kind, _, argument = dataset.partition(":")
    if kind == "clipart" and not argument:
        return list_folder(unpack_clipart(), source="clipart")
    if kind == "folder" and argument:
        return list_folder(argument, source=dataset)
    if kind == "csv" and argument:
        return list_csv(argument)
    if kind == "npz" and argument:
        return list_npz(argument)
    if kind == "tfds" and argument:
        return list_tfds(argument, splits or {})
    if pathlib.Path(dataset).is_dir():
        raise UsageError(
            f"--dataset must name its kind. Received: {dataset}. Try folder:{dataset}."
        )
    raise unknown("--dataset", dataset, SOURCES)
