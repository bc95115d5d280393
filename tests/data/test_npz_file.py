"""An .npz file: read as it is meant; one that is broken or lies is refused, and costs no memory."""

import io
import os
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

import tl_strategies as tl
from tl_strategies.data import npz_file
from tl_strategies.data.npz_file import list_npz
from tl_strategies.data.sources import list_dataset

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3)).astype("uint8")
LABELS = np.arange(12) % 3
ARRAYS = {"x_train": IMAGES, "y_train": LABELS}


def member(shape, dtype="|u1", data=b"", version=1):
    """An array's header, which may lie, and its bytes."""
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(header)) + header + data


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def write(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_parts_names_and_weights(tmp_path, save):
    file = tmp_path / "data.npz"
    save(
        file,
        **ARRAYS,
        w_train=np.arange(12.0),
        x_test=np.asfortranarray(IMAGES[:6]),
        y_test=LABELS[:6],
        names=np.array(["cat", "dog", "owl"]),
    )
    listing = list_dataset(f"npz:{file}")
    assert listing.task.names == ("cat", "dog", "owl")
    assert list(listing.parts) == ["train"] * 12 + ["test"] * 6
    assert listing.paths[12] == "test/000000"
    np.testing.assert_array_equal([*listing.contents.read(np.arange(12, 18))], IMAGES[:6])
    np.testing.assert_array_equal(listing.weights, [*range(12), *[1] * 6])
    assert listing.notes == ()


def test_what_is_not_used_is_said(tmp_path):
    np.savez(tmp_path / "data.npz", **ARRAYS, x_test=IMAGES, y_val=LABELS, ids=np.array([None]))
    assert list_npz(tmp_path / "data.npz").notes == ("not used: y_val, ids, x_test",)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": IMAGES}, "must hold x_train and y_train.*Received: x_train"),
        ({}, r"must hold x_train and y_train.*Received: nothing"),
        ({**ARRAYS, "y_train": LABELS - 1}, r"y_train\[0\] = -1"),
        ({**ARRAYS, "x_train": IMAGES - 128.0}, "x_train must be in"),
        ({**ARRAYS, "names": np.array(["a"])}, "names in"),
        ({**ARRAYS, "names": LABELS[None]}, "names in"),
        ({**ARRAYS, "w_train": -LABELS}, "w_train"),
        ({**ARRAYS, "y_train": np.array([{}] * 12)}, "y_train in .* Python objects"),
        ({**ARRAYS, "names": np.array(["a", "b", "c"], object)}, "names in .* Python objects"),
        ({**ARRAYS, "y_train": np.zeros(12, [("a", int)])}, "y_train must be a label an image"),
    ],
)
def test_what_is_wrong_names_its_array(tmp_path, arrays, message):
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(tl.UsageError, match=message):
        list_npz(tmp_path / "data.npz")


