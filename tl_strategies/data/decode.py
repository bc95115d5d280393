"""From image files to one array: three channels, upright, padded to a square.

Content decides what a file is, not its name. Alpha is composited on white, the first frame of an
animation counts, the EXIF orientation is obeyed, and the aspect is kept by padding with white, so
that nothing of an image is lost.
"""

import concurrent.futures
import errno
import pathlib
import stat
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image, ImageOps

THREADS = 4
AHEAD = 64  # images decoded and not yet taken, at most
PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO)  # the machine's fault


def read_image(path: str | pathlib.Path, size: int) -> np.ndarray:
    """An image as uint8 of shape (size, size, 3).

    Raises:
        ValueError: the file cannot be read as an image; the message says why.
    """
    try:
        # Opening a named pipe would wait for ever.
        if not stat.S_ISREG(pathlib.Path(path).stat().st_mode):
            raise ValueError("not a regular file")
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            return np.asarray(
                ImageOps.pad(
                    _to_rgb(upright), (size, size), Image.Resampling.BICUBIC, color="white"
                )
            )
    # Decoders raise whatever their author thought of; each means that the file is broken.
    except Exception as error:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) in PASSING:
            raise
        raise ValueError(_reason(error, path)) from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, dtype="float64")
        if image.mode.startswith("I;16") or (image.mode == "I" and values.max(initial=0) > 255):
            values = values / 257  # 16 bits a channel
        elif image.mode == "F" and values.max(initial=0) <= 1:
            values = values * 255
        image = Image.fromarray(values.clip(0, 255).round().astype("uint8"))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _reason(error: Exception, path: str | pathlib.Path) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        empty = pathlib.Path(path).stat().st_size == 0
        return "the file is empty" if empty else "not an image of a known format"
    if isinstance(error, Image.DecompressionBombError):
        return "too many pixels: " + str(error).split(",")[0]
    if isinstance(error, PermissionError):
        return "no permission to read it"
    return str(error).replace(str(path), "the file") or type(error).__name__


def decode_images(paths: Sequence[str], size: int) -> Iterator[np.ndarray | str]:
    """Decode files in their order, several at a time, few ahead of what is asked for.

    Args:
        paths: of the files.
        size: side in pixels.

    Yields:
        uint8 of shape (size, size, 3), or why the file cannot be read.
    """

    def decode(path: str) -> np.ndarray | str:
        try:
            return read_image(path, size)
        except ValueError as error:
            return str(error)

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(paths), AHEAD):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of odd metadata and large images: handled
                images = list(pool.map(decode, paths[start : start + AHEAD]))
            yield from images
