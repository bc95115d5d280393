"""Build the bundled data set `clipart` from Debian's public-domain package openclipart-png.

    apt-get download openclipart-png && dpkg-deb -x openclipart-png_*.deb openclipart
    python tools/build_clipart.py openclipart/usr/share/openclipart/png

Writes tl_strategies/data/assets/clipart.zip: one folder a class, and manifest.csv with the path in
the package from which each image was made. The same package gives the same bytes.
"""

import argparse
import hashlib
import io
import pathlib
import zipfile

import numpy as np
from PIL import Image

CLASSES = {  # class: (folder, sub-folders left out)
    "animals": ("animals", ()),
    "buildings": ("buildings", ()),
    "clothing": ("people/clothing", ()),
    "flags": ("signs_and_symbols/flags", ()),
    "food": ("food", ()),
    "music": ("recreation/music", ()),
    "people": ("people", ("people/clothing",)),
    "plants": ("plants", ()),
    "tools": ("tools", ()),
    "vehicles": ("transportation", ("transportation/aiga-symbols", "transportation/roadsigns")),
}
PER_CLASS = 150
LONGEST_SIDE = 160  # pixels
NEAR = 3  # of 128 bits of the difference hash
TARGET = pathlib.Path(__file__).parents[1] / "tl_strategies/data/assets/clipart.zip"


def find_images(root: pathlib.Path) -> dict[pathlib.Path, str]:
    """Map each real file to its class; a file that belongs to two classes is left out."""
    found: dict[pathlib.Path, set[str]] = {}
    for name, (folder, left_out) in CLASSES.items():
        for path in sorted((root / folder).rglob("*.png")):
            if any(path.is_relative_to(root / other) for other in left_out) or not path.exists():
                continue
            found.setdefault(path.resolve(), set()).add(name)
    return {path: names.pop() for path, names in sorted(found.items()) if len(names) == 1}


def render(path: pathlib.Path) -> Image.Image:
    """The drawing on white, its longest side at most 160 pixels."""
    image = Image.open(path).convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    image = Image.alpha_composite(white, image).convert("RGB")
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return image


def difference_hash(image: Image.Image) -> np.ndarray:
    """128 bits: is each cell brighter than its right, and than its lower, neighbour?"""
    gray = np.asarray(image.convert("L").resize((9, 9), Image.Resampling.BOX), dtype=int)
    right = gray[:8, :8] > gray[:8, 1:]
    below = gray[:8, :8] > gray[1:, :8]
    return np.concatenate([right.ravel(), below.ravel()])


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=pathlib.Path, help="usr/share/openclipart/png of the package")
    root = parser.parse_args().root.resolve()
    kept: dict[str, list[tuple[str, Image.Image]]] = {name: [] for name in CLASSES}
    seen: list[tuple[tuple[int, int], np.ndarray, np.ndarray]] = []
    candidates = find_images(root)
    for path in sorted(candidates, key=lambda path: digest(str(path.relative_to(root)))):
        name = candidates[path]
        if len(kept[name]) == PER_CLASS:
            continue
        image = render(path)
        bits, small = difference_hash(image), np.asarray(image.resize((8, 8)), dtype=float)
        # The hash of flat drawings has few bits set: colours must agree too.
        if any(
            np.count_nonzero(bits != other) <= NEAR and np.abs(small - colours).mean() < 8
            for _, other, colours in seen
        ):
            continue
        seen.append((image.size, bits, small))
        kept[name].append((str(path.relative_to(root)), image))
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    manifest = ["path,source"]
    with zipfile.ZipFile(TARGET, "w", zipfile.ZIP_STORED) as archive:
        for name, images in kept.items():
            for source, image in sorted(images, key=lambda item: item[0]):
                target = f"{name}/{digest(source)[:12]}.png"
                data = io.BytesIO()
                image.quantize(256, dither=Image.Dither.NONE).save(data, "PNG", optimize=True)
                archive.writestr(zipfile.ZipInfo(target), data.getvalue())
                manifest.append(f"{target},{source}")
        archive.writestr(zipfile.ZipInfo("manifest.csv"), "\n".join(manifest) + "\n")
    counts = ", ".join(f"{name} {len(images)}" for name, images in kept.items())
    print(f"{TARGET.name}: {TARGET.stat().st_size / 1e6:.1f} MB; {counts}")


if __name__ == "__main__":
    main()
