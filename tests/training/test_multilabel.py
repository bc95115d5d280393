"""Several labels an image, from a table: every strategy, the search, the files of a run."""

import csv
import json

import keras
import numpy as np
import pytest
from PIL import Image

import tl_strategies as tl


@pytest.fixture
def table(tmp_path):
    """60 pictures whose bright channels are their labels; some have none, or a weight."""
    lines = ["path,labels,weight"]
    rng = np.random.default_rng(0)
    for i in range(60):
        present = np.array([i % 2, i // 2 % 2, i // 4 % 2], bool)
        pixels = rng.integers(0, 80, (20, 20, 3)) + 150 * present
        Image.fromarray(pixels.astype("uint8")).save(tmp_path / f"{i:02}.png")
        names = "|".join(np.array(["red", "green", "blue"])[present])
        lines.append(f"{i:02}.png,{names},{1 + i % 2}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    return str(tmp_path / "table.csv")


@pytest.fixture
def settings(table, backbone, tmp_path):
    return {
        "dataset": f"csv:{table}",
        "backbone": backbone,
        "epochs": 16,
        "batch_size": 8,
        "learning_rate": 0.03,
        "run_dir": str(tmp_path / "run"),
        "cache_dir": str(tmp_path / "cache"),
    }


@pytest.mark.parametrize("name", ["partial", "fixed"])
def test_strategies_learn(settings, name):
    run = tl.fit(name, **settings)
    test = run.metrics["test"]
    assert test["mean_average_precision"] > 0.75  # by chance: 0.5
    assert set(run.metrics["classes"]) == {"blue", "green", "red"}
    with (run.directory / "predictions.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert {"blue;red", ""} < {row["label"] for row in rows}
    for row in rows:
        sure = [name for name in ("blue", "green", "red") if float(row[name]) > 0.5]
        assert row["predicted"] == ";".join(sure)
    assert run.model.layers[-1].activation is keras.activations.sigmoid
    for figure in ("reliability", "worst", "least_certain"):
        assert (run.directory / f"{figure}.png").is_file()
    assert (run.directory / "split.csv").read_text().startswith("path,label,part,weight\n")


def test_a_search_goes_by_average_precision(settings):
    run = tl.search_depth("partial", depths="4", **settings | {"epochs": 2})
    head = (run.directory.parent / "trials.csv").read_text().splitlines()[0]
    assert "validation_mean_average_precision,test_mean_average_precision" in head
    summary = json.loads((run.directory.parent / "summary.json").read_text())
    assert summary["metric"] == "mean_average_precision"


def test_adapt_for_a_loop_of_one_s_own(backbone):
    from tl_strategies.testing import tiny_batch

    task = tl.Task(("a", "b"), multilabel=True)
    model = tl.get_strategy("partial")(n=2).adapt(keras.models.load_model(backbone), task)
    images, labels = tiny_batch()
    targets = np.stack([labels > 0, labels > 1], axis=1).astype("float32")
    model.fit(images, targets, verbose=0)
    found = model.predict(images, verbose=0)
    entropy = -np.log(np.where(targets, found, 1 - found)).mean()  # of each label alone
    loss = model.evaluate(images, targets, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(entropy, rel=1e-4)


def test_balanced_classes_are_refused(settings):
    with pytest.raises(tl.UsageError, match="--class_weight must be none"):
        tl.fit("head", class_weight="balanced", **settings)
