"""The bundled data set: ten classes of public-domain clip art; see NOTICE."""

import hashlib
import pathlib
import zipfile

from tl_strategies.files import atomic_write
from tl_strategies.store.cache import cache_directory, temporary_directory

ARCHIVE = pathlib.Path(__file__).parent / "assets" / "clipart.zip"


def unpack_clipart() -> pathlib.Path:
    """The folder of the images, unpacked at first use below the user's cache directory.

    Where that cannot be written to, a directory of the user's own among the system's temporary ones
    takes its place.
    """
    digest = hashlib.sha256(ARCHIVE.read_bytes()).hexdigest()[:12]
    target = cache_directory() / "datasets" / f"clipart-{digest}"
    if not target.is_dir():
        try:
            _unpack(target)
        except OSError:
            target = temporary_directory() / target.name
            if not target.is_dir():
                _unpack(target)
    return target


def _unpack(target: pathlib.Path) -> None:
    with atomic_write(target) as aside, zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(aside)
        (aside / "manifest.csv").unlink()