BROKEN = {
    "more elements than bytes": (member((10**6, 10**3, 10**3)), "1000000000000 bytes, in 0"),
    "fewer elements than bytes": (member((12, 8, 8), data=bytes(10**6)), "768 bytes, in 1000000"),
    "shape below 0": (member((-12, -8, 8, 1), data=bytes(768)), "shape"),
    "no width": (member((10**12,), "<U0"), "shape"),
    "no dtype": (member((12,), "no"), "valid dtype descriptor"),
    "no header": (b"\x93NUMPY\x01\x00\xff\xff{", "EOF"),
    "header of no literal": (b"\x93NUMPY\x01\x00\x04\x00[)(\n", "EOF in multi-line"),
    "another version": (member((12,), version=9), "version"),
    "pickle": (b"\x80\x04K\x01.", "magic"),
    "empty": (b"", "magic|EOF"),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("key", ["x_train", "y_train", "w_test", "names"])
def test_a_member_that_is_no_whole_array(tmp_path, kind, key):
    data, message = BROKEN[kind]
    members = {"x_train.npy": npy(IMAGES), "y_train.npy": npy(LABELS), f"{key}.npy": data}
    file = write(tmp_path / "data.npz", members)
    with pytest.raises(tl.UsageError, match=rf"{key} in .*data\.npz must be a whole.*({message})"):
        list_npz(file)


def test_a_member_that_swells(tmp_path, monkeypatch):
    zeros = {"x_train.npy": npy(np.zeros((12, 400, 400, 3), "uint8")), "y_train.npy": npy(LABELS)}
    file = write(tmp_path / "data.npz", zeros, zipfile.ZIP_DEFLATED)
    assert len(list_npz(file).paths) == 12
    monkeypatch.setattr(npz_file, "LARGE", 10**6)
    tracemalloc.start()
    try:
        with pytest.raises(tl.UsageError, match=r"x_train in .* bytes out of .* np.savez"):
            list_npz(file)
        assert tracemalloc.get_traced_memory()[1] < 10**6
    finally:
        tracemalloc.stop()


def test_what_is_larger_than_the_memory(tmp_path, monkeypatch):
    np.savez(tmp_path / "data.npz", **ARRAYS)
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": 2000}.get)
    with pytest.raises(tl.UsageError, match=r"x_train in .* memory of 2000"):
        list_npz(tmp_path / "data.npz")


def test_what_is_not_needed_is_not_read(tmp_path):
    members = {"x_train.npy": npy(IMAGES), "y_train.npy": npy(LABELS), "readme.txt": b"text"}
    assert list_npz(write(tmp_path / "data.npz", members)).notes == ("not used: readme.txt",)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("again", ["x_train.npy", "x_train"])
def test_an_array_is_there_once(tmp_path, again):
    file = write(tmp_path / "data.npz", {"x_train.npy": npy(IMAGES), "y_train.npy": npy(LABELS)})
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(again, npy(IMAGES))
    with pytest.raises(tl.UsageError, match="x_train more than once"):
        list_npz(file)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_file_that_was_damaged(tmp_path, save):
    """Any byte but those that mean nothing: refused, or nothing changed; never another error."""
    save(tmp_path / "whole.npz", **ARRAYS)
    whole, file = (tmp_path / "whole.npz").read_bytes(), tmp_path / "data.npz"
    starts, refused = range(0, len(whole), 13), []
    for at in starts:
        for data in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]):
            file.write_bytes(data)
            try:
                listing = list_npz(file)
            except tl.UsageError as error:
                refused.append(str(error))
            else:
                np.testing.assert_array_equal([*listing.contents.read(np.arange(12))], IMAGES)
    assert all("data.npz" in message for message in refused)
    assert len(refused) > 1.8 * len(starts)


def test_a_sum_that_is_wrong(tmp_path):
    np.savez(tmp_path / "data.npz", **ARRAYS)
    data = (tmp_path / "data.npz").read_bytes()
    at = data.index(IMAGES.tobytes())
    (tmp_path / "data.npz").write_bytes(data[:at] + b"\xaa" + data[at + 1 :])
    with pytest.raises(tl.UsageError, match=r"x_train in .* CRC"):
        list_npz(tmp_path / "data.npz")


def test_what_is_no_file(tmp_path):
    (tmp_path / "text.npz").write_text("text")
    (tmp_path / "empty.npz").touch()
    (tmp_path / "directory.npz").mkdir()
    os.mkfifo(tmp_path / "pipe.npz")
    np.save(tmp_path / "one.npy", IMAGES)
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    names = ["text.npz", "empty.npz", "directory.npz", "pipe.npz", "one.npz", "none.npz"]
    names += ["a\0.npz", "a" * 300, "text.npz/x"]
    for name in [*(f"{tmp_path}/{name}" for name in names), "/dev/zero", "~nobody_here/data.npz"]:
        with pytest.raises(tl.UsageError, match=r"npz:FILE must be an \.npz file"):
            list_npz(name)
