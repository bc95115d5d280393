"""Opening pictures: the formats that are read, and a word on those that are not.

Content decides what a file is, not its name. Formats that start other programs, hold documents or
films, or come without a signature are never tried.
"""

import contextlib
import functools
import io
import pathlib
import stat

from PIL import Image

from tl_strategies.output import OURS

FORMATS = (
    *("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "DIB", "AVIF", "HEIF", "JPEG2000", "PPM"),
    *("TGA", "ICO", "ICNS", "PCX", "SGI", "SUN", "DDS", "QOI", "XBM"),
)
HEAD = 1024  # bytes that tell what a file is
OTHERS = (  # what it is and what to do; offset and bytes of each kind
    ("a PDF document: save its pictures as PNG", (0, b"%PDF")),
    ("a PostScript drawing: convert it to PNG", (0, b"%!PS"), (0, b"\xc5\xd0\xd3\xc6")),
    ("a Photoshop document: export it as PNG", (0, b"8BPS")),
    ("a FITS image: convert it to PNG", (0, b"SIMPLE  =")),
    ("a WMF drawing: convert it to PNG", (0, b"\xd7\xcd\xc6\x9a")),
    ("an EMF drawing: convert it to PNG", (40, b" EMF")),
    ("a DICOM image: convert it to PNG", (128, b"DICM")),
    ("a JPEG XL image: convert it to PNG", (0, b"\xff\x0a"), (4, b"JXL \r\n")),
    ("a NumPy array: use npz:FILE", (0, b"\x93NUMPY")),
    ("an HDF5 file: use npz:FILE", (0, b"\x89HDF")),
    ("an archive: unpack it", (0, b"PK\x03\x04"), (0, b"\x1f\x8b")),
    ("a film: save its frames as JPEG", (0, b"\0\0\x01\xb3"), (0, b"\0\0\x01\xba"), (8, b"AVI ")),
    ("a film: save its frames as JPEG", (0, b"\x1aE\xdf\xa3")),
)
HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


class RefusedError(ValueError):
    """A file is not to be read, whatever it holds; says why."""


def open_image(source: str | pathlib.Path | bytes) -> Image.Image:
    """Open a picture, by path or by what is in the file; its pixels are not read yet.

    Raises:
        RefusedError: it is no regular file, has far too many pixels, or is a figure of ours.
        ValueError: it is of no format that is read.
        OSError: it cannot be read.
    """
    if not isinstance(source, bytes) and not stat.S_ISREG(pathlib.Path(source).stat().st_mode):
        raise RefusedError("not a regular file")  # opening a named pipe would wait for ever
    try:
        image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, "r", _ids())
    except Image.DecompressionBombError as error:
        raise RefusedError("too many pixels: " + str(error).split(",")[0]) from error
    except Image.UnidentifiedImageError as error:
        raise ValueError(_what_it_is(source)) from error
    if _is_ours(image):
        image.close()
        raise RefusedError("a figure that tl-strategies has drawn")
    return image


def is_our_figure(path: pathlib.Path) -> bool:
    """Whether a file is a figure that tl-strategies has drawn."""
    try:
        with Image.open(path, "r", ("PNG",)) as image:
            return _is_ours(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False


def _is_ours(image: Image.Image) -> bool:
    name, value = OURS
    return image.format == "PNG" and image.info.get(name) == value


@functools.cache
def _ids() -> tuple[str, ...]:
    """The formats that Pillow can read here; HEIF where pillow-heif is installed."""
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _what_it_is(source: str | pathlib.Path | bytes) -> str:
    if not isinstance(source, bytes):
        with pathlib.Path(source).open("rb") as file:
            source = file.read(HEAD)
    head = source[:HEAD]
    if not head:
        return "the file is empty"
    if head[4:8] == b"ftyp":
        if head[8:12] in HEIC:
            if "HEIF" in _ids():
                return "a HEIC image that cannot be read"
            return "a HEIC image: pip install pillow-heif, or convert it to JPEG"
        if head[8:12] in (b"avif", b"avis"):
            return "an AVIF image that cannot be read"
        return "a film: save its frames as JPEG"
    if b"<svg" in head.lower():
        return "an SVG drawing: convert it to PNG, by Inkscape or rsvg-convert"
    for what, *signatures in OTHERS:
        if any(head.startswith(magic, offset) for offset, magic in signatures):
            return what
    return "not an image of a known format"
