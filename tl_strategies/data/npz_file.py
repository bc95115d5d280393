"""Images in an .npz file. Nothing is read before its size is known to be what the file can hold."""

import math
import os
import pathlib
import struct
import tokenize
import zipfile
import zlib

import numpy as np
from numpy.lib import format as npy

from tl_strategies.data.in_memory import Part, list_arrays, read_names
from tl_strategies.data.listing import Listing
from tl_strategies.data.pixels import image_blocks
from tl_strategies.data.split import PARTS
from tl_strategies.errors import UsageError

PACKED = 200  # bytes for one, above which a large array is no pictures
LARGE = 2**28  # bytes
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
# What zipfile and NumPy raise for a broken file; RuntimeError for one that is encrypted.
BROKEN = (
    *(zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError, SyntaxError),
    *(EOFError, OSError, OverflowError, RuntimeError, ValueError),
)


def list_npz(file: str | os.PathLike) -> Listing:
    """List the images of an .npz file.

    It has x_train and y_train, and where there are any x_validation, y_validation, x_test, y_test;
    w_train and so on for weights of the images in the loss; and `names` of the labels where the
    labels are numbers.
    """
    arrays, unused = _read(file)
    pairs = [part for part in PARTS if f"x_{part}" in arrays and f"y_{part}" in arrays]
    if "train" not in pairs:
        raise UsageError(
            f"{file} must hold x_train and y_train. Received: "
            f"{', '.join([*arrays, *unused]) or 'nothing'}."
        )
    unused += [key for key in arrays if key[2:] not in pairs and key != "names"]
    parts = {}
    for part in pairs:
        blocks = image_blocks(arrays[f"x_{part}"], f"x_{part}")
        parts[part] = Part(blocks, arrays[f"y_{part}"], arrays.get(f"w_{part}"))
    names = read_names(arrays["names"], f"names in {file}") if "names" in arrays else None
    notes = [f"not used: {', '.join(unused)}"] if unused else []
    return list_arrays(parts, f"npz:{file}", names, notes)


def _read(file: str | os.PathLike) -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays that have a meaning; the keys of the others."""
    wanted = {"names", *(f"{kind}_{part}" for part in PARTS for kind in "xyw")}
    try:
        path = pathlib.Path(file).expanduser().absolute()
        if not path.is_file():
            raise OSError("not a file" if path.exists() else "no such file")
        with zipfile.ZipFile(path) as archive:
            members = [(info.filename.removesuffix(".npy"), info) for info in archive.infolist()]
            keys = [key for key, _ in members]
            twice = {key for key in keys if keys.count(key) > 1}
            if twice:
                raise ValueError(f"{', '.join(sorted(twice))} more than once")
            arrays = {
                key: _array(archive, info, key, path) for key, info in members if key in wanted
            }
    except UsageError:
        raise
    except BROKEN as error:
        raise UsageError(
            f"--dataset npz:FILE must be an .npz file, as np.savez writes it. Received: {file}: "
            f"{error}."
        ) from error
    return arrays, [key for key in keys if key not in wanted]


def _array(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, key: str, path: pathlib.Path
) -> np.ndarray:
    try:
        with archive.open(info) as stream:
            _check_size(stream, info, path.stat().st_size)
        with archive.open(info) as stream:
            return npy.read_array(stream, allow_pickle=False)
    except (*BROKEN, MemoryError) as error:
        raise UsageError(
            f"{key} in {path} must be a whole array of numbers or text. Received: {error}."
        ) from error


def _check_size(stream: zipfile.ZipExtFile, info: zipfile.ZipInfo, held: int) -> None:
    """Refuse an array that no archive of so many bytes holds, or not as long as its header says."""
    size = info.file_size
    if info.compress_size > held or size > max(LARGE, PACKED * info.compress_size):
        raise ValueError(f"{size} bytes out of {info.compress_size}; store it by np.savez")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > memory:
        raise ValueError(f"{size} bytes for a memory of {memory}")
    version = npy.read_magic(stream)
    if version not in HEADERS:
        raise ValueError(f"version {version} of the format")
    shape, _, dtype = HEADERS[version](stream)
    if dtype.hasobject:
        raise ValueError("Python objects; text must have a dtype such as 'U10'")
    told = f"shape {shape} of {dtype}"
    if min(shape, default=0) < 0 or not dtype.itemsize:
        raise ValueError(told)
    expected, there = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if expected != there:
        raise ValueError(f"{told}, which is {expected} bytes, in {there}")
