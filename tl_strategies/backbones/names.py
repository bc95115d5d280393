"""What is known of backbones without importing Keras: their names, and what cannot be right."""

import importlib.util
import pathlib
import re
import zipfile

from tl_strategies.backbones.units import Unit, find_depth
from tl_strategies.errors import UsageError, unknown
from tl_strategies.image_size import ImageSize, sides, size_text

BUNDLED = "efficientnet_lite0"
UNTRAINED = ("caffenet", "caffenet_mini")  # ours, without published weights
LEAST_SIZES = {BUNDLED: 32, "caffenet": 227, "caffenet_mini": 28}  # sides of images in pixels

# EfficientNet-Lite0's: kernel size, stride, expansion, filters, repeats
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


def backbone_names() -> list[str]:
    """Ours, then every network of keras.applications by its lower-case name."""
    package = pathlib.Path(importlib.util.find_spec("keras").origin).parent
    exports = (package / "applications" / "__init__.py").read_text(encoding="utf-8")
    networks = re.findall(r"^from .* import \w+ as ([A-Z]\w+)|^\s+([A-Z]\w+) as", exports, re.M)
    return [BUNDLED, *UNTRAINED, *sorted({(one or other).lower() for one, other in networks})]


def unit_names(name: str) -> list[str] | None:
    """The units of a backbone of ours, as `find_units` finds them; None of another."""
    if name == BUNDLED:
        repeats = enumerate((stage[-1] for stage in STAGES), 1)
        blocks = [f"block{stage}{letter}" for stage, count in repeats for letter in "abcd"[:count]]
        return ["stem_conv", *blocks, "top_conv"]
    if name in UNTRAINED:
        return [*(f"conv{i}" for i in range(1, 6)), "fc6", "fc7"]
    return None


def check_backbone(
    name: str,
    weights: str = "imagenet",
    image_size: ImageSize | None = None,
    keep_top: bool = False,
    top: str | None = None,
    n: int | str | None = None,
) -> None:
    """Raise a UsageError if the choice of a backbone is wrong, as far as that takes no Keras.

    Args:
        name, weights, image_size, keep_top, top: as `load_backbone` takes them.
        n: the transfer depth; None where none is asked for.
    """
    if keep_top and top is not None:
        raise UsageError(f"--keep_top must come without --top. Received: also --top {top}.")
    if name.endswith(".keras"):
        _check_model_file("--backbone", name)
    elif not name.startswith("hub:"):
        _check_name(name)
        if keep_top or top is not None:
            flag = "--keep_top" if keep_top else "--top"
            raise UsageError(
                f"{flag} must come with a .keras file. Received: {name}, which has no top."
            )
    _check_weights(name, weights)
    least = LEAST_SIZES.get(name, 1)
    if image_size is not None and min(sides(image_size)) < least:
        raise UsageError(
            f"--image_size must be at least {least} for {name}. Received: {size_text(image_size)}."
        )
    units = unit_names(name)
    if n is not None and units is not None:
        find_depth(n, [Unit(depth, unit, (), 0, ()) for depth, unit in enumerate(units, 1)])


def _check_name(name: str) -> None:
    path = pathlib.Path(name)
    if (path / "saved_model.pb").is_file():
        raise UsageError(
            f"--backbone must have layers. Received: {name}, a SavedModel, which is one graph "
            "without them. Where it was made, save it by model.save('model.keras')."
        )
    names = backbone_names()
    if name not in names and (path.exists() or path.suffix or len(path.parts) > 1):
        raise UsageError(
            f"--backbone as a file must end in .keras. Received: {name}. Where the model was made, "
            "save it by model.save('model.keras'); a file of weights alone is given by --weights."
        )
    if name not in names:
        hint = "A model of yours: a path in .keras. One of KerasHub's: hub:PRESET."
        raise unknown("--backbone", name, names, hint)


def _check_weights(name: str, weights: str) -> None:
    if weights == "imagenet" and name in UNTRAINED:
        raise UsageError(
            f"--weights of {name} must be none or a file: no trained ones are published. Received: "
            "imagenet. Train it by --strategy scratch --weights none; tl-curve does so itself."
        )
    if weights in ("imagenet", "none"):
        return
    if not pathlib.Path(weights).is_file():
        raise UsageError(
            f"--weights must be imagenet, none or a file. Received: {weights}, which is none."
        )
    if weights.endswith(".keras"):
        _check_model_file("--weights", weights)
    elif not weights.endswith(".h5"):
        raise UsageError(f"--weights must end in .keras, .weights.h5 or .h5. Received: {weights}.")


def _check_model_file(flag: str, path: str) -> None:
    if not pathlib.Path(path).is_file():
        raise UsageError(f"{flag} must be a file. Received: {path}, which does not exist.")
    must = f"{flag} must be a Keras model file. Received: {path}"
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise UsageError(f"{must}: {error}. Save it by model.save('model.keras').") from error
    if "config.json" not in parts:
        raise UsageError(f"{must}, an archive without config.json.")
