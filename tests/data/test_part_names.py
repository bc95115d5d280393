"""Parts are known by the names that people give them, and never become classes."""

import pathlib

import pytest

import tl_strategies as tl
from tl_strategies.data.folder import list_folder
from tl_strategies.data.part_names import parts_of


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("train", "train Training TRAIN train_set trainset train2017 images_train 01-train"),
        ("train", "TrainingData train_images training.set"),
        ("validation", "val valid Validation validate dev Development eval val2017 validation-set"),
        ("test", "test Testing TEST test_set testset test1 test-images imagestest"),
        (None, "cats trains tests value evaluated contest latest device train_cats crash_test"),
        (None, "steam-train test_tube zug 训练 set data"),
    ],
)
def test_a_name_by_itself(part, names):
    for name in names.split():
        assert parts_of([name]).get(name) == part, name


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        ("train dev test", "train validation test"),
        ("train dev eval", "train validation test"),
        ("train val eval", "train validation test"),
        ("train eval test", "train validation test"),
        ("train eval", "train validation"),
        ("train val eval test", "train validation validation test"),
        ("seg_train seg_test", "train test"),
        ("mri-Training mri-Testing", "train test"),
        ("crash_test steam_train", " "),
        ("crash_test crash_dummy", " "),
        ("seg_train seg_test seg_pred", "train test "),
    ],
)
def test_names_side_by_side(names, parts):
    expected = dict(zip(names.split(), parts.split(" "), strict=True))
    assert parts_of(names.split()) == {name: part for name, part in expected.items() if part}


def make(root, *folders):
    for folder in folders:
        (root / folder).mkdir(parents=True)
        for i in range(3):
            (root / folder / f"{i}.jpg").touch()
    return root


@pytest.mark.parametrize(
    "names", [("Training", "Testing"), ("train2017", "val2017"), ("seg_train", "seg_test")]
)
def test_folders_of_parts(tmp_path, names):
    make(tmp_path, *(f"{part}/{name}" for part in names for name in ("cat", "dog")))
    listing = list_folder(tmp_path)
    assert listing.task.names == ("cat", "dog")
    other = "validation" if "val2017" in names else "test"
    assert sorted(set(listing.parts)) == sorted(["train", other])
    assert listing.notes[0].startswith("parts: ")


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["train/a", "train/b", "test/a", "test/b", "readme"], "beside them readme"),
        (["train/a", "train/b", "cats"], "beside them cats"),
        (["train", "cats"], "if train are classes, give them other names"),
        (["Training/a", "Training/b"], "Received: only Training"),
        (["val/a", "test/b"], "one for training"),
        (["train/a", "training/b", "test/a"], "train for train, training for train"),
        (["train/a", "val/a", "dev/a"], "for validation"),
        (["seg_train/a", "seg_test/a", "seg_pred"], "beside them seg_pred"),
    ],
)
def test_parts_are_never_classes(tmp_path, folders, message):
    make(tmp_path, *folders)
    with pytest.raises(tl.UsageError, match=message) as raised:
        list_folder(tmp_path)
    assert str(tmp_path) in str(raised.value)


def test_part_folders_may_be_links(tmp_path):
    make(tmp_path / "disk", "a/x", "a/y", "b/x", "b/y")
    root = pathlib.Path(tmp_path / "photos")
    root.mkdir()
    (root / "train").symlink_to(tmp_path / "disk" / "a")
    (root / "test").symlink_to(tmp_path / "disk" / "b")
    assert list_folder(root).task.names == ("x", "y")
