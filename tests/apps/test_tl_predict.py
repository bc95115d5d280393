"""tl-predict as a user types it: files in, labels out, and what is wrong with some."""

import csv
import io
import json
import time

import numpy as np
import pytest

import tl_strategies as tl
from tl_apps.tl_predict import main


@pytest.fixture
def run(settings):
    return tl.fit("head", **settings).directory


def test_to_the_screen(run, photos, tmp_path, capsys, monkeypatch):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{photos}/red/01.png\n"))
    names = [str(photos / "blue" / "00.png"), "-", str(tmp_path / "broken.png")]
    capsys.readouterr()
    assert main([str(run), *names, "--top", "2"]) == 3
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert [line.split("  ")[0] for line in lines] == [names[0], f"{photos}/red/01.png", names[2]]
    assert [len(line.split("  ")) for line in lines] == [3, 3, 2]
    assert captured.err == "1 of 3 images could not be read\n"


def test_to_files_and_folders(run, photos, tmp_path, capsys):
    table, lines = tmp_path / "labels.csv", tmp_path / "labels.jsonl"
    flags = ["--sort", str(tmp_path / "sorted"), "--top", "9"]
    for _ in range(2):  # what is there already is not copied again
        assert main([str(run), str(photos), "--out", str(table), *flags]) == 0
    assert main([str(run), str(photos), "--out", str(lines)]) == 0
    with table.open() as text:
        rows = list(csv.DictReader(text))
    assert len(rows) == 42
    for row in rows:
        assert row["predicted"] == row["label1"]
        assert sum(float(row[f"probability{k}"]) for k in (1, 2, 3)) == pytest.approx(1, abs=1e-5)
    records = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [record["predicted"] for record in records] == [[row["predicted"]] for row in rows]
    copies = [file.parent.name for file in (tmp_path / "sorted").rglob("*.png")]
    assert sorted(copies) == sorted(row["predicted"] for row in rows)


def test_heat_maps(run, photos, tmp_path, capsys):
    """Beside the same labels, also where two folders have a file of one name."""
    (photos / "red" / "broken.png").write_bytes(b"no picture")
    names = [str(photos / "blue"), str(photos / "red"), "--top", "3", "--heatmap"]
    capsys.readouterr()
    assert main([str(run), *names[:-1]]) == 3
    plain = capsys.readouterr().out
    for _ in range(2):
        assert main([str(run), *names, str(tmp_path / "maps")]) == 3
        assert capsys.readouterr().out == plain
        assert len(list((tmp_path / "maps").glob("*.png"))) == 28
    labels = {line.split("  ")[0]: line.split("  ")[1].split(" ") for line in plain.splitlines()}
    for file in (tmp_path / "maps").glob("*.npz"):
        with np.load(file) as arrays:
            label, probability = labels.pop(str(arrays["path"]))
            assert arrays["label"] == label
            assert arrays["probability"] == pytest.approx(float(probability), abs=1e-3)
    assert list(labels) == [str(photos / "red" / "broken.png")]
    assert main([str(run), *names, str(tmp_path / "low"), "--unit", "1", "--quiet"]) == 3
    high, low = (np.load(tmp_path / folder / "00.npz")["map"] for folder in ("maps", "low"))
    assert np.abs(high - low).max() > 1e-3
    for wrong, message in (
        ([str(run), *names, str(tmp_path / "none"), "--unit", "top"], "top_conv. Received: top."),
        ([str(run), str(run), *names, str(tmp_path / "none")], "of one model. Received: 2."),
    ):
        assert main(wrong) == 2
        assert message in capsys.readouterr().err


def test_what_was_done_before_ctrl_c_is_there(run, photos, fork, tmp_path):
    paths = [str(path) for path in sorted(photos.glob("*/*.png"))] * 1000
    (tmp_path / "list.csv").write_text("path\n" + "\n".join(paths))
    out = tmp_path / "labels.csv"
    command = fork("tl_predict", [run, tmp_path / "list.csv", "--out", out, "--views", 4])
    while not any(path.stat().st_size > 10_000 for path in tmp_path.glob("*-labels.csv")):
        assert command.alive
        time.sleep(0.02)
    command.interrupt()
    assert "the images so far are in" in command.ends(130)
    with out.open() as lines:
        rows = list(csv.DictReader(lines))
    assert 0 < len(rows) < len(paths)
    assert [row["path"] for row in rows] == paths[: len(rows)]
    assert not list(tmp_path.glob("*-labels.csv"))


def test_several_labels(settings, photos, tmp_path, capsys):
    lines = ["path,labels"]
    lines += [f"{p.relative_to(photos)},{p.parent.name};all" for p in photos.glob("*/*.png")]
    (photos / "labels.csv").write_text("\n".join(lines))
    run = tl.fit("head", **(settings | {"dataset": f"csv:{photos / 'labels.csv'}"}))
    out = tmp_path / "labels.csv"
    flags = ["--out", str(out), "--threshold"]
    for threshold, expected in (("0", "all;blue;green;red"), ("1", "")):
        assert main([str(run.directory), str(photos / "red"), *flags, threshold]) == 0
        with out.open() as text:
            assert {row["predicted"] for row in csv.DictReader(text)} == {expected}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "must get the directory of a run, then images"),
        (["RUN"], "must get the directory of a run, then images"),
        (["nowhere", "x.png"], "must be the directory of a finished run"),
        (["RUN", "nothing*.png"], "no image"),
        (["RUN", "x.png", "--top", "0"], "--top must be at least 1"),
        (["RUN", "x.png", "--out", "labels.txt"], "--out must end in .csv or .jsonl"),
        (["RUN", "x.png", "--out", "/dev/null/labels.csv"], "--out must be a path to write to"),
        (["RUN", "x.png", "--sort", "/dev/null"], "--sort must be a path to write to"),
        (["a", "x.png", "--heatmap", "/dev/null"], "--heatmap must be a path to write to"),
        (["a", "x.png", "--heatmap", "MAPS", "--views", "2"], "--views must be 1 with --heatmap"),
        (["a", "x.png", "--views", "crops"], "--views must be at least 1, or crops16"),
        (["a", "x.png", "--unit", "2"], "--unit must come with --heatmap. Received: 2"),
        (["RUN", "x.png", "--threshold", "3"], "--threshold must be from 0 to 1"),
        (["~nobody_at_all/run", "x.png"], "A path must be one that you can read"),
    ],
)
def test_mistakes(request, capsys, tmp_path, arguments, message):
    places = {"MAPS": str(tmp_path / "maps")}
    if "RUN" in arguments:
        places["RUN"] = str(request.getfixturevalue("run"))
    arguments = [places.get(argument, argument) for argument in arguments]
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
