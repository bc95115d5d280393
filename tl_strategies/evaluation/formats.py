"""The formats of exports: the file of each, the precisions that it has, the packages it needs."""

import dataclasses
import importlib.util
import pathlib

from tl_strategies.errors import UsageError, unknown
from tl_strategies.store.cache import check_writable


@dataclasses.dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        file: name of the model in the directory of an export.
        precisions: of its weights; "int8" computes in whole numbers where the format can.
        packages: import names by the precision that needs them; those of "" are for all.
    """

    file: str
    precisions: tuple[str, ...]
    packages: dict[str, tuple[str, ...]]


PRECISIONS = ("float32", "float16", "int8")
FORMATS = {
    "litert": Format("model.tflite", PRECISIONS, {"": ("ai_edge_litert",)}),
    "onnx": Format("model.onnx", PRECISIONS, {"": ("onnx", "onnxruntime", "tf2onnx")}),
    "openvino": Format("model.xml", PRECISIONS, {"": ("openvino",), "int8": ("nncf",)}),
    "saved_model": Format("model", PRECISIONS[:1], {}),
}


def check_format(name: str | None, precision: str) -> Format:
    """The format of a name.

    Raises:
        UsageError: there is none, it lacks the precision, or a package is not installed.
    """
    if name not in FORMATS:
        raise unknown("--format", name or "nothing", FORMATS)
    found = FORMATS[name]
    if precision not in found.precisions:
        raise unknown(f"--precision of --format {name}", precision, found.precisions)
    needed = (*found.packages.get("", ()), *found.packages.get(precision, ()))
    missing = [package for package in needed if importlib.util.find_spec(package) is None]
    if missing:
        raise UsageError(
            f"--format {name} must have {', '.join(missing)}. Received: an environment without. "
            f"Install it: pip install 'tl-strategies[{name}]'."
        )
    return found


def check_out(out: pathlib.Path) -> None:
    """Raise a UsageError where a directory is there already, or cannot be made."""
    if out.exists() or out.is_symlink():
        raise UsageError(
            f"--out must be a directory that is not there yet. Received: {out}. Name another one, "
            "or move it away."
        )
    check_writable("out", out)
