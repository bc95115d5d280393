"""Labels, copies and outliers by features: what was planted is found, and said in a csv."""

import csv
import pathlib

import numpy as np
import pytest
from PIL import Image

from tl_apps import tl_inspect
from tl_strategies.analysis.labels import COLUMNS, FOLDS, _folds, _neighbours, _unseen, _wrong
from tl_strategies.task import Task

NAMES = ("a", "b", "c")


def problem(count=150, seed=0):
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    means = 3 * np.random.default_rng(9).normal(size=(3, 20))
    return (means[labels] + random.normal(size=(count, 20))).astype("float32"), labels


def test_labels_that_were_changed_are_found():
    codes, labels = problem()
    given = labels.copy()
    given[:6] = (given[:6] + 1) % 3
    probabilities = _unseen(codes, given, Task(NAMES))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    wrong = set(_wrong(given, probabilities).tolist())
    assert wrong <= set(range(6))
    assert len(wrong) >= 4
    np.testing.assert_array_equal(probabilities[:6].argmax(axis=1), labels[:6])


def test_of_several_labels_too():
    codes, labels = problem()
    several = np.stack([labels == 0, labels >= 1, labels == 2], axis=1)
    given = several.copy()
    given[3:6] = ~given[3:6]
    wrong = _wrong(given, _unseen(codes, given, Task(NAMES, multilabel=True)))
    assert set(wrong[:3]) == {3, 4, 5}


@pytest.mark.parametrize("labels", [np.repeat([0, 1, 2], [50, 7, 3]), np.ones((23, 4), bool)])
def test_each_label_is_spread_over_the_folds(labels):
    fold = _folds(labels)
    assert set(fold) == set(range(FOLDS))
    for own in range(3) if labels.ndim == 1 else ():
        counts = np.bincount(fold[labels == own], minlength=FOLDS)
        assert np.ptp(counts) <= 1


def test_copies_in_other_parts_and_outliers():
    codes, _ = problem()
    parts = np.array(["train", "test", "validation"])[np.arange(150) // 50]
    codes[60] = 1.7 * codes[10]  # another part, another brightness
    codes[11] = codes[12]  # the same part
    codes[140] = 50 * np.random.default_rng(3).normal(size=20)
    copies, outliers = _neighbours(codes, parts)
    assert copies == [(10, 60)]
    assert outliers.tolist() == [140]


def test_images_that_are_all_the_same_are_no_outliers():
    copies, outliers = _neighbours(np.ones((12, 4), "float32"), np.array(["train", "test"] * 6))
    assert outliers.tolist() == []
    assert len(copies) > 30


@pytest.fixture
def swapped(tmp_path):
    """Pictures of two kinds, two of which lie in the wrong folder."""
    random = np.random.default_rng(0)
    for colour, name in enumerate(("red", "green")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(24):
            pixels = random.integers(0, 30, (64, 64, 3)) + random.integers(0, 60)
            pixels[..., colour] += 120
            file = tmp_path / "photos" / name / f"{i}.png"
            Image.fromarray(pixels.astype("uint8")).save(file)
    for i in (0, 1):
        (tmp_path / f"photos/red/{i}.png").rename(tmp_path / f"photos/green/red{i}.png")
    return tmp_path / "photos"


def test_the_command_writes_what_it_finds(swapped, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ["--dataset", f"folder:{swapped}", "--labels", "--image_size", "64"]
    assert tl_inspect.main([*command, "--cache_dir", str(tmp_path / "cache")]) == 0
    with (tmp_path / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    named = {row["path"]: row for row in rows if row["finding"] == "label looks wrong"}
    planted = [row for path, row in named.items() if pathlib.Path(path).stem in ("red0", "red1")]
    assert planted
    assert len(named) <= 4
    for row in planted:
        assert (row["label"], row["likelier"]) == ("green", "red")
        assert float(row["probability"]) < 0.5
    with Image.open(tmp_path / "labels.png") as sheet:
        assert sheet.width > 500
    assert "labels look wrong" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--labels"], "--labels must come with --dataset"),
        (["--labels", "--dataset", "clipart", "--json"], "--labels must come without --json"),
        (["--labels", "--dataset", "clipart"], "must not be files of yours"),
        (["--labels", "--dataset", "clipart", "--backbone", "resnet51"], "Did you mean 'resnet50'"),
        (["--dataset", "clipart", "--backbone", "resnet50"], "--backbone"),
    ],
)
def test_what_is_wrong_is_said_first(flags, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if "yours" in message:
        (tmp_path / "labels.csv").write_text("my,own\n")
    assert tl_inspect.main(flags) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "contact_sheet.png").exists()


def test_without_cleanlab_it_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setattr(tl_inspect.importlib.util, "find_spec", lambda name: None)
    assert tl_inspect.main(["--labels", "--dataset", "clipart"]) == 2
    assert "pip install 'tl-strategies[labels]'" in capsys.readouterr().err
