import csv
import dataclasses
import json
import pathlib
import shutil

import keras
import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

import tl_strategies as tl
from tl_strategies.api import fit
from tl_strategies.directories import MARK
from tl_strategies.errors import UsageError
from tl_strategies.opening import locked
from tl_strategies.plans.plan import Plan
from tl_strategies.runs.job import check
from tl_strategies.search.search import finish, open_search
from tl_strategies.search.settings import SearchSettings
from tl_strategies.store.cache import store_directory
from tl_strategies.store.store import Store

PLUGIN = """
import tl_strategies as tl

@tl.register("picky{number}")
class Picky(tl.Strategy):
    '''Takes some depths only.'''

    def __init__(self, n=None):
        if n is not None and str(n) not in {depths}:
            raise ValueError(f"no {{n}} please")
        self.n = n

    def trainable(self, unit, depth_count):
        return unit.depth > self.n
"""


@pytest.fixture
def directory(base):
    return pathlib.Path(base.run_dir)


def rows_of(directory, *without):
    """trials.csv, without the columns that differ from time to time."""
    rows = csv.DictReader((directory / "trials.csv").read_text().splitlines())
    return [{k: v for k, v in row.items() if k not in ("seconds", *without)} for row in rows]


def test_every_depth_with_every_seed(finished):
    directory, found = finished.directory, finished.found
    rows = rows_of(directory)
    assert [(row["n"], row["seed"]) for row in rows] == [
        ("1", "0"),
        ("1", "1"),
        ("4", "0"),
        ("4", "1"),
    ]
    assert {row["status"] for row in rows} == {"completed"}
    assert {score["n"] for score in found.summary["curve"]} == {1, 4}
    with Image.open(directory / "depth_curve.png") as figure:
        assert figure.size == (880, 616)
    by_n = {n: [float(r["validation_accuracy"]) for r in rows if r["n"] == n] for n in ("1", "4")}
    best = max(by_n, key=lambda n: (np.mean(by_n[n]), int(n)))
    assert found.point.n == int(best)
    assert found.summary["chosen"]["validation"][0] == pytest.approx(np.mean(by_n[best]), abs=1e-6)
    [kept] = directory.glob("trials/*/*/checkpoints")
    assert kept.parent.parent.name == found.point.trial_id


def test_features_are_computed_once(find, base):
    find(depths="1,2,3")
    tables = Store(store_directory(base.cache_dir)).tables()
    depths = [table["depth"] for table in tables if table["kind"] == "features"]
    assert sorted(depths) == [1, 2, 3]


def test_a_trial_scores_what_a_run_does(finished, tmp_path):
    row = next(row for row in rows_of(finished.directory) if row["n"] == "4" and row["seed"] == "0")
    config = {k: v for k, v in finished.base.to_config().items() if k not in ("strategy", "n")}
    run = fit("partial", n=4, run_dir=tmp_path / "run", **config)
    for part in ("validation", "test"):
        assert float(row[f"{part}_accuracy"]) == pytest.approx(
            run.metrics[part]["accuracy"], abs=1e-6
        )


def test_the_best_is_finished_without_training_it_again(finished, monkeypatch):
    directory, found = finished.directory, finished.found
    monkeypatch.setattr(keras.Model, "fit", lambda *a, **k: pytest.fail("trained again"))
    best = finish(found, directory / "best")
    rows = [row for row in rows_of(directory) if int(row["n"]) == found.point.n]
    row = max(rows, key=lambda row: float(row["validation_accuracy"]))
    assert best.metrics["test"]["accuracy"] == pytest.approx(float(row["test_accuracy"]), abs=1e-6)
    keras.models.load_model(directory / "best" / "model.keras")
    plan = Plan.from_json((directory / "best" / "plan.json").read_text())
    assert plan.n == found.point.n


def test_the_best_trained_anew_on_train_and_validation(find, directory):
    found = find(depths="4", retrain=True)
    best = finish(found, directory / "best")
    lines = (directory / "best" / "split.csv").read_text().splitlines()
    parts = [row["part"] for row in csv.DictReader(lines)]
    assert set(parts) == {"train", "test"}
    assert best.metrics["validation"] == {}
    assert len(list((directory / "best" / "checkpoints").glob("best-0-2.npz"))) == 1


