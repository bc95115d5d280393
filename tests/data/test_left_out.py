"""Thousands of files that are left out are a few lines."""

from tl_strategies.data.left_out import CAUSES, left_out_lines


def test_few_are_all_named():
    files = [("a/x.png", "the file is empty"), ("a/y.png", "the file does not exist")]
    assert left_out_lines(files) == [f"{path}: {why}" for path, why in files]
    assert left_out_lines([]) == []


def test_many_are_counted_by_cause_and_extension():
    files = [(f"a/{i}.txt", "not an image") for i in range(9000)]
    files += [(f"a/{i}.XML", "not an image") for i in range(600)]
    files += [(f"a/{i}", "not an image") for i in range(2)]
    files += [(f"a/{i}.jpg", f"truncated ({i} bytes not processed)") for i in range(50)]
    assert left_out_lines(files) == [
        "a/0.txt: not an image",
        "a/1.txt: not an image",
        "a/2.txt: not an image",
        "and 9,599 more like this: 8,997 .txt, 600 .xml, 2 without extension",
        "a/0.jpg: truncated (0 bytes not processed)",
        "a/1.jpg: truncated (1 bytes not processed)",
        "a/2.jpg: truncated (2 bytes not processed)",
        "and 47 more like this: 47 .jpg",
    ]


def test_reasons_without_end():
    files = [(f"{i}.png", "x" * (i + 1)) for i in range(500)]
    lines = left_out_lines(files)
    assert len(lines) == CAUSES + 1
    assert lines[-1] == f"and {500 - CAUSES} for {500 - CAUSES} other reasons"


def test_extensions_without_end():
    lines = left_out_lines([(f"a.{i}", "x") for i in range(500)])
    assert len(lines) == 4
    assert lines[-1].endswith("and 492 other extensions")


def test_names_of_any_bytes_are_one_line_each():
    (line,) = left_out_lines([("in\udcffvalid\nname" + "x" * 5000, "why")])
    assert line.startswith("in\\xffvalid\\nname")
    assert len(line) < 500
