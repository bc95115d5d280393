"""Parts: as the data says, as a file says, by folds and protocols; no content in two of them."""

import dataclasses

import numpy as np
import pytest

import tl_strategies as tl
from tl_strategies.data.contents import Arrays
from tl_strategies.data.csv_file import split_csv
from tl_strategies.data.listing import Listing
from tl_strategies.data.parts import Splitting, assign_parts
from tl_strategies.data.split import PARTS, split, stratify

COUNT = 400


def listing(seed, multilabel=False, grouped=False, copies=True, parts=None, count=COUNT):
    """Images of random labels, some of them the same, with the digest of each."""
    rng = np.random.default_rng(seed)
    names = ("a", "b", "c")
    if multilabel:
        labels = rng.random((count, 3)) < (0.5, 0.2, 0.05)
    else:
        labels = rng.choice(3, count, p=(0.6, 0.3, 0.1))
    contents = rng.integers(0, count // 2 if copies else 2**40, count)
    groups = contents // 2
    groups[::50] = rng.integers(0, groups.max(), len(groups[::50]))  # a content in several groups
    made = Listing(
        source="made up",
        paths=tuple(f"{i}.png" for i in range(count)),
        labels=labels,
        task=tl.Task(names, multilabel),
        contents=Arrays([]),
        groups=groups if grouped else None,
        parts=parts,
    )
    return made, contents.astype("S32")


def apart(made, keys, kept, parts):
    """Is every content, and every group, in one part?"""
    for numbers in (keys[kept], made.groups):
        if numbers is not None:
            for number in np.unique(numbers):
                assert len(set(parts[numbers == number])) == 1


@pytest.mark.parametrize("multilabel", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"limit": 50},
        {"shots": 3},
        *({"folds": 4, "fold": fold} for fold in (1, 4)),
        {"validation": False},
    ],
)
def test_nothing_is_in_two_parts(multilabel, grouped, seed, how):
    made, keys = listing(seed, multilabel, grouped)
    used, kept, parts, train = assign_parts(made, keys, Splitting(seed=seed, **how))
    apart(used, keys, kept, parts)
    assert set(parts[train]) == {"train"}
    assert set(parts) == set(PARTS) - (set() if how.get("validation", True) else {"validation"})
    for part in set(parts):
        assert used.counts(np.flatnonzero(parts == part)).all()


@pytest.mark.parametrize("multilabel", [False, True])
def test_groups_are_stratified(multilabel):
    made, keys = listing(0, multilabel, grouped=True, count=4000)
    used, _, parts, _ = assign_parts(made, keys, Splitting())
    whole = used.counts()
    for part, fraction in zip(PARTS, (0.7, 0.15, 0.15), strict=True):
        share = used.counts(np.flatnonzero(parts == part)) / whole
        np.testing.assert_allclose(share, fraction, atol=0.03)


def test_folds_test_on_everything_once():
    made, keys = listing(1)
    for folds in (2, 3, 5):
        tested = np.zeros(COUNT, int)
        for fold in range(1, folds + 1):
            parts = assign_parts(made, keys, Splitting(folds=folds, fold=fold))[2]
            tested += parts == "test"
            trained = np.mean(parts[parts != "test"] == "train")
            assert trained == pytest.approx(0.85, abs=0.03)
        assert (tested == 1).all()


@pytest.mark.parametrize(
    ("have", "expected"),
    [
        (("train", "test"), {"train": 0.85, "validation": 0.15, "test": 1}),
        (("train", "validation"), {"train": 0.85, "validation": 0.15, "test": 1}),
        (("train", "validation", "test"), {"train": 1, "validation": 1, "test": 1}),
    ],
)
def test_parts_of_the_data_are_kept(have, expected):
    given = np.array(have)[np.arange(COUNT) % len(have)]
    made, keys = listing(0, copies=False, parts=given)
    parts = assign_parts(made, keys, Splitting())[2]
    for part, share in expected.items():
        source = part if part in have else {"test": "validation", "validation": "train"}[part]
        source = "train" if part != "test" and have != PARTS else source
        inside = given == source
        assert np.mean(parts[inside] == part) == pytest.approx(share, abs=0.02)


def test_parts_that_share_images_are_refused():
    given = np.array(PARTS)[np.arange(COUNT) % 3]
    made, keys = listing(0, parts=given)
    with pytest.raises(tl.UsageError, match=r"share images(.|\n)*\.png \((.|\n)*--allow_leaks"):
        assign_parts(made, keys, Splitting())
    parts = assign_parts(made, keys, Splitting(allow_leaks=True))[2]
    np.testing.assert_array_equal(parts, given)
    with pytest.raises(tl.UsageError, match="--folds must come with data that has no parts"):
        assign_parts(made, keys, Splitting(allow_leaks=True, folds=3, fold=1))


@pytest.mark.parametrize("multilabel", [False, True])
def test_vtab1k(multilabel):
    made, keys = listing(3, multilabel, count=6000)
    used, kept, parts, train = assign_parts(made, keys, Splitting(protocol="vtab1k"))
    assert [np.sum(parts == part) for part in PARTS[:2]] == [800, 200]
    assert len(train) == 800
    whole = assign_parts(made, keys, Splitting())[2]
    assert np.sum(parts == "test") == np.sum(whole == "test")
    apart(used, keys, kept, parts)
    train = assign_parts(made, keys, Splitting(protocol="vtab1k", validation=False))[3]
    assert len(train) == 1000
    few, keys = listing(3, count=1000)
    with pytest.raises(tl.UsageError, match="1000 different images"):
        assign_parts(few, keys, Splitting(protocol="vtab1k"))


