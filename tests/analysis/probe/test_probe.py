"""A probe: its rows, its summary, what is left of it after a stop, what it refuses."""

import csv
import json
import statistics

import keras
import numpy as np
import pytest

import tl_strategies as tl
from tl_strategies.analysis.probe.report import network_names
from tl_strategies.data.parts import Splitting
from tl_strategies.runs.job import check, prepare
from tl_strategies.runs.trainer import Trainer
from tl_strategies.settings.run import Settings
from tl_strategies.testing import tiny_backbone


@pytest.fixture
def given(settings):
    names = ("dataset", "backbone", "run_dir", "cache_dir")
    return {name: settings[name] for name in names} | {"weights": "imagenet", "splits": 2}


def rows_of(directory):
    with (directory / "probe.csv").open() as lines:
        return list(csv.DictReader(lines))


def test_what_a_probe_leaves(given):
    summary = tl.probe(classifiers="ridge,knn", weights=["imagenet", "none"], **without(given))
    directory = summary["directory"]
    rows = rows_of(directory)
    assert len(rows) == 2 * 2 * 5 * 2  # weights, splits, units, classifiers
    keys = ("weights", "depth", "classifier", "split")
    assert len({tuple(row[key] for key in keys) for row in rows}) == len(rows)
    for mean in summary["means"]:
        own = [
            float(row["accuracy"])
            for row in rows
            if (row["classifier"], int(row["depth"])) == (mean["classifier"], mean["depth"])
            and mean["network"].endswith(row["weights"])
        ]
        assert (len(own), mean["splits"]) == (2, 2)
        assert mean["mean"] == pytest.approx(statistics.fmean(own))
        assert mean["deviation"] == pytest.approx(statistics.stdev(own))
    best = max(mean["validation"] for mean in summary["means"])
    assert summary["best"]["validation"] == best
    assert summary["best"]["mean"] > summary["chance"] == pytest.approx(1 / 3)
    table = (directory / "table.txt").read_text()
    assert table.count("mean ± deviation over 2 splits") == 2
    assert f"{100 * summary['best']['mean']:.1f} ±" in table
    assert (directory / "probe.png").stat().st_size > 10_000
    stored = json.loads((directory / "summary.json").read_text())
    assert stored == {name: value for name, value in summary.items() if name != "directory"}


def without(given):
    return {name: value for name, value in given.items() if name != "weights"}


def test_what_is_there_is_not_done_again(given):
    first = tl.probe(depths="1,3,5", classifiers="svm", **given)
    file = first["directory"] / "probe.csv"
    lines = file.read_text().splitlines(keepends=True)
    *cells, _, validation = lines[1].split(",")
    marked = ",".join([*cells, "12345.0", validation])
    file.write_text("".join([lines[0], marked, *lines[2:4]]))
    again = tl.probe(depths="1,3,5", classifiers="svm", **given)
    assert rows_of(first["directory"])[0]["seconds"] == "12345.0"
    without_time = [[{**mean, "seconds": 0} for mean in each["means"]] for each in (first, again)]
    assert without_time[0] == without_time[1]
    with pytest.raises(tl.UsageError, match="depths was"):
        tl.probe(depths="1,3", classifiers="svm", **given)


def test_splits_differ_and_shots_count(settings):
    trainer = Trainer(prepare(check(Settings(**settings, shots=2))))
    first = trainer.images()
    splits = [first.split_again(Splitting(seed=seed, shots=2)) for seed in (0, 1)]
    tested = [set(each.keys[each.positions("test")]) for each in (first, *splits)]
    assert tested[0] == tested[1] != tested[2]
    assert [len(each.positions("train")) for each in splits] == [6, 6]
    np.testing.assert_array_equal(splits[1][np.arange(42)], first[np.arange(42)])


def test_data_with_all_its_parts_has_one_split(given, arrays):
    flags = given | {"dataset": f"npz:{arrays}", "depths": "5", "classifiers": "ridge"}
    assert tl.probe(**flags)["best"]["splits"] == 1
    several = tl.probe(**(flags | {"shots": 3, "run_dir": given["run_dir"] + "2"}))
    assert several["best"]["splits"] == 2


def test_networks_of_one_file_name_are_two():
    networks = [("a/tiny.keras", "none"), ("b/tiny.keras", "none"), ("c/other.keras", "none")]
    names = network_names([*networks, networks[0]])
    assert len(set(names.values())) == 3
    assert names["c/other.keras", "none"] == "other.keras, none"


def test_a_model_and_data_from_memory(given, photos):
    keras.utils.set_random_seed(1)
    given = {name: given[name] for name in ("run_dir", "cache_dir", "splits")}
    summary = tl.probe(
        backbone=tiny_backbone(), dataset=f"folder:{photos}", classifiers="ridge", **given
    )
    assert len(summary["means"]) == 5


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"depths": "9"}, "--depths must be from 0 to 5"),
        ({"depths": "0"}, "--depths must have units, from 1"),
        ({"classifiers": "svn"}, "Did you mean 'svm'"),
        ({"classifiers": ","}, "--classifiers must have some of"),
        ({"splits": 0}, "--splits must be at least 1"),
        ({"epochs": 3}, "epochs"),
    ],
)
def test_mistakes(given, flags, message):
    with pytest.raises(tl.UsageError, match=message):
        tl.probe(**(given | flags))
