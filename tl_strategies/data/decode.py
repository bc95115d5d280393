"""From images of any kind to one array: three channels, upright, padded to one size.

Alpha is composited on white, the first frame of an animation counts, the EXIF orientation is
obeyed, and the aspect is kept by padding with white, so that nothing of an image is lost. Metadata
that is broken costs no image whose pixels are whole.

Images are decoded by several threads, but those of more than LARGE pixels one after the other, and
they are reduced while they are converted: all together take some 1.5 GB. Those of more than
MOST_PIXELS are left out.
"""

import concurrent.futures
import contextlib
import itertools
import math
import pathlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from tl_strategies.data.formats import RefusedError, open_image
from tl_strategies.data.left_out import raise_machine_fault, reason
from tl_strategies.data.metadata import without_metadata
from tl_strategies.image_size import ImageSize, sides

VERSION = 4  # another one decodes anew what is stored
THREADS = 4
AHEAD = 64  # images decoded and not yet taken, at most
AHEAD_BYTES = 2**28
MOST_PIXELS = 2**27  # 134 million
MOST_AT_ONCE = 2**26  # of formats whose decoders hold a picture several times
AT_ONCE = ("WEBP", "AVIF", "HEIF", "JPEG2000")
LARGE = 2**25  # 33 million
NESTED = ("ICO", "ICNS")  # how large the picture in it is shows when it is decoded
BAND = 2**20  # pixels converted at a time
SPARE = 4  # a large image is reduced to no less than so many times the size asked for
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Source = str | pathlib.Path | bytes | np.ndarray


class LargeImageError(RefusedError):
    """An image is too large to be decoded beside others."""


def content_box(width: int, height: int, size: ImageSize) -> tuple[int, int, int, int]:
    """Where an image lies when it is padded to a size: left, top, right, bottom, in pixels."""
    high, wide = sides(size)
    if width * high > height * wide:
        inner = wide, max(1, round(height / width * wide))  # a line must not vanish
    else:
        inner = max(1, round(width / height * high)), high
    left, top = round((wide - inner[0]) / 2), round((high - inner[1]) / 2)
    return left, top, left + inner[0], top + inner[1]


def padded(image: Image.Image, size: ImageSize) -> np.ndarray:
    """An image as uint8 of shape (height, width, 3), padded with white, as `ImageOps.pad` does."""
    left, top, right, bottom = box = content_box(*image.size, size)
    canvas = Image.new("RGB", sides(size)[::-1], "white")
    canvas.paste(image.resize((right - left, bottom - top), Image.Resampling.BICUBIC), box)
    return np.asarray(canvas)


Fit = Callable[[Image.Image, ImageSize], Any]  # makes of an upright image what is wanted


def read_image(source: Source, size: ImageSize, alone: bool = True, fit: Fit = padded) -> Any:
    """An image as uint8 of shape (height, width, 3), of a size in pixels, or what `fit` makes.

    The source is a file's path, what is in a file, or an image of shape (height, width, 1 or 3) and
    uint8; `alone` says that no other thread decodes now.

    Raises:
        LargeImageError: it must be decoded alone.
        ValueError: it cannot be read as an image; the message says why.
        OSError: nothing can be read now, such as when too many files are open.
    """
    try:
        return _fitted(source, size, alone, fit)
    except LargeImageError:
        raise
    # Decoders raise whatever their author thought of; each means that the file is broken.
    except Exception as error:
        raise_machine_fault(error)
        final = isinstance(error, RefusedError) or getattr(error, "errno", None)
        if not final and not isinstance(source, np.ndarray):
            again = _read_bare(source, size, alone, fit)
            if again is not None:
                return again
        path = str(source) if isinstance(source, str | pathlib.Path) else ""
        raise ValueError(reason(error, path)) from error


def _read_bare(
    source: str | pathlib.Path | bytes, size: ImageSize, alone: bool, fit: Fit
) -> Any | None:
    """An image whose metadata may be what is broken; None where its pixels are."""
    with contextlib.suppress(OSError):
        for bare in without_metadata(source):
            try:
                return _fitted(bare, size, alone, fit)
            except LargeImageError:
                raise
            except Exception as error:
                raise_machine_fault(error)
    return None


def _fitted(source: Source, size: ImageSize, alone: bool, fit: Fit) -> Any:
    if isinstance(source, np.ndarray):
        opened = Image.fromarray(source[..., 0] if source.shape[-1] == 1 else source)
    else:
        opened = open_image(source)
    with opened as image:
        factor = 1
        if _is_large(image):
            if not alone:
                raise LargeImageError("a large image")
            height, width = sides(size)
            image.draft(None, (SPARE * width, SPARE * height))  # JPEG decodes to fewer pixels
            factor = max(1, image.width // (SPARE * width), image.height // (SPARE * height))
        image.load()
        turn = TURNS.get(_orientation(image))
        image = _to_rgb(image, factor)
        if turn is not None:
            image = image.transpose(turn)
        return fit(image, size)


def _is_large(image: Image.Image) -> bool:
    width, height = image.size
    most = MOST_AT_ONCE if image.format in AT_ONCE else MOST_PIXELS
    if width * height > most:
        raise RefusedError(
            f"too many pixels: {width} × {height}, more than {most // 10**6} million"
        )
    return width * height > LARGE or image.format in NESTED


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # broken EXIF raises anything, and says nothing
        return 1


def _to_rgb(image: Image.Image, factor: int) -> Image.Image:
    """An image on white, its sides divided by a factor; converted a band at a time."""
    scale = _scale(image) if image.mode.startswith(("I", "F")) else None
    transparent = image.has_transparency_data
    if image.mode == "RGB" and not transparent and factor == 1:
        return image
    width, height = image.size
    rows = factor * max(1, BAND // (width * factor))
    whole = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        if scale is not None:
            values = np.nan_to_num(np.asarray(band, "float64") * scale)
            band = Image.fromarray(values.clip(0, 255).round().astype("uint8"))
        elif transparent:
            band = band.convert("RGBA")
            band = Image.alpha_composite(Image.new("RGBA", band.size, "white"), band)
        band = band.convert("RGB")
        whole.paste(band.reduce(factor) if factor > 1 else band, (0, top // factor))
    return whole


def _scale(image: Image.Image) -> float:
    """What brings a gray image's values to [0, 255]: their type tells, or the image is refused."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        return 1 / 257
    low, high = image.getextrema()
    if image.mode == "F" and low >= 0 and high <= 1:
        return 255
    kind = "floats outside [0, 1]" if image.mode == "F" else "integers of 32 bits"
    raise RefusedError(f"its values are {kind}: save it with 8 or 16 bits")


def decode_images(
    sources: Iterable[Source], size: ImageSize, fit: Fit = padded
) -> Iterator[Any | str]:
    """Decode images in their order, several at a time, few ahead of what is asked for.

    See `read_image`; in place of an image that cannot be read comes why.
    """

    def decode(source: Source, alone: bool = False) -> Any | str | None:
        try:
            return read_image(source, size, alone, fit)
        except LargeImageError:
            return None
        except ValueError as error:
            return str(error)

    ahead = min(AHEAD, max(THREADS, AHEAD_BYTES // (3 * math.prod(sides(size)))))
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        sources = iter(sources)
        while chunk := list(itertools.islice(sources, ahead)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of odd metadata and large images: handled
                images = list(pool.map(decode, chunk))
                for i in [i for i, image in enumerate(images) if image is None]:
                    images[i] = decode(chunk[i], alone=True)
            yield from images
