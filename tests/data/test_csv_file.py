"""A table of images: what its columns say is obeyed, what is wrong names its row."""

import csv

import numpy as np
import pytest

import tl_strategies as tl
from tl_strategies.data.csv_file import list_csv


@pytest.fixture
def table(tmp_path):
    """Writes a table; 12 rows of two classes where none are given."""

    def write(columns, rows):
        file = tmp_path / "table.csv"
        with file.open("w", newline="", encoding="utf-8-sig") as lines:
            writer = csv.writer(lines)
            writer.writerow(columns)
            writer.writerows(rows)
        return file

    return write


PLAIN = [(f"images/{i}.png", "cat" if i % 2 else "dog") for i in range(12)]


def test_paths_count_from_the_file(table, tmp_path):
    listing = list_csv(table(["path", "label"], [*PLAIN, ("/elsewhere/x.png", "cat")]))
    assert listing.paths[3] == str(tmp_path / "images" / "3.png")
    assert listing.paths[12] == "/elsewhere/x.png"
    assert listing.task == tl.Task(("cat", "dog"))
    assert [listing.label_text(i) for i in (0, 1, 12)] == ["dog", "cat", "cat"]
    assert listing.parts is listing.groups is listing.weights is None


def test_optional_columns(table):
    rows = [
        (path, label, ("train", "val", "Test")[i % 3], f"g{i // 2}", i / 2)
        for i, (path, label) in enumerate(PLAIN)
    ]
    listing = list_csv(table(["path", "label", "split", "group", "weight"], rows))
    assert list(listing.parts[:3]) == ["train", "validation", "test"]
    assert listing.groups[0] == listing.groups[1] != listing.groups[2]
    assert listing.weights[3] == 1.5


@pytest.mark.parametrize("separator", [";", "|", " ; "])
def test_several_labels(table, separator):
    rows = [(f"{i}.png", separator.join(["cat", "dog", "owl"][: i % 4])) for i in range(16)]
    listing = list_csv(table(["path", "labels"], rows))
    assert listing.task == tl.Task(("cat", "dog", "owl"), multilabel=True)
    np.testing.assert_array_equal(listing.labels[3], [True, True, True])
    assert listing.label_text(2) == "cat;dog"
    assert listing.label_text(0) == ""


def test_a_row_that_is_there_twice_is_used_once(table):
    listing = list_csv(table(["path", "label"], [*PLAIN, PLAIN[0]]))
    assert len(listing.paths) == 12
    assert listing.notes == ("1 rows are there twice: used once",)


@pytest.mark.parametrize(
    ("columns", "rows", "message"),
    [
        (["path"], [("a.png",)], "columns path and label"),
        (["label", "file"], [("a", "b.png")], "Received: label, file"),
        (["path", "label", "labels"], [("a.png", "b", "c")], "columns path and label"),
        ([], [], "columns path and label"),
        (["path", "label"], [*PLAIN, ("a.png", "cat;dog;owl")], "Row 14 .* a column called labels"),
        (["path", "label"], [*PLAIN, ("images/0.png", "cat")], "rows 2 and 14"),
        (["path", "label"], [*PLAIN, ("a.png", " ")], "Row 14 .* have a label"),
        (["path", "label"], [*PLAIN, ("a.png",)], "Row 14 .* a value for each column"),
        (["path", "label"], [*PLAIN, ("", "cat")], "Row 14 .* have a path"),
        (["path", "label"], [("a.png", "cat")], "at least two labels"),
        (["path", "labels"], [("a.png", "")], "must have labels"),
        (
            ["path", "label", "split"],
            [("a.png", "cat", "other"), ("b.png", "dog", "test")],
            "Row 2 .* 'other'",
        ),
        (["path", "label", "weight"], [("a", "cat", "x"), ("b", "dog", 1)], "Row 2 .* weight"),
        (["path", "label", "weight"], [("a", "cat", -1), ("b", "dog", 1)], "Row 2 .* weight"),
    ],
)
def test_what_is_wrong_names_its_row(table, columns, rows, message):
    with pytest.raises(tl.UsageError, match=message):
        list_csv(table(columns, rows))


@pytest.mark.parametrize("separator", ["\\", "/"])
def test_tables_of_windows(table, tmp_path, separator):
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "photos" / "cat" / "0.png").touch()
    (tmp_path / "odd\\name.png").touch()
    paths = [separator.join(("photos", "cat", "0.png")), "odd\\name.png", "gone\\x.png"]
    listing = list_csv(table(["path", "label"], [*PLAIN, *((path, "cat") for path in paths)]))
    found = [str(tmp_path / path) for path in ("photos/cat/0.png", "odd\\name.png", "gone\\x.png")]
    assert list(listing.paths[12:]) == found
    note = ("backslashes in 1 paths: read as in Windows",)
    assert listing.notes == (note if separator == "\\" else ())


def test_two_ways_to_write_a_path_are_one_image(table, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "0.png").touch()
    same = [("./images/0.png", "dog"), ("images\\0.png", "dog")]
    listing = list_csv(table(["path", "label"], [*PLAIN, *same]))
    assert len(listing.paths) == 12
    assert "2 rows are there twice: used once" in listing.notes


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        (("Training", "dev", "Test"), ("train", "validation", "test")),
        (("train", "val", "eval"), ("train", "validation", "test")),
        (("train_set", "Eval", "train_set"), ("train", "validation", "train")),
    ],
)
def test_parts_may_have_their_usual_names(table, values, parts):
    rows = [(path, label, values[i % 3]) for i, (path, label) in enumerate(PLAIN)]
    listing = list_csv(table(["path", "label", "split"], rows))
    assert tuple(listing.parts[:3]) == parts
    assert listing.notes[0].startswith("parts: ")


@pytest.mark.parametrize("path", ["nul\0.png", "x" * 5000, "back\\slash" * 900])
def test_paths_that_no_file_can_have(table, path):
    listing = list_csv(table(["path", "label"], [*PLAIN, (path, "cat")]))
    assert len(listing.paths) == 13
    assert listing.contents.digests()[12] == b""


@pytest.mark.parametrize("name", ["nul\0.csv", "x" * 5000])
def test_tables_that_no_file_can_be(tmp_path, name):
    with pytest.raises(tl.UsageError, match="must be a CSV file"):
        list_csv(tmp_path / name)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_no_table(tmp_path, content):
    if content:
        (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(tl.UsageError, match="must be a CSV file"):
        list_csv(tmp_path / "table.csv")
