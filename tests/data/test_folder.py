"""The folder reader survives whatever lies in a folder, and says what it left out."""

import os
import pathlib
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

import tl_strategies as tl
from tests.conftest import draw
from tl_strategies.data.decode import read_image
from tl_strategies.data.folder import list_folder
from tl_strategies.data.images import load_images
from tl_strategies.data.parts import Splitting
from tl_strategies.data.sources import ARCHIVE, list_dataset
from tl_strategies.store.store import Store


def load(root, size=24, store=None):
    return load_images(
        list_folder(root), size, Splitting(), store or Store(None), lambda done: None
    )


def bomb(path: pathlib.Path) -> None:
    """A PNG of 20,000 × 20,000 white pixels in a few hundred kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 20000, 20000, 1, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\xff" * 2500) * 20000)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


@pytest.fixture
def odd_files(photos):
    """Bad files, and good ones of odd kinds, among the red ones."""
    red = photos / "red"
    picture = draw(7, 0)
    (red / "empty.png").write_bytes(b"")
    (red / "text.jpg").write_text("no picture")
    for name, kind in (("cut.jpg", "JPEG"), ("cut.png", "PNG")):
        picture.save(red / name, kind)
        data = (red / name).read_bytes()
        (red / name).write_bytes(data[: len(data) // 2])
    bomb(red / "bomb.png")
    os.mkfifo(red / "pipe.png")
    (red / "gone.png").symlink_to(red / "nowhere.png")
    bad = {"empty.png", "text.jpg", "cut.jpg", "cut.png", "bomb.png", "pipe.png", "gone.png"}

    wide = np.random.default_rng(0).integers(0, 65536, (20, 20)).astype("uint16")
    Image.fromarray(wide).save(red / "sixteen.png")
    palette = picture.convert("P")
    palette.info["transparency"] = 0
    palette.save(red / "palette.png", transparency=0)
    picture.convert("CMYK").save(red / "cmyk.jpg", "JPEG")
    frames = [draw(i, 0).convert("P") for i in range(3)]
    frames[0].save(red / "moving.gif", save_all=True, append_images=frames[1:])
    picture.save(red / "modern.webp", "WEBP")
    picture.save(red / "print.tiff", "TIFF")
    Image.new("RGB", (1, 1), "red").save(red / "dot.png")
    for name in ("with space.png", "qu'ote\".png", "new\nline.png", "größe.png", "UPPER.PNG"):
        picture.save(red / name, "PNG")
    (red / "deep" / "deeper").mkdir(parents=True)
    picture.save(red / "deep" / "deeper" / "nested.png")
    (red / "deep" / "loop").symlink_to(red)
    (red / ".hidden.png").write_text("hidden")
    (red / ".hidden").mkdir()
    (photos / ".git").mkdir()
    (photos / "notes.txt").write_text("loose")
    return bad


def test_odd_files(photos, odd_files):
    images = load(photos)
    left_out = {pathlib.Path(path).name: why for path, why in images.listing.left_out}
    assert set(left_out) == odd_files | {"notes.txt"}
    assert left_out["empty.png"] == "the file is empty"
    assert left_out["text.jpg"] == "not an image of a known format"
    assert left_out["bomb.png"].startswith("too many pixels")
    assert left_out["pipe.png"] == "not a regular file"
    assert "truncated" in left_out["cut.jpg"]
    assert images.listing.task.names == ("blue", "green", "red")
    names = [pathlib.Path(path).name for path in images.listing.paths]
    assert len(names) == 3 * 14 + 13
    assert {"nested.png", "new\nline.png", "größe.png", "dot.png", "moving.gif"} <= set(names)
    assert images.array[images.rows].shape == (55, 24, 24, 3)


@pytest.mark.skipif(os.name != "posix", reason="needs file permissions")
def test_a_file_without_permission(photos):
    """Run as nobody, since the superuser may read everything."""
    secret = photos / "red" / "00.png"
    secret.chmod(0)
    code = f"""
import os
fd = os.open({str(photos)!r}, os.O_RDONLY)
from tl_strategies.data.decode import read_image
import PIL.PngImagePlugin
if os.getuid() == 0:
    os.fchdir(fd); os.setgid(65534); os.setuid(65534)
else:
    os.fchdir(fd)
try:
    read_image("red/00.png", 8)
except ValueError as error:
    print(error)