def test_the_same_command_goes_on_and_another_is_refused(finished, tmp_path, monkeypatch):
    find, flags = finished.find, finished.flags
    before = rows_of(finished.directory)
    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "fit", lambda *a, **k: pytest.fail("trained again"))
        finished.again()
    assert rows_of(finished.directory) == before
    with pytest.raises(UsageError, match=r"learning_rate was 0\.03, is 0\.1"):
        find({"learning_rate": 0.1}, **flags)
    with pytest.raises(UsageError, match=r"depths was .* is"):
        find(**flags | {"depths": "1,2,3"})
    fewer = shutil.copytree(finished.photos, tmp_path / "fewer")
    (fewer / "red" / "00.png").unlink()
    place = finished.photos.rename(tmp_path / "all")
    fewer.rename(finished.photos)
    with pytest.raises(UsageError, match=r"the images was .42 with digest"):
        finished.again()
    shutil.rmtree(finished.photos)
    place.rename(finished.photos)


def test_another_backbone_is_refused(find, base, backbone, tmp_path):
    copy = tmp_path / "copy.keras"
    copy.write_bytes(pathlib.Path(backbone).read_bytes())
    find({"backbone": str(copy)}, depths="5")
    model = keras.models.load_model(copy)
    model.layers[2].set_weights([2 * model.layers[2].get_weights()[0]])
    model.save(copy)
    with pytest.raises(UsageError, match="the backbone was"):
        find({"backbone": str(copy)}, depths="5")


def test_a_space_with_settings_and_options(find, directory, tmp_path):
    file = tmp_path / "space.toml"
    file.write_text("n = [2, 5]\nbatch_size = [4]\nlowest_multiplier = [0.001, 0.1]\n")
    found = find(space=str(file))
    rows = rows_of(directory)
    assert len(rows) == 4
    assert {(row["n"], row["batch_size"], row["lowest_multiplier"]) for row in rows} == {
        (n, "4", rate) for n in "25" for rate in ("0.001", "0.1")
    }
    assert len(found.summary["curve"]) == 2


@pytest.mark.parametrize("tuner", ["random", "bayesian"])
def test_tuners_of_kerastuner(find, directory, tuner):
    find(tuner=tuner, space="standard", trials=2)
    rows = rows_of(directory)
    assert len(rows) == 2
    assert len({row["learning_rate"] for row in rows}) == 2


def test_hyperband_goes_on_where_a_trial_ended(find, directory):
    found = find({"epochs": 3}, tuner="hyperband")
    rows = rows_of(directory)
    assert {row["epochs"] for row in rows} == {"1", "3"}
    assert found.summary["chosen"]["values"]["epochs"] == 3
    oracle = json.loads((directory / "oracle.json").read_text())
    seen = 0
    for trial in oracle["trials"]:
        values = trial["hyperparameters"]["values"]
        log = directory / "trials" / trial["trial_id"] / "seed0" / "result.json"
        assert log.is_file()
        if values.get("tuner/trial_id"):
            seen += 1
            assert values["tuner/initial_epoch"] == 1
    assert seen
    finish(found, directory / "best")


def plugin(tmp_path, number, depths):
    file = tmp_path / f"picky{number}.py"
    file.write_text(PLUGIN.format(number=number, depths=depths))
    return {"strategy": f"picky{number}", "plugin": (str(file),)}


def test_depths_that_the_strategy_refuses_are_failed_trials(find, directory, tmp_path):
    found = find(plugin(tmp_path, 1, ["4", "5"]))
    rows = {row["n"]: row for row in rows_of(directory)}
    assert [n for n in rows if rows[n]["status"] == "completed"] == ["4", "5"]
    assert [n for n in rows if rows[n]["status"] == "failed"] == ["0", "1", "2", "3"]
    assert "no 2 please" in rows["2"]["reason"]
    assert found.summary["trials"] == {"completed": 2, "failed": 4}


def test_a_search_in_which_all_fails_stops_soon(find, directory, tmp_path):
    with pytest.raises(UsageError, match="no 2 please"):
        find(plugin(tmp_path, 2, []))
    assert len(rows_of(directory)) == 3


def test_a_probe_leaves_depths_out(find, directory, capsys, monkeypatch):
    right = {n: np.array([True] * 6 + [n > 3] * 30) for n in range(6)}
    monkeypatch.setattr("tl_strategies.search.probe.probe_depths", lambda *a: right)
    found = find(probe_first=True)
    assert [score["n"] for score in found.summary["curve"]] == [4, 5]
    assert found.summary["left_out"]["depths"] == [0, 1, 2, 3]
    assert found.summary["left_out"]["saved"] > 0.5
    assert (
        "n = 0 (0.167), 1 (0.167), 2 (0.167), 3 (0.167); the best has 1.000"
        in capsys.readouterr().out
    )


