"""Files without their metadata, for those that a decoder refuses though their pixels are whole.

What determines pixels stays, byte for byte: a file that is cut short does not become whole.
"""

import pathlib
import re
from collections.abc import Iterator

MOST_BYTES = 2**29  # of a file that is tried again
PNG, JPEG, TIFF = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", (b"II*\0", b"MM\0*")
# Size, bits, compression, photometric, fill order, strips, orientation, samples, rows, planes, T4,
# T6, predictor, colours, tiles, extra samples, sample format, JPEG tables, YCbCr, old JPEG.
TIFF_TAGS = {
    *(256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323),
    *(324, 325, 338, 339, 347, *range(512, 522), 529, 530, 531, 532),
}
ORIENTATION = 274


def without_metadata(source: str | pathlib.Path | bytes) -> Iterator[bytes]:
    """What is in a file, first without all metadata but its orientation, then without that.

    Nothing where the format is another than PNG, JPEG, TIFF, AVIF or HEIF.
    """
    if not isinstance(source, bytes):
        path = pathlib.Path(source)
        if path.stat().st_size > MOST_BYTES:
            return
        source = path.read_bytes()
    for orientation in (True, False):
        if source.startswith(PNG):
            yield _png(source, orientation)
        elif source.startswith(JPEG):
            yield _jpeg(source, orientation)
        elif source.startswith(TIFF):
            yield _tiff(source, orientation)
        elif source[4:8] == b"ftyp" and not orientation:
            yield re.sub(rb"(infe.{8})Exif", rb"\1none", source, flags=re.DOTALL)  # an item's type


def _png(data: bytes, orientation: bool) -> bytes:
    """The chunks that a decoder must know, and transparency."""
    kept, at = [PNG], len(PNG)
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        kind = data[at + 4 : at + 8]
        if kind[:1].isupper() or kind == b"tRNS" or (kind == b"eXIf" and orientation):
            kept.append(data[at:end])
        at = end
    return b"".join(kept)


def _jpeg(data: bytes, orientation: bool) -> bytes:
    """The segments but for comments and those of applications; Adobe's says what colours are."""
    kept, at = [data[:2]], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        end = at + 2 + max(2, int.from_bytes(data[at + 2 : at + 4]))
        marker, exif = data[at + 1], data[at + 4 : at + 10] == b"Exif\0\0"
        extra = 0xE0 <= marker <= 0xEF or marker == 0xFE
        if not extra or marker == 0xEE or (orientation and exif):
            kept.append(data[at:end])
        at = end
    return b"".join([*kept, data[at:]])


def _tiff(data: bytes, orientation: bool) -> bytes:
    """The first image's tags that its pixels depend on, in a directory at the end of the file."""
    order = "little" if data[:2] == b"II" else "big"
    first = int.from_bytes(data[4:8], order)
    count = int.from_bytes(data[first : first + 2], order)
    entries = [data[at : at + 12] for at in range(first + 2, first + 2 + 12 * count, 12)]
    wanted = TIFF_TAGS if orientation else TIFF_TAGS - {ORIENTATION}
    kept = [entry for entry in entries if int.from_bytes(entry[:2], order) in wanted]
    directory = len(kept).to_bytes(2, order) + b"".join(kept) + bytes(4)
    padding = bytes(len(data) % 2)
    at = len(data) + len(padding)
    return b"".join((data[:4], at.to_bytes(4, order), data[8:], padding, directory))
