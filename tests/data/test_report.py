"""The report of the data says what is there and what looks wrong, whatever the data came from."""

import json
import os
import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image

import tl_strategies as tl
from tests.conftest import draw
from tl_apps.tl_inspect import main
from tl_strategies.data.images import load_images
from tl_strategies.data.parts import Splitting
from tl_strategies.data.report import data_text, describe_data, report_json
from tl_strategies.data.sources import list_dataset
from tl_strategies.store.store import Store


def report_of(dataset, store=None, size=16, **how):
    listing, store = list_dataset(dataset), Store(store)
    return describe_data(load_images(listing, size, Splitting(**how), store, lambda done: None))


@pytest.fixture
def odd_photos(photos):
    """With broken files, a copy, a copy in another class, and a class with an odd name."""
    (photos / "red" / "broken.png").write_bytes(b"no image")
    (photos / "red" / "empty.png").write_bytes(b"")
    shutil.copy(photos / "red" / "00.png", photos / "red" / "copy.png")
    shutil.copy(photos / "green" / "00.png", photos / "blue" / "taken.png")
    shutil.copytree(photos / "red", photos / "Reds")
    for file in (photos / "Reds").iterdir():
        if file.suffix == ".png" and file.stat().st_size > 100:
            Image.open(file).rotate(90).resize((10, 12)).save(file)
    return photos


def test_what_a_report_says(odd_photos):
    report = report_of(f"folder:{odd_photos}")
    assert sum(report["classes"]["red"].values()) == 15
    assert sum(report["images"].values()) == 15 + 14 + 15 + 15
    assert sorted(pathlib.Path(path).name for path, _ in report["left_out"]) == [
        "broken.png",
        "broken.png",
        "empty.png",
        "empty.png",
    ]
    groups = [{(pathlib.Path(p).name, label) for p, label in of} for of in report["duplicates"]]
    assert {("00.png", "green"), ("taken.png", "blue")} in groups
    assert report["odd_names"] == ["'Reds' and 'red' look alike"]
    assert report["sizes"]["smallest"] == (10, 12)
    assert report["sizes"]["largest"] == (48, 40)
    text = data_text(report)
    for line in (
        "left out    4: ",
        "same image",
        "odd names   1: ",
        "sizes       10 × 12 to 48 × 40",
    ):
        assert line in text


