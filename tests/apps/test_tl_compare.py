"""tl-compare as a user types it."""

import csv
import subprocess
import sys

import numpy as np
import pytest

from tests.runs.test_compare import write_run
from tl_apps.tl_compare import main

SLOW = """
import sys
from tl_apps.tl_compare import main
assert main(sys.argv[1:]) == 0
assert not {"keras", "tensorflow", "sklearn", "matplotlib"} & set(sys.modules)
"""


@pytest.fixture
def runs(tmp_path):
    hits = np.arange(100) < 70
    first = write_run(tmp_path / "runs" / "=first", 0.9, hits)
    (first / "worst.png").write_bytes(b"a picture")
    write_run(tmp_path / "runs" / "second", 0.8, np.roll(hits, 1), epochs=20)
    write_run(tmp_path / "runs" / "third", 0.7, ~hits, epochs=3)
    return tmp_path / "runs"


def test_the_table_and_what_it_means(runs, tmp_path, capsys):
    files = [tmp_path / "table.csv", tmp_path / "page.html"]
    flags = ["--csv", str(files[0]), "--html", str(files[1])]
    assert main([str(runs / "third"), str(runs), *flags]) == 0
    output = capsys.readouterr().out
    lines = output.splitlines()
    assert lines[0] == (
        "strategy partial, n 9, backbone tiny, dataset folder:photos, metric accuracy"
    )
    heads = [
        "run",
        "epochs",
        "validation",
        "test",
        "trained",
        "seconds",
        "to",
        "the",
        "first",
        "images",
    ]
    assert lines[1].split() == heads
    assert [line.split()[0] for line in lines[2:5]] == ["1", "2", "3"]
    assert "+0.0 [" in lines[3]
    assert lines[3].split()[-2:] == ["?", "100"]
    assert "-40.0 [" in lines[4]
    assert "1 of 2 (?) cannot be told apart from it" in output
    with files[0].open() as text:
        rows = list(csv.DictReader(text))
    assert [row["validation"] for row in rows] == ["0.9", "0.8", "0.7"]
    assert float(rows[2]["upper"]) < 0
    page = files[1].read_text()
    assert page.count("<tr>") == 4
    assert page.count("data:image/png;base64,YSBwaWN0dXJl") == 1


def test_without_keras(runs):
    result = subprocess.run([sys.executable, "-c", SLOW, str(runs)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_mistakes(tmp_path, capsys):
    for arguments, message in (
        ([str(tmp_path)], "must have finished runs"),
        ([str(tmp_path), "--cvs", "x"], "Did you mean --csv?"),
    ):
        assert main(arguments) == 2
        assert message in capsys.readouterr().err
