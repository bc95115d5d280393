"""Cross-validation: each fold a run, their mean and spread."""

import csv
import json
import statistics

import pytest

import tl_strategies as tl


def test_each_fold_is_a_run(settings, tmp_path):
    run = tl.fit("head", folds=3, **settings)
    folds = [
        json.loads((tmp_path / "run" / f"fold{k}" / "metrics.json").read_text()) for k in (1, 2, 3)
    ]
    accuracies = [fold["test"]["accuracy"] for fold in folds]
    assert run.metrics["test"]["accuracy"] == pytest.approx(statistics.fmean(accuracies))
    assert run.metrics["spread"]["test"]["accuracy"] == pytest.approx(statistics.stdev(accuracies))
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == run.metrics
    tested = []
    for k in (1, 2, 3):
        with (tmp_path / "run" / f"fold{k}" / "split.csv").open() as lines:
            tested += [row["path"] for row in csv.DictReader(lines) if row["part"] == "test"]
    assert len(tested) == len(set(tested)) == 42
    with (tmp_path / "run" / "predictions.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert sorted(row["path"] for row in rows) == sorted(tested)
    right = statistics.fmean(row["label"] == row["predicted"] for row in rows)
    assert run.metrics["pooled"]["accuracy"] == pytest.approx(right)
    for name, values in run.metrics["classes"].items():
        hits = [row["predicted"] == name for row in rows if row["label"] == name]
        assert values["recall"] == pytest.approx(statistics.fmean(hits))
    assert (tmp_path / "run" / "confusion_matrix.png").is_file()
    with pytest.raises(tl.UsageError, match="--run_dir must not hold a run yet"):
        tl.fit("head", folds=3, **settings)
    again = tl.fit("head", folds=3, resume=True, **settings)
    assert again.metrics["test"] == run.metrics["test"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"folds": 1}, "--folds must be at least 2"),
        ({"folds": 3, "fold": 4}, "--fold must be at most --folds 3"),
        ({"fold": 1}, "--fold must be"),
        ({"folds": 3, "split": "split.csv"}, "Only one of these"),
        ({"limit": 9, "shots": 3}, "Only one of these"),
        ({"train_split": "train"}, "--dataset tfds:NAME"),
        ({"protocol": "vtab1k", "patience": 1}, "must have validation images"),
        ({"protocol": "vtab1k"}, "1000 different images"),
    ],
)
def test_flags_that_do_not_go_together(settings, flags, message):
    with pytest.raises(tl.UsageError, match=message):
        tl.fit("head", **settings, **flags)