def test_shots():
    made, keys = listing(0)
    used, _, _, train = assign_parts(made, keys, Splitting(shots=4))
    assert list(used.counts(train)) == [4, 4, 4]
    with pytest.raises(tl.UsageError, match=r"--shots must be at most .* 'c' with"):
        assign_parts(made, keys, Splitting(shots=50))
    made, keys = listing(0, multilabel=True)
    used, _, _, train = assign_parts(made, keys, Splitting(shots=4))
    assert used.counts(train).min() >= 4
    assert len(train) <= 12


@pytest.mark.parametrize("multilabel", [False, True])
def test_limit_is_exact_and_checked(multilabel):
    made, keys = listing(0, multilabel)
    assert len(assign_parts(made, keys, Splitting(limit=37))[3]) == 37
    with pytest.raises(tl.UsageError, match="--limit must be at least 3"):
        assign_parts(made, keys, Splitting(limit=2))


def test_a_split_file_is_followed(tmp_path):
    made, keys = listing(0)
    used, _, parts, _ = assign_parts(made, keys, Splitting(seed=1))
    file = tmp_path / "split.csv"
    file.write_text(split_csv(used, parts))
    again = assign_parts(made, keys, Splitting(seed=2, file=str(file)))[2]
    np.testing.assert_array_equal(again, parts)
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:-1]))
    used, kept, _, _ = assign_parts(made, keys, Splitting(file=str(file)))
    assert len(kept) == COUNT - 1
    assert "1 images are not in --split" in used.notes[0]
    for text, message in [
        ("path,part\nx.png,train\n", "must name images of made up"),
        ("path,part\n0.png,dev\n", "row 2"),
        ("name\nx\n", "columns path and part"),
        ("", "columns path and part"),
    ]:
        file.write_text(text)
        with pytest.raises(tl.UsageError, match=message):
            assign_parts(made, keys, Splitting(file=str(file)))
    with pytest.raises(tl.UsageError, match=r"must be a split\.csv"):
        assign_parts(made, keys, Splitting(file=str(tmp_path)))


def test_groups_and_weights_are_written():
    made, keys = listing(0, grouped=True)
    made = dataclasses.replace(made, weights=np.full(COUNT, 0.5, "float32"))
    lines = split_csv(made, np.full(COUNT, "train")).splitlines()
    assert lines[0] == "path,label,part,group,weight"
    assert lines[1].endswith(f",train,{made.groups[0]},0.5")
    assert len(keys) == COUNT


def test_stratify_has_the_shares_that_were_asked_for():
    labels = np.repeat(np.arange(4), (3, 9, 60, 300))
    part = stratify(labels, np.arange(len(labels)), (0.5, 0.3, 0.2), 0)
    for label in range(4):
        assert len(set(part[labels == label])) == 3
    np.testing.assert_allclose(np.bincount(part) / len(part), (0.5, 0.3, 0.2), atol=0.01)


def test_a_class_with_one_image_stays_in_training():
    labels = np.array([0] * 10 + [1])
    parts = split(labels, 0, fractions=(0.85, 0.15))
    assert parts[-1] == "train"


def rare(count):
    """A class with many images, another one, and a third with few."""
    made, keys = listing(0, copies=False, count=60)
    labels = np.arange(60) % 2
    labels[:count] = 2
    return dataclasses.replace(made, labels=labels), keys


@pytest.mark.parametrize("count", [0, 1, 2])
def test_classes_that_are_not_used_may_be_small(count):
    made, keys = rare(count)
    with pytest.raises(tl.UsageError, match=f"'c' with {count}"):
        assign_parts(made, keys, Splitting())
    with pytest.raises(tl.UsageError, match=f"'c' with {count}"):
        assign_parts(made, keys, Splitting(classes=("a", "c")))
    used, kept, parts, _ = assign_parts(made, keys, Splitting(classes=("b", "a")))
    assert used.task.names == ("b", "a")
    assert set(parts) == set(PARTS)
    assert len(kept) == 60 - count


def test_classes_without_test_images_are_refused():
    given = np.array(PARTS)[np.arange(COUNT) % 3]
    made, keys = listing(0, copies=False)
    given[(given == "test") & (made.labels > 0)] = "train"
    made = dataclasses.replace(made, parts=given)
    assert set(assign_parts(made, keys, Splitting(classes=("a", "b")))[2]) == set(PARTS)
    with pytest.raises(tl.UsageError, match="b, c, without any in test"):
        assign_parts(made, keys, Splitting(classes=("b", "c")))


def alike(count, different, grouped=False):
    """Images of two classes, of few contents or groups."""
    numbers = np.arange(count) % different
    made = Listing(
        source="made up",
        paths=tuple(f"{i}.png" for i in range(count)),
        labels=numbers % 2 if different > 1 else np.arange(count) % 2,
        task=tl.Task(("a", "b")),
        contents=Arrays([]),
        groups=numbers if grouped else None,
    )
    return made, np.arange(count).astype("S32") if grouped else numbers.astype("S32")


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("different", [1, 2])
@pytest.mark.parametrize(
    "how", [{}, {"validation": False}, *({"folds": 3, "fold": fold} for fold in (1, 2, 3))]
)
def test_too_few_different_images_are_refused(grouped, different, how):
    what = "groups" if grouped else "contents"
    with pytest.raises(tl.UsageError, match=f"20 images of {different} {what}, which leaves none"):
        assign_parts(*alike(20, different, grouped), Splitting(**how))


@pytest.mark.parametrize("grouped", [False, True])
def test_enough_different_images_fill_all_parts(grouped):
    for different in range(6, 12):
        parts = assign_parts(*alike(24, different, grouped), Splitting())[2]
        assert set(parts) == set(PARTS)
