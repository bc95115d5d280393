"""The bundled data set: ten classes of public-domain clip art; see NOTICE."""

import hashlib
import pathlib
import zipfile

from tl_strategies.data.cache import written_aside

ARCHIVE = pathlib.Path(__file__).parent / "assets" / "clipart.zip"


def unpack_clipart(cache: pathlib.Path) -> pathlib.Path:
    """The folder of the images, unpacked at first use below a cache directory."""
    digest = hashlib.sha256(ARCHIVE.read_bytes()).hexdigest()[:12]
    target = cache / "datasets" / f"clipart-{digest}"
    if not target.is_dir():
        with written_aside(target) as aside, zipfile.ZipFile(ARCHIVE) as archive:
            archive.extractall(aside)
            (aside / "manifest.csv").unlink()
    return target
