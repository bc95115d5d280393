"""Runs compared: what is folded into a row, the ranking, intervals that hold what they say."""

import json

import numpy as np
import pytest

import tl_strategies as tl
from tl_strategies.runs.compare import compare, differing, paired_difference

CLASSES = ("cat", "dog")


def write_run(directory, validation, right, test=None, **settings):
    """A finished run's files: how many of its test images are right, out of how many."""
    directory.mkdir(parents=True)
    right = np.asarray(right, bool)
    metrics = {
        **{"strategy": "partial", "n": 9, "backbone": "tiny", "dataset": "folder:photos"},
        "trainable_parameters": 1000,
        "validation": {} if validation is None else {"accuracy": validation},
        "test": {"accuracy": float(right.mean())},
        "seconds": {"total": 2.0},
    }
    metrics |= {name: settings.pop(name) for name in list(settings) if name in metrics}
    (directory / "metrics.json").write_text(json.dumps(metrics))
    config = {"seed": 0, "run_dir": str(directory), "epochs": 8} | settings
    lines = [f"{name} = {json.dumps(value)}" for name, value in config.items()]
    (directory / "config.toml").write_text("\n".join(lines))
    rows = ["path,label,predicted,part,cat,dog", "v.png,cat,dog,validation,0,1"]
    names = range(len(right)) if test is None else test
    for name, hit in zip(names, right, strict=True):
        rows.append(f"{name}.png,cat,{CLASSES[not hit]},test,1,0")
    (directory / "predictions.csv").write_text("\n".join(rows) + "\n")
    return directory


def test_ranked_by_validation_with_differences_to_the_first(tmp_path):
    hits = np.arange(200) < 150
    write_run(tmp_path / "a", 0.7, hits)
    write_run(tmp_path / "b", 0.8, ~hits, epochs=20)
    write_run(tmp_path / "deep" / "c", 0.9, np.roll(hits, 2), strategy="full", n=0)
    write_run(tmp_path / "d", None, hits, dataset="folder:others", test=range(500, 700))
    rows = compare([tmp_path])
    assert [row.directories[0].name for row in rows] == ["d", "c", "b", "a"]
    other, *rows = rows  # another task
    assert other.difference is None
    assert rows[0].difference is None
    assert rows[1].difference[0] == pytest.approx(0.25 - 0.75)
    assert (rows[1].told_apart, rows[2].told_apart) == (True, False)
    assert rows[2].difference[0] == 0
    assert rows[2].difference[3] == 200
    assert differing(rows) == ["epochs"]
    records = [row.record(differing(rows)) for row in rows]
    assert [record["strategy"] for record in records] == ["full", "partial", "partial"]
    assert [record["epochs"] for record in records] == [8, 20, 8]


def test_runs_that_differ_in_seeds_are_a_row(tmp_path):
    for seed in range(3):
        write_run(tmp_path / f"seed{seed}", 0.6 + 0.1 * seed, np.arange(10) < 5 + seed, seed=seed)
    write_run(tmp_path / "other", 0.5, np.arange(10) < 5, learning_rate=0.1)
    rows = compare([tmp_path, tmp_path / "seed1"])
    assert [len(row.directories) for row in rows] == [3, 1]
    assert rows[0].score("validation") == (pytest.approx(0.7), pytest.approx(0.1))
    assert rows[0].record([])["seconds"] == 6
    assert rows[1].difference[0] == pytest.approx(-0.1)
    assert rows[0].name.endswith("seed0 (3 runs)")


def test_runs_searches_and_folds_of_ours(settings, tmp_path):
    flags = settings | {"epochs": 1}
    tl.fit("head", **flags)
    tl.fit("head", folds=3, **(flags | {"run_dir": str(tmp_path / "folds")}))
    tl.search_depth(depths="1,2", **(flags | {"run_dir": str(tmp_path / "search")}))
    (tmp_path / "stopped").mkdir()
    (tmp_path / "stopped" / "plan.json").write_text("{}")
    rows = {row.note: row for row in tl.compare([tmp_path])}
    assert sorted(rows) == ["", "3 folds", "best of 2 trainings"]
    assert rows["3 folds"].score("test")[1] > 0
    assert {row.told_apart for row in rows.values()} <= {None, True, False}
    assert sum(row.difference is not None for row in rows.values()) == 2


