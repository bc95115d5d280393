"""Labelled image sets from packages, below the cache directory: something to measure on.

    python tools/tasks.py                     # what there is
    python tools/tasks.py digits emoji        # make these, and print what --dataset takes
    python tools/tasks.py all

Packages come from Debian (`apt-get download`, unpacked by `dpkg-deb -x`) and npm (`npm pack`); one
that cannot be had is said and passed over. A set is made whole or not at all, and found again.
"""

import argparse
import csv
import dataclasses
import gzip
import json
import pathlib
import subprocess
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits

from tl_strategies.store.cache import store_directory

LEAST = 15  # images that a subcategory of emoji, or a context of icons, must have
LETTERS = "ABCDEFGHIJ"
FONTS = [
    name
    for line in (
        "adf-accanthis adf-baskervald adf-berenis adf-gillius adf-ikarius adf-irianis adf-",
        "libris adf-mekanus adf-oldania adf-romande adf-solothurn adf-switzera adf-tribun adf-",
        "universalis adf-verana aenigma agave allerta anonymous-pro arapey averia-sans-gwf",
        "averia-serif-gwf b612 bebas-neue beteckna breip cabin cabinsketch cantarell cardo",
        "cherrybomb clear-sans cmu comfortaa comic-neue compagnon courier-prime dancingscript",
        "dejavu-core dosis dustin ebgaramond ecolier-court essays1743 eurofurence fantasque-",
        "sans fanwood femkeklaver firacode freefont-ttf georgewilliams gfs-artemisia gfs-didot",
        "gfs-neohellenic go goudybookletter hack havana hermit humor-sans inconsolata inter",
        "isabella jetbrains-mono junction junicode jura karla kaushanscript kristi lato league-",
        "spartan leckerli-one liberation linuxlibertine lobster manrope millimetre monofur",
        "monoid mononoki oldstandard open-sans opendyslexic osifont play prociono quattrocento",
        "quicksand radisnoir rampart roboto-unhinted rufscript sil-andika sil-charis sil-",
        "gentium tomsontalks tuffy ubuntu-title urw-base35 vollkorn yanone-kaffeesatz",
    )
    for name in line.split()
]

Rows = Iterator[tuple[str, str, str]]  # a file below the set's folder, its label, its group


@dataclasses.dataclass(frozen=True)
class Task:
    """A set: where it comes from, and what it is like."""

    make: Callable[[pathlib.Path], Rows | None]  # rows of a csv, or None for an .npz of its own
    source: str
    licence: str
    labels: int
    likeness: str  # to photographs


def debian(package: str, folder: pathlib.Path) -> pathlib.Path:
    """The files of a Debian package."""
    command = ["apt-get", "download", package]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    [file] = folder.glob(f"{package}_*.deb")
    subprocess.run(["dpkg-deb", "-x", file, folder / package], check=True)
    file.unlink()
    return folder / package


