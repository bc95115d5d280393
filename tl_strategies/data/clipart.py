"""The bundled data set: ten classes of public-domain clip art; see NOTICE."""

import contextlib
import hashlib
import os
import pathlib
import stat
import tempfile
import zipfile

from tl_strategies.data.cache import cache_directory, written_aside

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
            target = _own_directory() / target.name
            if not target.is_dir():
                _unpack(target)
    return target


def _own_directory() -> pathlib.Path:
    """A directory for temporary files that nobody else can have prepared or can write to."""
    directory = pathlib.Path(tempfile.gettempdir()) / f"tl_strategies-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    status = directory.lstat()
    open_to_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not open_to_others:
        return directory
    return pathlib.Path(tempfile.mkdtemp(prefix="tl_strategies-"))


def _unpack(target: pathlib.Path) -> None:
    with written_aside(target) as aside, zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(aside)
        (aside / "manifest.csv").unlink()