def test_a_folder_a_table_and_folders_of_parts_have_one_report(odd_photos, tmp_path):
    shutil.rmtree(odd_photos / "Reds")
    lines = ["path,label,split"]
    for i, file in enumerate(sorted(odd_photos.glob("*/*.png"))):
        part = (
            "test" if i % 3 == 0 and "copy" not in file.stem and "0" not in file.stem else "train"
        )
        target = tmp_path / "parts" / part / file.parent.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
        lines.append(f"{target},{file.parent.name},{part}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    reports = []
    for dataset in (f"folder:{tmp_path / 'parts'}", f"csv:{tmp_path / 'table.csv'}"):
        report = report_of(dataset, allow_leaks=True)
        del report["source"]
        for name in ("left_out", "duplicates"):
            report[name] = sorted(map(sorted, report[name]))
        reports.append(report)
    assert reports[0] == reports[1]
    whole = report_of(f"folder:{odd_photos}")
    for name in ("left_out", "duplicates"):
        assert len(reports[0][name]) == len(whole[name])
    assert {k: sum(v.values()) for k, v in reports[0]["classes"].items()} == {
        k: sum(v.values()) for k, v in whole["classes"].items()
    }
    assert [why for _, why in reports[0]["left_out"]] != []


def test_a_file_that_is_not_there_is_left_out(photos, tmp_path):
    rows = [f"{path},{path.parent.name}" for path in sorted(photos.glob("*/*.png"))]
    (tmp_path / "table.csv").write_text("\n".join(["path,label", *rows, "gone.png,red"]))
    report = report_of(f"csv:{tmp_path / 'table.csv'}")
    assert report["left_out"] == [[str(tmp_path / "gone.png"), "the file does not exist"]]


def test_files_that_cannot_be_read_have_reasons_of_their_own(photos, tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "link.png").symlink_to("nowhere")
    rows = [f"{path},{path.parent.name}" for path in sorted(photos.glob("*/*.png"))]
    rows += [f"{name},red" for name in ("x.png", "y.png", "a\\b.png", "link.png", "empty.png")]
    rows += [f"{name},red" for name in ("nul\0.png", "empty.png/x.png")]
    (tmp_path / "table.csv").write_text("\n".join(["path,label", *rows]))
    report = report_of(f"csv:{tmp_path / 'table.csv'}", tmp_path / "store")
    reasons = {pathlib.Path(path).name: why for path, why in report["left_out"]}
    assert reasons["y.png"] == "the file does not exist"
    assert reasons["a\\b.png"] == "the file does not exist; its path has backslashes"
    assert reasons["link.png"] == "a link to nothing"
    assert reasons["empty.png"] == "the file is empty"
    assert "null" in reasons["nul\0.png"]
    assert "copy" not in " ".join(reasons.values())


def test_a_file_that_can_be_read_only_later_stands_for_no_other(photos, tmp_path, monkeypatch):
    from tl_strategies.data import contents

    store, first = Store(tmp_path / "store"), contents._file_digest
    monkeypatch.setattr(
        contents, "_file_digest", lambda path: "" if path.endswith("red/00.png") else first(path)
    )
    listing = list_dataset(f"folder:{photos}")
    images = load_images(listing, 16, Splitting(), store, lambda done: None)
    ((path, why),) = images.listing.left_out
    assert (path, why) == (str(photos / "red" / "00.png"), "it could not be read at first")
    (photos / "red" / "00.png").unlink()
    images = load_images(listing, 16, Splitting(), store, lambda done: None)
    assert images.listing.left_out == ((path, "the file does not exist"),)


@pytest.mark.parametrize("size", [16, (16, 40), (40, 16)])
def test_blank_images_are_said(photos, size):
    def add(name, picture, **more):
        picture.save(photos / "red" / name, **more)

    add("white.png", Image.new("RGB", (30, 30), "white"))
    add("wide.png", Image.new("RGB", (60, 20), "blue"))
    add("tall.jpg", Image.new("RGB", (21, 60), "blue"))
    drawing = Image.new("RGBA", (30, 30), (255, 255, 255, 0))
    drawing.paste((255, 255, 255, 255), (5, 5, 20, 20))
    add("chalk.png", drawing)
    add("dot.png", Image.new("RGB", (1, 1), "red"))
    for name, tops in (("stripes.png", (1, 7, 13)), ("low.png", (7, 9))):
        stripes = Image.new("RGB", (16, 16), "white")
        for top in tops:
            stripes.paste("blue", (0, top, 16, top + 2))
        add(name, stripes)
    box = Image.new("RGB", (32, 32), "white")
    box.paste("blue", (8, 8, 24, 24))
    add("box.png", box)
    report = report_of(f"folder:{photos}", size=size)
    blank = {pathlib.Path(path).name for path in report["blank"]}
    assert blank == {"white.png", "wide.png", "tall.jpg", "chalk.png", "dot.png"}
    assert "one colour  5: " in data_text(report)


def test_classes_without_images_in_a_part_are_said(photos, tmp_path):
    rows = []
    for path in sorted(photos.glob("*/*.png")):
        parts = ["train"] if path.parent.name == "red" else ["train", "test"]
        rows.append(f"{path},{path.parent.name},{parts[int(path.stem) % len(parts)]}")
    (tmp_path / "table.csv").write_text("\n".join(["path,label,split", *rows]))
    text = data_text(report_of(f"csv:{tmp_path / 'table.csv'}"))
    assert "no image    1: of red in test" in text
    assert "no image" not in data_text(report_of(f"folder:{photos}"))


def test_a_folder_with_many_other_files_is_told_in_few_lines(photos):
    for i in range(300):
        (photos / "red" / f"{i}.xml").write_text(f"<annotation>{i}")
    report = report_of(f"folder:{photos}")
    assert len(report["left_out"]) == 300
    for whole in (False, True):
        text = data_text(report, whole)
        assert "left out    300: " in text
        assert "297 .xml" in text
        assert len(text.splitlines()) < 15


def test_a_report_is_json_whatever_names_files_have(photos):
    (photos / "red" / os.fsdecode(b"in\xffvalid.png")).write_text("no image")
    report = report_of(f"folder:{photos}")
    text = report_json(report).encode().decode()
    assert json.loads(text)["left_out"] == report["left_out"]
    data_text(report).encode()


def test_the_command(odd_photos, tmp_path, capsys):
    sheet = tmp_path / "sheet.png"
    command = ["--dataset", f"folder:{odd_photos}", "--contact_sheet", str(sheet)]
    command += ["--cache_dir", str(tmp_path / "cache")]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert "copy.png (red)" in text
    assert text.count("the file is empty") == 1
    assert text.count("a copy of another file that cannot be read") == 2
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["classes"]["green"] == {"train": 10, "validation": 2, "test": 2}
    with Image.open(sheet) as image:
        assert np.asarray(image).std() > 10


@pytest.mark.parametrize("kind", ["picture", "text", "link to nothing"])
def test_a_file_of_the_user_s_is_no_contact_sheet(photos, tmp_path, monkeypatch, capsys, kind):
    """Not even one of the name that the sheet has by itself."""
    sheet = tmp_path / "contact_sheet.png"
    if kind == "picture":
        Image.new("RGB", (9, 9)).save(sheet)
    elif kind == "text":
        sheet.write_text("mine")
    else:
        sheet.symlink_to(tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path)
    before = sheet.read_bytes() if sheet.exists() else None
    assert main(["--dataset", f"folder:{photos}"]) == 2
    assert "must not be a file of yours" in capsys.readouterr().err
    assert (sheet.read_bytes() if sheet.exists() else None) == before


def test_a_run_says_what_the_network_gets(photos, backbone, tmp_path, capsys):
    run = tl.fit(
        "head", dataset=f"folder:{photos}", backbone=backbone, epochs=1, run_dir=tmp_path / "run"
    )
    report = json.loads((run.directory / "data.json").read_text())
    low, high = report["input"]
    assert -1 <= low < high <= 1
    assert f"{low:.2f} to {high:.2f} after preprocessing" in capsys.readouterr().out


def test_a_network_without_preprocessing_is_noticed():
    from tl_strategies.training.forward import range_text

    assert "A backbone holds its preprocessing" in range_text((0.0, 255.0))
    assert "holds" not in range_text((-1.0, 1.0))


def test_pictures_of_many_sizes_fill_one_sheet():
    from tl_strategies.tracking.figures import sheet_figure

    images = np.stack([np.asarray(draw(i, i % 3).resize((16, 16))) for i in range(13)])
    figure = sheet_figure(
        images, [f"a caption that is too long {i}\nand $x$" for i in range(13)], "t"
    )
    (axes,) = figure.axes
    title, *captions = [text.get_text() for text in axes.texts]
    assert title == "t"
    assert len(captions) == len(axes.images) == 13
    assert max(len(line) for caption in captions for line in caption.split("\n")) <= 24
