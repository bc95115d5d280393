"""A picture is read where its pixels are whole; of what is not read the reason is said."""

import errno
import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tests.conftest import draw
from tl_strategies.data import decode, formats
from tl_strategies.data.decode import content_box, decode_images, read_image

SIZE = 40


def saved(kind: str, picture: Image.Image | None = None, **more) -> bytes:
    file = io.BytesIO()
    (picture or draw(0, 0)).save(file, kind, **more)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, value: int = 127) -> bytes:
    """A gray PNG of any size, in little memory."""
    packer = zlib.compressobj()
    rows = [packer.compress(b"\0" + bytes([value]) * width) for _ in range(height)]
    data = b"".join([*rows, packer.flush()])
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


# Formats.


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"", "the file is empty"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "a PostScript drawing"),
        (b"%PDF-1.7", "a PDF document"),
        (b"8BPS\0\1" + bytes(40), "a Photoshop document"),
        (b"SIMPLE  =                    T", "a FITS image"),
        (b"\xd7\xcd\xc6\x9a" + bytes(40), "a WMF drawing"),
        (b"\0\0\1\xb3" + bytes(40), "a film"),
        (b"\0\0\0\x20ftypisom" + bytes(40), "a film"),
        (b"RIFF\0\0\0\0AVI LIST", "a film"),
        (b"<?xml version='1.0'?>\n<svg xmlns='x'/>", "an SVG drawing"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "a HEIC image"),
        (b"\0\0\0\x18ftypmif1" + bytes(40), "a HEIC image"),
        (b"PK\3\4" + bytes(40), "an archive"),
        (b"<html><body>403</body></html>", "not an image of a known format"),
        (b"GRIB\0\0\0\1", "not an image of a known format"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path, head, what):
    (tmp_path / "a.png").write_bytes(head)
    for source in (tmp_path / "a.png", head):
        with pytest.raises(ValueError, match=what):
            read_image(source, SIZE)


def test_no_format_starts_another_program(monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    eps = saved("EPS")
    Image.open(io.BytesIO(eps))  # Pillow would
    with pytest.raises(ValueError, match="PostScript"):
        read_image(eps, SIZE)


@pytest.mark.parametrize(
    "kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM", "TGA", "ICO"]
)
def test_formats_that_are_read_whatever_their_name(tmp_path, kind):
    (tmp_path / "a.txt").write_bytes(saved(kind))
    assert read_image(tmp_path / "a.txt", 16)[..., 0].mean() > 100


def test_heic_is_read_where_there_is_a_plugin(monkeypatch):
    register = []
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    plugin = type(sys)("pillow_heif")
    plugin.register_heif_opener = lambda: register.append(1)
    for module, hint, calls in ((None, "pip install pillow-heif", 0), (plugin, "cannot be", 1)):
        monkeypatch.setitem(sys.modules, "pillow_heif", module)
        monkeypatch.setitem(Image.OPEN, "HEIF", (None, lambda prefix: False)) if module else None
        formats._ids.cache_clear()
        with pytest.raises(ValueError, match=hint):
            read_image(b"\0\0\0\x18ftypheic" + bytes(40), SIZE)
        assert len(register) == calls
    formats._ids.cache_clear()


def test_heic():
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    assert read_image(saved("HEIF"), SIZE).std() > 10


def test_figures_of_ours_are_no_data(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", "tl-strategies")
    draw(0, 0).save(tmp_path / "contact_sheet.png", pnginfo=info)
    with pytest.raises(ValueError, match="a figure that tl-strategies has drawn"):
        read_image(tmp_path / "contact_sheet.png", SIZE)


# Sizes and values.


@pytest.mark.parametrize("size", [32, (20, 45)])
@pytest.mark.parametrize("shape", [(40, 40), (90, 31), (31, 90), (7, 9), (900, 1), (1, 900)])
def test_where_an_image_lies_in_its_padding(size, shape):
    black = np.zeros((*shape[::-1], 3), "uint8")
    box = Image.fromarray(255 - read_image(black, size)).getbbox()
    assert box == content_box(*shape, size)


def test_too_many_pixels(monkeypatch):
    monkeypatch.setattr(decode, "MOST_PIXELS", 40 * 48 - 1)
    monkeypatch.setattr(decode, "MOST_AT_ONCE", 40 * 48 - 1)
    for kind in ("PNG", "WEBP", "JPEG"):
        with pytest.raises(ValueError, match="too many pixels: 48 × 40, more than"):
            read_image(saved(kind), SIZE)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "I;16"])