def npm(package: str, version: str, folder: pathlib.Path) -> pathlib.Path:
    """The files of an npm package."""
    command = ["npm", "pack", "--silent", f"{package}@{version}"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    file = folder / f"{package}-{version}.tgz"
    with tarfile.open(file) as archive:
        archive.extractall(folder, filter="data")
    file.unlink()
    return folder / "package"


def fashion(count: int) -> Callable[[pathlib.Path], None]:
    """So many training images, a fifth as many validation images, 2,000 test images."""

    def make(folder: pathlib.Path) -> None:
        files = debian("dataset-fashion-mnist", folder) / "usr/share/datasets/fashion-mnist"

        def read(name: str) -> np.ndarray:
            content = np.frombuffer(gzip.decompress((files / f"{name}.gz").read_bytes()), "uint8")
            return content[16:].reshape(-1, 28, 28) if "images" in name else content[8:]

        arrays = {}
        for part, images, labels, size in (
            ("train", "train-images-idx3-ubyte", "train-labels-idx1-ubyte", count),
            ("validation", "train-images-idx3-ubyte", "train-labels-idx1-ubyte", count // 5),
            ("test", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", 2000),
        ):
            start = count if part == "validation" else 0
            arrays[f"x_{part}"] = read(images)[start : start + size]
            arrays[f"y_{part}"] = read(labels)[start : start + size]
        np.savez(folder / "made.npz", **arrays)

    return make


def digits(folder: pathlib.Path) -> None:
    """Of 8 px; every fifth for validation, every fifth for the test."""
    data = load_digits()
    images, arrays, turn = (data.images * 15.9).astype("uint8"), {}, np.arange(len(data.target)) % 5
    for part, own in (("train", turn < 3), ("validation", turn == 3), ("test", turn == 4)):
        arrays |= {f"x_{part}": images[own], f"y_{part}": data.target[own]}
    np.savez(folder / "made.npz", **arrays)


def emoji(style: str, field: str) -> Callable[[pathlib.Path], Rows]:
    """Pictures of a style, by category or subcategory."""

    def make(folder: pathlib.Path) -> Rows:
        files = npm(f"emoji-datasource-{style}", "16.0.0", folder)
        entries = json.loads((files / "emoji.json").read_text(encoding="utf-8"))
        entries = [entry for entry in entries if entry["category"] != "Component"]
        counts = Counter(entry[field] for entry in entries)
        for entry in sorted(entries, key=lambda entry: entry["image"]):
            file = files / "img" / style / "64" / entry["image"]
            if counts[entry[field]] >= LEAST and file.is_file():
                yield str(file.relative_to(folder)), entry[field], entry["image"]

    return make


def scratch(letters: bool) -> Callable[[pathlib.Path], Rows]:
    """Letters by name, of which a design is a group; or costumes by kind."""

    def make(folder: pathlib.Path) -> Rows:
        costumes = debian("scratch", folder) / "usr/share/scratch/Media/Costumes"
        for file in sorted(costumes.glob("Letters/*/*" if letters else "*/*")):
            if file.suffix in (".gif", ".png", ".jpg"):
                label, group = (file.stem, file.parent.name) if letters else (file.parent.name, "")
                yield str(file.relative_to(folder)), label, group or file.stem

    return make


def glyphs(folder: pathlib.Path) -> Rows:
    """Ten letters of every face, as in notMNIST; a package is a group."""
    for package in FONTS:
        try:
            files = debian(f"fonts-{package}", folder)
        except subprocess.CalledProcessError:
            continue
        faces = [file for kind in ("ttf", "otf") for file in sorted(files.rglob(f"*.{kind}"))]
        for face in faces[:4]:
            try:
                font = ImageFont.truetype(str(face), 48)
                drawn = [_glyph(font, letter) for letter in LETTERS]
            except OSError:
                continue
            if len({image.tobytes() for image in drawn}) < len(LETTERS):
                continue  # a face without letters of its own
            for letter, image in zip(LETTERS, drawn, strict=True):
                file = folder / "glyphs" / f"{package}-{face.stem}-{letter}.png"
                file.parent.mkdir(exist_ok=True)
                image.save(file)
                yield str(file.relative_to(folder)), letter, package


def _glyph(font: ImageFont.FreeTypeFont, letter: str) -> Image.Image:
    image = Image.new("L", (64, 64), "white")
    ImageDraw.Draw(image).text((32, 32), letter, font=font, fill="black", anchor="mm")
    return image


def icons(theme: str) -> Callable[[pathlib.Path], Rows]:
    """Icons of 48 px by freedesktop's context."""

    def make(folder: pathlib.Path) -> Rows:
        root = debian(f"{theme}-icon-theme", folder) / "usr/share/icons" / theme
        files = [file for file in sorted(root.rglob("48x48/*/*.png")) if not file.is_symlink()]
        counts = Counter(file.parent.name for file in files)
        for file in files:
            if counts[file.parent.name] >= LEAST:
                yield str(file.relative_to(folder)), file.parent.name, file.stem

    return make


TASKS = {
    "fashion_500": Task(fashion(500), "Debian dataset-fashion-mnist", "MIT", 10, "low"),
    "fashion_6000": Task(fashion(6000), "Debian dataset-fashion-mnist", "MIT", 10, "low"),
    "digits": Task(digits, "scikit-learn", "BSD", 10, "none"),
    "emoji": Task(
        emoji("google", "category"), "npm emoji-datasource-google", "Apache-2.0", 9, "drawn"
    ),
    "emoji_fine": Task(
        emoji("google", "subcategory"), "npm emoji-datasource-google", "Apache-2.0", 41, "drawn"
    ),
    "emoji_twitter": Task(
        emoji("twitter", "category"), "npm emoji-datasource-twitter", "CC-BY-4.0", 9, "drawn"
    ),
    "letters": Task(scratch(True), "Debian scratch", "CC-BY-SA-3.0", 36, "none"),
    "costumes": Task(scratch(False), "Debian scratch", "CC-BY-SA-3.0", 5, "drawn"),
    "glyphs": Task(glyphs, "Debian fonts-*", "free, various", 10, "none"),
    "icons_mate": Task(icons("mate"), "Debian mate-icon-theme", "CC-BY-SA", 9, "drawn"),
    "icons_oxygen": Task(icons("oxygen"), "Debian oxygen-icon-theme", "LGPL", 9, "drawn"),
}


def dataset(name: str) -> str:
    """What --dataset takes for a set, which is made now where it is not there.

    Raises:
        OSError, subprocess.CalledProcessError: its package cannot be had.
    """
    if name == "clipart":
        return name
    root = store_directory(None).parent / "tasks"
    root.mkdir(parents=True, exist_ok=True)
    for kind in ("csv", "npz"):
        if (root / name / f"made.{kind}").is_file():
            return f"{kind}:{root / name / f'made.{kind}'}"
    with tempfile.TemporaryDirectory(dir=root) as aside:
        folder = pathlib.Path(aside) / name
        folder.mkdir()
        rows = TASKS[name].make(folder)
        if rows is not None:
            with (folder / "aside.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([("path", "label", "group"), *rows])
            (folder / "aside.csv").rename(folder / "made.csv")
        folder.rename(root / name)
    return dataset(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*TASKS, "all", []])
    names = parser.parse_args().names
    if not names:
        for name, task in TASKS.items():
            about = f"{task.labels:>3} labels  {task.likeness:<6} {task.licence:<14}"
            print(f"{name:<14} {about} {task.source}")
    for name in TASKS if "all" in names else names:
        try:
            print(f"{name:<14} --dataset {dataset(name)}")
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{name:<14} passed over: {error}")


if __name__ == "__main__":
    main()
