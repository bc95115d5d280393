"""From images of any kind to one array: three channels, upright, padded to a square.

Content decides what a file is, not its name. Alpha is composited on white, the first frame of an
animation counts, the EXIF orientation is obeyed, and the aspect is kept by padding with white, so
that nothing of an image is lost.
"""

import concurrent.futures
import errno
import io
import itertools
import pathlib
import stat
import warnings
from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image, ImageOps

THREADS = 4
AHEAD = 64  # images decoded and not yet taken, at most
PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO)  # the machine's fault


def read_image(source: str | pathlib.Path | bytes | np.ndarray, size: int) -> np.ndarray:
    """An image as uint8 of shape (size, size, 3).

    Args:
        source: the path of a file, what is in a file, or an image, of shape (height, width, 1 or 3)
            and uint8.
        size: side in pixels.

    Raises:
        ValueError: it cannot be read as an image; the message says why.
    """
    try:
        with _open(source) as image:
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
        raise ValueError(_reason(error, source)) from error


def _open(source: str | pathlib.Path | bytes | np.ndarray) -> Image.Image:
    if isinstance(source, np.ndarray):
        return Image.fromarray(source[..., 0] if source.shape[-1] == 1 else source)
    if isinstance(source, bytes):
        return Image.open(io.BytesIO(source))
    # Opening a named pipe would wait for ever.
    if not stat.S_ISREG(pathlib.Path(source).stat().st_mode):
        raise ValueError("not a regular file")
    return Image.open(source)


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


def _reason(error: Exception, source: str | pathlib.Path | bytes | np.ndarray) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        empty = not source if isinstance(source, bytes) else not pathlib.Path(source).stat().st_size
        return "the file is empty" if empty else "not an image of a known format"
    if isinstance(error, Image.DecompressionBombError):
        return "too many pixels: " + str(error).split(",")[0]
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, FileNotFoundError):
        return "the file does not exist"
    name = str(source) if isinstance(source, str | pathlib.Path) else "the file"
    return str(error).replace(name, "the file") or type(error).__name__


def decode_images(
    sources: Iterable[str | bytes | np.ndarray], size: int
) -> Iterator[np.ndarray | str]:
    """Decode images in their order, several at a time, few ahead of what is asked for.

    Args:
        sources: see `read_image`.
        size: side in pixels.

    Yields:
        uint8 of shape (size, size, 3), or why the image cannot be read.
    """

    def decode(source: str | bytes | np.ndarray) -> np.ndarray | str:
        try:
            return read_image(source, size)
        except ValueError as error:
            return str(error)

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        sources = iter(sources)
        while chunk := list(itertools.islice(sources, AHEAD)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of odd metadata and large images: handled
                images = list(pool.map(decode, chunk))
            yield from images