"""
    for parent in [photos, *photos.parents]:
        if parent.stat().st_uid == os.getuid() and "pytest" in str(parent):
            parent.chmod(0o755)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "no permission to read it\n", result.stderr


def test_alpha_is_on_white_and_aspect_is_padded(tmp_path):
    image = Image.new("RGBA", (40, 20), (255, 0, 0, 255))
    image.paste((0, 0, 255, 0), (0, 0, 20, 20))
    image.save(tmp_path / "half.png")
    pixels = read_image(tmp_path / "half.png", 40)
    assert (pixels[:9] == 255).all()
    assert (pixels[-9:] == 255).all()
    assert (pixels[15:25, :15] == 255).all()
    assert (pixels[15:25, 25:] == [255, 0, 0]).all()


def test_exif_orientation_is_obeyed(tmp_path):
    image = Image.new("RGB", (32, 32), "white")
    image.paste("black", (0, 0, 32, 8))
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    image.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    pixels = read_image(tmp_path / "turned.jpg", 32)
    assert pixels[:, -6:].max() < 40
    assert pixels[:, :20].min() > 215


def test_sixteen_bits_keep_their_brightness(tmp_path):
    Image.fromarray(np.full((8, 8), 65535 // 2, "uint16")).save(tmp_path / "gray.png")
    assert abs(int(read_image(tmp_path / "gray.png", 8).mean()) - 127) <= 1


@pytest.mark.parametrize("kind", ["missing", "a file", "empty", "one class", "few", "unreadable"])
def test_what_a_folder_must_be(tmp_path, photos, kind):
    if kind == "missing":
        root, message = tmp_path / "none", "does not exist"
    elif kind == "a file":
        root, message = photos / "red" / "00.png", "is not a folder"
    elif kind == "empty":
        root, message = tmp_path / "new", "Received: none"
        root.mkdir()
    elif kind == "one class":
        root, message = tmp_path / "one", "Received: one, 'red'"
        root.mkdir()
        (photos / "red").rename(root / "red")
    elif kind == "few":
        root, message = photos, "Received: 'few' with 2"
        (root / "few").mkdir()
        for name in ("a.png", "b.png"):
            draw(0, 0).save(root / "few" / name)
    else:
        root, message = photos, "Received: 'red' with 2"
        for path in sorted((root / "red").iterdir())[2:]:
            path.write_text("broken")
    with pytest.raises(tl.UsageError, match=message):
        load(root)


def test_a_warm_store_decodes_nothing(photos, tmp_path, monkeypatch):
    store = Store(tmp_path / "store")
    first = load(photos, store=store)
    monkeypatch.setattr("tl_strategies.data.decode.read_image", None)
    second = load(photos, store=store)
    np.testing.assert_array_equal(first.array, second.array)
    np.testing.assert_array_equal(first.keys, second.keys)


@pytest.mark.parametrize("in_memory", [0, 2**30])
def test_images_without_a_store(photos, tmp_path, in_memory):
    (photos / "red" / "broken.jpg").write_text("no picture")
    stored = load(photos, store=Store(tmp_path / "store"))
    other = load(photos, store=Store(None, in_memory=in_memory))
    assert [pathlib.Path(path).name for path, _ in other.listing.left_out] == ["broken.jpg"]
    positions = np.array([41, 0, 7])
    np.testing.assert_array_equal(stored[positions], other[positions])


def test_one_pixel_makes_another_key(photos):
    first = load(photos)
    path = photos / "red" / "00.png"
    with Image.open(path) as image:
        changed = image.copy()
    changed.putpixel((3, 3), (0, 0, 0))
    changed.save(path)
    (different,) = np.flatnonzero(load(photos).keys != first.keys)
    assert first.listing.paths[different] == str(path)


def test_clipart_is_read_like_a_folder(tmp_path):
    listing = list_dataset("clipart")
    assert len(listing.task.names) == 10
    assert len(listing.paths) > 1000
    assert np.bincount(listing.labels).min() >= 50
    assert np.bincount(listing.labels).max() <= 150
    assert ARCHIVE.stat().st_size < 8e6
    assert max(read_image(path, 160).shape for path in listing.paths[::100]) == (160, 160, 3)


@pytest.mark.parametrize("name", ["clip", "folder:", "hub:mnist", "."])
def test_an_unknown_source(name, tmp_path):
    with pytest.raises(tl.UsageError, match="--dataset must"):
        list_dataset(name)