@pytest.mark.parametrize(
    ("label", "predicted", "right"),
    [("cat;dog", "cat;dog", 1), ("cat;dog", "dog", 0.5), ("cat", "dog", 0), ("", "cat;dog", 0)],
)
def test_several_labels_an_image(tmp_path, label, predicted, right):
    for name, told in (("a", label), ("b", predicted)):
        run = write_run(tmp_path / name, 0.9 if name == "a" else 0.5, [True])
        head = (run / "predictions.csv").read_text().splitlines()[0]
        (run / "predictions.csv").write_text(f"{head}\nx.png,{label},{told},test,1,1\n")
        (run / "plan.json").write_text('{"head": {"multilabel": true}}')
        (run / "config.toml").write_text(f'name = "{name}"')
    assert compare([tmp_path])[1].difference[0] == pytest.approx(right - 1)


def test_links_and_other_names_of_a_run_do_not_count(tmp_path):
    run = write_run(tmp_path / "runs" / "a", 0.5, [True])
    (tmp_path / "runs" / "loop").symlink_to(tmp_path / "runs")
    [row] = compare([tmp_path / "runs", run, tmp_path / "runs" / ".." / "runs"])
    assert len(row.directories) == 1


def test_without_validation_images_there_is_no_spread_and_no_first_place(tmp_path):
    for seed in range(2):
        write_run(tmp_path / f"all{seed}", None, [True], seed=seed, train_on="train+validation")
    write_run(tmp_path / "some", 0.3, [False])
    rows = compare([tmp_path])
    assert rows[0].directories[0].name == "some"
    assert rows[1].score("validation")[1] is None


def test_a_search_that_was_probed_first_is_there(tmp_path):
    write_run(tmp_path / "search" / "best", 0.5, [True])
    for name in ("search.json", "probe.json"):
        (tmp_path / "search" / name).write_text("{}")
    assert compare([tmp_path])[0].note == "best of 0 trainings"


@pytest.mark.parametrize(
    ("count", "first", "other", "together"),
    [(50, 0.7, 0.6, 0.5), (165, 0.72, 0.70, 0.62), (165, 0.95, 0.95, 0.93), (1000, 0.8, 0.75, 0.7)],
)
def test_intervals_hold_the_truth_in_95_of_100_cases(count, first, other, together):
    random = np.random.default_rng(0)
    shares = [together, first - together, other - together, 1 - first - other + together]
    inside = 0
    for _ in range(2000):
        both, mine, yours, _ = random.multinomial(count, shares)
        images = np.arange(count)
        scores = (images < both + mine).astype(float)
        others = (
            (images < both) | ((images >= both + mine) & (images < both + mine + yours))
        ) * 1.0
        _, low, high, _ = paired_difference(dict(enumerate(scores)), dict(enumerate(others)))
        inside += low <= first - other <= high
    assert 0.94 <= inside / 2000 <= 0.985


def test_no_common_images_no_difference():
    assert paired_difference({"a": 1.0}, {"b": 1.0}) is None


def test_what_is_no_run_is_left_out(tmp_path, capsys):
    for directories in (tmp_path, tmp_path / "nowhere", []):
        with pytest.raises(tl.UsageError, match="must have finished runs"):
            compare(directories)
    for name, file, text in (
        ("half", "metrics.json", '{"test": {"accuracy": 1}}'),
        ("cut", "predictions.csv", "path,label,predicted,part,cat,dog\nx.png,ca"),
        ("bare", "config.toml", "no toml"),
        ("empty", "metrics.json", ""),
    ):
        (write_run(tmp_path / name, 0.5, [True]) / file).write_text(text)
    write_run(tmp_path / "fine", 0.5, [True])
    (tmp_path / "stopped").mkdir()
    [row] = compare([tmp_path, tmp_path / "stopped"])
    assert row.directories == [tmp_path / "fine"]
    output = capsys.readouterr().out
    assert output.count("left out: ") == 7  # the empty metrics are said to be damaged twice
    assert f"left out: {tmp_path / 'stopped'}: no finished run" in output


def test_runs_themselves(settings):
    run = tl.fit("head", **(settings | {"epochs": 1}))
    assert tl.compare(run)[0].directories == tl.compare([run])[0].directories == [run.directory]
    assert len(repr(tl.compare(run))) < 500