def test_large_images_are_read_alone_and_alike(monkeypatch, kind, mode):
    if kind == "JPEG":
        mode = {"RGBA": "CMYK", "I;16": "L"}.get(mode, mode)
    if kind == "WEBP" and mode == "I;16":
        mode = "L"
    smooth = draw(0, 0, 800).resize((1600, 1500), Image.Resampling.BICUBIC, box=(0, 0, 20, 20))
    ramp = np.linspace(0, 65535, 1500 * 1600).reshape(1500, 1600).astype("uint16")
    picture = Image.fromarray(ramp) if mode == "I;16" else smooth.convert(mode)
    if mode == "RGBA":
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    data = saved(kind, picture)
    expected = read_image(data, SIZE)
    monkeypatch.setattr(decode, "LARGE", 2**20)
    monkeypatch.setattr(decode, "BAND", 2**17)
    with pytest.raises(decode.LargeImageError):
        read_image(data, SIZE, alone=False)
    (image,) = decode_images([data], SIZE)
    assert np.abs(image.astype(int) - expected).max() <= 8
    assert np.abs(image.astype(int) - expected).mean() < 1


def test_icons_of_any_size_are_read_alone():
    icon = saved("ICO", draw(0, 0), sizes=[(48, 40)])
    with pytest.raises(decode.LargeImageError):
        read_image(icon, SIZE, alone=False)
    (image,) = decode_images([icon], SIZE)
    np.testing.assert_array_equal(image, read_image(saved("PNG"), SIZE))


def test_a_band_at_a_time_changes_nothing(monkeypatch):
    picture = draw(0, 0, 100).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    expected = read_image(saved("PNG", picture), SIZE)
    monkeypatch.setattr(decode, "BAND", 500)
    np.testing.assert_array_equal(read_image(saved("PNG", picture), SIZE), expected)


def test_decoders_stay_within_their_memory():
    """Four pictures of 120 million gray pixels, in a process of their own."""
    code = f"""
import resource, sys
from tests.data.test_decode import png
from tl_strategies.data.decode import decode_images
data = png(12000, 10000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
images = list(decode_images([data] * 4, {SIZE}))
assert all((image[{SIZE // 2}] == 127).all() for image in images)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) < 300


@pytest.mark.parametrize("size", [(500, 1), (1, 500), (90, 1), (80, 1), (3, 2)])
def test_lines_do_not_vanish(size):
    assert (read_image(saved("PNG", Image.new("RGB", size)), SIZE) == 0).any()


@pytest.mark.parametrize("top", [65535, 200, 1])
@pytest.mark.parametrize("kind", ["pgm", "png", "tif"])
def test_sixteen_bits(tmp_path, kind, top):
    ramp = np.linspace(0, top, 64).astype("uint16").reshape(8, 8)
    path = tmp_path / f"a.{kind}"
    if kind == "pgm":
        path.write_bytes(b"P5 8 8 65535\n" + ramp.astype(">u2").tobytes())
    else:
        Image.fromarray(ramp).save(path)
    assert np.abs(read_image(path, 8)[..., 0] - ramp / 257).max() <= 0.5


@pytest.mark.parametrize("top", [1, 0.5, 0.004])
def test_floats(top):
    data = saved("TIFF", Image.fromarray(np.array([(0, top / 2, top)] * 3, "float32")))
    expected = [0, 127.5 * top, 255 * top]
    np.testing.assert_allclose(read_image(data, 3)[0, :, 0], expected, atol=1)


@pytest.mark.parametrize("top", [255, 2, -1])
@pytest.mark.parametrize("kind", ["float32", "int32"])
def test_values_whose_range_their_type_does_not_tell_are_left_out(kind, top):
    """Were each image asked, a dark one would come out brighter than a bright one."""
    data = saved("TIFF", Image.fromarray(np.array([(0, 1, top)] * 3, kind)))
    with pytest.raises(ValueError, match="save it with 8 or 16 bits"):
        read_image(data, 3)


# Faults.


@pytest.mark.parametrize("path", ["missing.png", "back\\slash.png", "nul\0.png", "x" * 5000])
def test_paths_that_lead_nowhere(tmp_path, path):
    with pytest.raises(ValueError, match=r"\w") as raised:
        read_image(tmp_path / path, SIZE)
    assert ("backslashes" in str(raised.value)) == ("\\" in path)


def test_a_link_to_nothing(tmp_path):
    (tmp_path / "a.png").symlink_to("nowhere")
    with pytest.raises(ValueError, match="a link to nothing"):
        read_image(tmp_path / "a.png", SIZE)


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES])
def test_a_fault_of_one_file(monkeypatch, number):
    def fail(source):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(decode, "open_image", fail)
    (image,) = decode_images(["a.png"], SIZE)
    assert isinstance(image, str)


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "x"), OSError(errno.ENOMEM, "x")])
def test_a_fault_of_the_machine_is_not_the_file_s(monkeypatch, error):
    def fail(source):
        raise error

    monkeypatch.setattr(decode, "open_image", fail)
    with pytest.raises(OSError, match="x"):
        list(decode_images(["a.png"], SIZE))
