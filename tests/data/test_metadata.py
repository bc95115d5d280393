"""Metadata never costs pixels; a file whose pixels are cut short does not become whole."""

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from tests.conftest import draw
from tests.data.test_decode import SIZE, saved
from tl_strategies.data.decode import read_image
from tl_strategies.data.metadata import TIFF_TAGS, without_metadata


def described(kind: str) -> bytes:
    """A picture with all the metadata that its format takes."""
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "a description" * 5
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.UserComment: b"a comment" * 5}
    more = {"icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()}
    if kind == "PNG":
        more["pnginfo"] = info = PngImagePlugin.PngInfo()
        info.add_text("Comment", "text" * 50)
        info.add_text("Packed", "text" * 50, zip=True)
    if kind == "JPEG":
        more |= {"comment": b"a comment" * 9, "xmp": b"<x:xmpmeta>" + b"x" * 90}
    if kind == "TIFF":
        return saved(kind, description="text" * 9, software="text" * 9, dpi=(72, 72), **more)
    if kind == "MPO":
        return saved(kind, save_all=True, append_images=[draw(1, 1)])
    if kind == "GIF":
        return saved(kind, draw(0, 0).convert("P"), comment=b"a comment" * 9)
    return saved(kind, exif=exif, **more)


def metadata(kind: str, data: bytes) -> list[tuple[int, int]]:
    """Where a file holds what its pixels do not depend on."""
    found, at = [], 2
    if kind in ("JPEG", "MPO"):
        while data[at + 1] != 0xDA:
            end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
            if 0xE1 <= data[at + 1] <= 0xED or data[at + 1] == 0xFE:
                found.append((at + 4, end))
            at = end
    elif kind == "PNG":
        at = 8
        while at < len(data):
            end = at + 12 + int.from_bytes(data[at : at + 4])
            if data[at + 4 : at + 5].islower():
                found.append((at + 8, end))
            at = end
    elif kind == "TIFF":
        first = int.from_bytes(data[4:8], "little")
        count = int.from_bytes(data[first : first + 2], "little")
        starts = range(first + 2, first + 2 + 12 * count, 12)
        tags = [int.from_bytes(data[at : at + 2], "little") for at in starts]
        pairs = zip(starts, tags, strict=True)
        found = [(at + 2, at + 12) for at, tag in pairs if tag not in TIFF_TAGS]
    elif kind == "WEBP":
        at = 12
        while at < len(data):
            end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
            if data[at : at + 4] in (b"EXIF", b"ICCP", b"XMP "):
                found.append((at + 8, end))
            at = end + end % 2
    elif kind == "AVIF":
        at = max(data.find(b"MM\0*"), data.find(b"II*\0"))
        found.append((at, at + 100))
    elif kind == "GIF":
        at = data.index(b"a comment")
        found.append((at, at + 80))
    return found


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "MPO", "TIFF", "WEBP", "AVIF", "GIF"])
def test_metadata_costs_no_pixels(kind):
    whole = described(kind)
    places = metadata(kind, whole)
    expected = read_image(whole, SIZE)
    rng = np.random.default_rng(0)
    for trial in range(90):
        start, end = places[trial % len(places)]
        broken = bytearray(whole)
        at = int(rng.integers(start, end))
        filling = (bytes([broken[at] ^ 0xFF]), rng.bytes(end - at), b"\xff" * (end - at))[trial % 3]
        broken[at : at + len(filling)] = filling
        np.testing.assert_array_equal(read_image(bytes(broken), SIZE), expected)


@pytest.mark.parametrize("packed", [False, True])
def test_megabytes_of_text(packed):
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "a" * 2**21, zip=packed)
    data = saved("PNG", pnginfo=info)
    np.testing.assert_array_equal(read_image(data, SIZE), read_image(saved("PNG"), SIZE))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_the_orientation_outlives_other_metadata(kind):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = saved(kind, exif=exif)
    plain = read_image(saved(kind), SIZE)
    turned, unturned = (read_image(bare, SIZE) for bare in without_metadata(data))
    np.testing.assert_array_equal(turned, read_image(data, SIZE))
    np.testing.assert_array_equal(unturned, plain)
    assert (turned != unturned).any()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF", "GIF"])
def test_pixels_that_are_cut_short_are_no_picture(kind):
    data = described(kind)
    if kind == "TIFF":  # its metadata comes first
        data = saved(kind)
    for part in (0.3, 0.5, 0.8):
        with pytest.raises(ValueError, match=r"\w"):
            read_image(data[: int(part * len(data))], SIZE)