def test_from_python(base, tmp_path):
    other = ("strategy", "deterministic", "train_on")
    flags = {name: value for name, value in base.to_config().items() if name not in other}
    run = tl.search_depth("partial", depths="4,5", run_dir=tmp_path / "search", **flags)
    assert run.plan.n in (4, 5)
    assert run.directory == tmp_path / "search" / "best"
    with pytest.raises(UsageError, match="Did you mean 'depths'"):
        tl.search_depth("partial", depth="all")


@pytest.mark.parametrize(
    ("others", "flags", "message"),
    [
        ({"strategy": "add_fc"}, {"probe_first": True, "space": "standard"}, "--probe_first"),
        (
            {"strategy": "fixed"},
            {"retrain": True},
            "--retrain, or --protocol vtab1k, must come with",
        ),
        ({"patience": 1}, {"retrain": True}, "--patience"),
        ({"train_on": "train+validation"}, {}, "--train_on train"),
        ({"epochs": 30}, {"tuner": "hyperband"}, "at least 34 points"),
    ],
)
def test_what_would_fail_after_the_trials_is_said_before(find, directory, others, flags, message):
    if "space" in flags:
        flags = {**flags, "tuner": "random"}
    with pytest.raises(UsageError, match=message):
        find(others, **flags)
    assert not (directory / "search.json").exists()


def test_one_search_at_a_time_in_a_directory(find, directory):
    directory.mkdir()
    with locked(directory / MARK), pytest.raises(UsageError, match="another process is at work"):
        find(depths="5")


@pytest.mark.parametrize("lost", ["trial", "result", "damaged result"])
def test_a_trial_whose_results_are_gone_is_run_again(finished, lost):
    before = rows_of(finished.directory)
    trial = finished.directory / "trials" / "1"
    if lost == "trial":
        shutil.rmtree(trial)
    elif lost == "result":
        (trial / "seed0" / "result.json").unlink()
    else:
        (trial / "seed0" / "result.json").write_text("{")
    finished.again()
    assert rows_of(finished.directory) == before


@pytest.mark.parametrize("swapped", [False, True])
def test_a_search_that_lost_its_oracle_uses_what_is_there(finished, swapped, monkeypatch):
    """A result counts for its own point only."""
    before = rows_of(finished.directory)
    (finished.directory / "oracle.json").unlink()
    trials = finished.directory / "trials"
    if swapped:
        (trials / "0").rename(trials / "old")
        (trials / "1").rename(trials / "0")
        (trials / "old").rename(trials / "1")
    else:
        monkeypatch.setattr(keras.Model, "fit", lambda *a, **k: pytest.fail("trained again"))
    finished.again()
    assert rows_of(finished.directory) == before


@pytest.mark.parametrize("name", ["oracle.json", "search.json"])
def test_a_search_that_cannot_be_read_is_said(finished, name):
    (finished.directory / name).write_text("{")
    with pytest.raises(UsageError, match="which is damaged"):
        finished.again()


def test_a_probe_without_a_store(find, directory):
    find({"cache": "off"}, depths="4,5", probe_first=True)
    assert set(json.loads((directory / "probe.json").read_text())["accuracies"]) == {"4", "5"}


def test_trials_csv_is_written_again_where_it_is_missing(finished):
    before = (finished.directory / "trials.csv").read_text()
    (finished.directory / "trials.csv").unlink()
    finished.again()
    assert (finished.directory / "trials.csv").read_text() == before


def test_tensorboard_compares_trials_by_what_varies(finished):
    events = EventAccumulator(str(finished.directory)).Reload()
    content = events.SummaryMetadata("_hparams_/experiment").plugin_data.content
    experiment = plugin_data_pb2.HParamsPluginData.FromString(content).experiment
    assert [info.name for info in experiment.hparam_infos] == ["n"]
    assert "depth curve" in events.Tags()["tensors"]
    trial = EventAccumulator(str(finished.directory / "trials" / "0" / "seed0")).Reload()
    content = trial.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    session = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert session.hparams["n"].number_value == 1
    assert {"validation/accuracy", "test/accuracy"} <= set(trial.Tags()["tensors"])


@pytest.mark.parametrize(("cache", "views"), [("auto", 4), ("off", 6)])
def test_trials_of_all_depths_see_as_many_views(base, cache, views):
    """Whether their features are stored or not."""
    settings = dataclasses.replace(base, augment="flip", epochs=6, cache=cache)
    assert open_search(check(settings), SearchSettings()).settings.views == views
    plain = dataclasses.replace(settings, augment="none")
    assert open_search(check(plain), SearchSettings()).settings.views is None
