"""Where images come from: `--dataset` names a source."""

import hashlib
import pathlib
import zipfile

from tl_strategies.data.csv_file import list_csv
from tl_strategies.data.folder import list_folder
from tl_strategies.data.listing import Listing
from tl_strategies.data.npz_file import list_npz
from tl_strategies.data.tfds_records import list_tfds
from tl_strategies.errors import UsageError, unknown
from tl_strategies.files import atomic_write
from tl_strategies.store.cache import cache_directory, temporary_directory

SOURCES = {
    "clipart": "ten classes of clip art, bundled",
    "folder:PATH": "a folder with a sub-folder of images for each class",
    "tfds:NAME": "a data set of TensorFlow Datasets, NAME[/CONFIG][:VERSION]",
    "csv:FILE": "a table with columns path and label, or labels",
    "npz:FILE": "arrays x_train and y_train, x_test and y_test",
}
ARCHIVE = pathlib.Path(__file__).parent / "assets" / "clipart.zip"


def list_dataset(dataset: str, splits: dict[str, str | None] | None = None) -> Listing:
    """The images and labels that a `--dataset` names; `splits` are those of TFDS, by part."""
    kind, _, argument = dataset.partition(":")
    if dataset in ("clipart", "clipart:"):
        return list_folder(unpack_clipart(), source="clipart")
    if kind == "tfds" and argument:
        return list_tfds(argument, splits or {})
    lists = {"folder": list_folder, "csv": list_csv, "npz": list_npz}
    if kind in lists and argument:
        return lists[kind](argument)
    if pathlib.Path(dataset).is_dir():
        raise UsageError(
            f"--dataset must name its kind. Received: {dataset}. Try folder:{dataset}."
        )
    raise unknown("--dataset", dataset, SOURCES)


def unpack_clipart() -> pathlib.Path:
    """The folder of the bundled images, public-domain clip art; see NOTICE.

    They are unpacked at first use below the user's cache directory; where that cannot be written
    to, below a directory of the user's own among the system's temporary ones.
    """
    digest = hashlib.sha256(ARCHIVE.read_bytes()).hexdigest()[:12]
    target = cache_directory() / "datasets" / f"clipart-{digest}"
    try:
        _unpack(target)
    except OSError:
        target = temporary_directory() / target.name
        _unpack(target)
    return target


def _unpack(target: pathlib.Path) -> None:
    if not target.is_dir():
        with atomic_write(target) as aside, zipfile.ZipFile(ARCHIVE) as archive:
            archive.extractall(aside)
            (aside / "manifest.csv").unlink()
