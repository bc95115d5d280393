"""Where images come from: `--dataset` names a source."""

import pathlib

from tl_strategies.data.clipart import unpack_clipart
from tl_strategies.data.folder import list_folder
from tl_strategies.data.listing import Listing
from tl_strategies.errors import UsageError, unknown

SOURCES = {
    "clipart": "ten classes of clip art, bundled",
    "folder:PATH": "a folder with a sub-folder of images for each class",
}


def list_dataset(dataset: str) -> Listing:
    """The images and labels that a `--dataset` names.

    Args:
        dataset: "clipart" or "folder:PATH".

    Raises:
        UsageError: there is no such source, or it is not as it must be.
    """
    kind, _, argument = dataset.partition(":")
    if kind == "clipart" and not argument:
        return list_folder(unpack_clipart(), source="clipart")
    if kind == "folder" and argument:
        return list_folder(argument, source=dataset)
    if pathlib.Path(dataset).is_dir():
        raise UsageError(
            f"--dataset must name its kind. Received: {dataset}. Try folder:{dataset}."
        )
    raise unknown("--dataset", dataset, SOURCES)
