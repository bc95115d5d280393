"""Halves of the classes: none is in both, and known splits are the paper's."""

import pytest

import tl_strategies as tl
from tl_strategies.analysis.study.halves import (
    CIFAR100_MAN_MADE,
    IMAGENET_MAN_MADE,
    all_halves,
    make_halves,
)
from tl_strategies.task import Task

FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat")
FASHION += ("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
# Some classes of ImageNet, by their place among the sorted WordNet numbers.
NATURAL = {"tench": 0, "head cabbage": 936, "hay": 958, "alp": 970, "cliff": 972}
MAN_MADE = {"abacus": 398, "bagel": 931, "hotdog": 934, "carbonara": 959}
MAN_MADE |= {"espresso": 967, "bubble": 971, "toilet tissue": 999}


@pytest.mark.parametrize("count", [4, 5, 10, 1000])
def test_random_halves_share_nothing_and_differ(count):
    task = Task(tuple(f"class {i}" for i in range(count)))
    splits = make_halves("random", task, 3, seed=0)
    for halves in splits:
        assert not set(halves.a) & set(halves.b)
        assert {*halves.a, *halves.b} == set(task.names)
        assert 0 <= len(halves.b) - len(halves.a) <= 1
    assert len({halves.name for halves in splits}) == 3
    if count > 5:
        assert len({halves.a for halves in splits}) == 3
    assert splits == make_halves("random", task, 3, seed=0)
    assert make_halves("random", task, 2, seed=1)[0].a == splits[1].a


def test_natural_and_man_made_classes_of_imagenet():
    (halves,) = make_halves("natural_manmade", Task(tuple(map(str, range(1000)))), 1, 0)
    assert (len(halves.b), len(halves.a)) == (551, 449)
    assert {str(i) for i in NATURAL.values()} < set(halves.a)
    assert {str(i) for i in MAN_MADE.values()} < set(halves.b)
    assert len(set(IMAGENET_MAN_MADE)) == 551


def test_natural_and_man_made_classes_of_small_data():
    (halves,) = make_halves("natural_manmade", Task(FASHION), 1, 0)
    assert halves.a == ("T-shirt/top", "Pullover", "Dress", "Coat", "Shirt")
    names = [*CIFAR100_MAN_MADE, *(f"animal {i}" for i in range(70))]
    (halves,) = make_halves("natural_manmade", Task(tuple(names)), 1, 0)
    assert set(halves.b) == set(CIFAR100_MAN_MADE)
    assert len(halves.b) == 30


def test_a_file_names_half(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("Bag\nCoat\n\n")
    (halves,) = make_halves(str(file), Task(FASHION), 1, 0)
    assert (halves.name, halves.a, len(halves.b)) == ("mine", ("Coat", "Bag"), 8)
    for text, message in (("Bag\nHat\n", "'Hat'"), ("Bag\n", "two classes for each half")):
        file.write_text(text)
        with pytest.raises(tl.UsageError, match=message):
            make_halves(str(file), Task(FASHION), 1, 0)


def test_files_of_names_that_mean_something_else(tmp_path):
    for name, message in (("given_classes", "begin with"), ("random", "begin with")):
        file = tmp_path / f"{name}.txt"
        file.write_text("Bag\nCoat\n")
        with pytest.raises(tl.UsageError, match=message):
            make_halves(str(file), Task(FASHION), 1, 0)
    files = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        files.append(tmp_path / folder / "half.txt")
        files[-1].write_text("Bag\nCoat\n")
    with pytest.raises(tl.UsageError, match="different names"):
        all_halves(list(map(str, files)), Task(FASHION), 1, 0)


@pytest.mark.parametrize(
    ("kind", "task", "message"),
    [
        ("natural_manmade", Task(("a", "b", "c", "d")), "must come with"),
        ("random", Task(("a", "b", "c")), "4 classes at least"),
        ("/nowhere.txt", Task(FASHION), "or a file"),
        ("random", Task(FASHION, multilabel=True), "one label each"),
    ],
)
def test_errors(kind, task, message):
    with pytest.raises(tl.UsageError, match=message):
        make_halves(kind, task, 1, 0)
