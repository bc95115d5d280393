import json

import keras_tuner
import pytest

from tl_strategies.search.oracles import OBJECTIVE, Hyperband, Points, make_oracle
from tl_strategies.search.settings import TUNERS, SearchSettings


def space_of(values):
    space = keras_tuner.HyperParameters()
    space.Choice("n", values)
    return space


def oracle_of(tuner, file, ended=lambda trial: None, trials=7):
    search = SearchSettings(tuner=tuner, trials=trials)
    oracle = make_oracle(search, space_of(list(range(8))), 9, 0, lambda point: False)
    oracle.open(file, ended)
    return oracle


def end(oracle, trial, score=None):
    if score is not None:
        oracle.update_trial(trial.trial_id, {"validation_accuracy": score})
    trial.status = "INVALID" if score is None else "COMPLETED"
    oracle.end_trial(trial)


def drive(oracle, ends, most=100):
    """Let one worker run trials until it is told to stop, or for so many."""
    ran = []
    for _ in range(most):
        trial = oracle.create_trial("worker")
        if trial.status == "STOPPED":
            break
        ran.append(trial.hyperparameters.values)
        end(oracle, trial, ends(trial.hyperparameters.values))
    return ran


@pytest.mark.parametrize("tuner", TUNERS)
def test_a_search_that_stops_goes_on_as_if_it_had_not(tuner, tmp_path):
    def score(values):
        return values["n"] / 10

    whole = drive(oracle_of(tuner, tmp_path / "whole.json"), score)
    parts = []
    for _ in range(len(whole)):
        oracle = oracle_of(tuner, tmp_path / "parts.json")
        parts += drive(oracle, score, most=1)
        oracle.create_trial("worker")  # begun, and killed
    assert parts == whole
    assert drive(oracle_of(tuner, tmp_path / "parts.json"), score) == []


def test_exhaustive_has_each_point_once_in_order(tmp_path):
    ran = drive(oracle_of("exhaustive", tmp_path / "o.json"), lambda values: 0.5)
    assert [values["n"] for values in ran] == list(range(8))


def test_points_that_fail_come_last(tmp_path):
    search = SearchSettings()
    oracle = make_oracle(search, space_of([0, 1, 2, 3]), 9, 0, lambda point: point["n"] < 2)
    oracle.open(tmp_path / "o.json", lambda trial: None)
    assert [values["n"] for values in drive(oracle, lambda values: 0.5)] == [2, 3, 0, 1]


def test_failures_among_successes_do_not_stop(tmp_path):
    oracle = oracle_of("exhaustive", tmp_path / "o.json")
    ran = drive(oracle, lambda values: 0.5 if values["n"] in (0, 7) else None)
    assert len(ran) == 8
    assert sum(trial.status == "FAILED" for trial in oracle.trials.values()) == 6


def test_three_failures_stop_a_search_without_success(tmp_path):
    (tmp_path / "trials" / "2").mkdir(parents=True)
    (tmp_path / "trials" / "2" / "failure.txt").write_text("Traceback\nValueError: no\n")
    oracle = oracle_of("exhaustive", tmp_path / "o.json")
    assert len(drive(oracle, lambda values: None)) == 3
    assert oracle.stopped == "ValueError: no"


def test_failed_trials_are_tried_again_at_the_next_start(tmp_path):
    drive(oracle_of("exhaustive", tmp_path / "o.json"), lambda v: None if v["n"] == 3 else 0.5)
    oracle = oracle_of("exhaustive", tmp_path / "o.json")
    assert oracle.unfinished
    assert [values["n"] for values in drive(oracle, lambda values: 0.7)] == [3]
    assert {trial.status for trial in oracle.trials.values()} == {"COMPLETED"}


def test_a_worker_that_comes_back_gets_its_trial_again(tmp_path):
    oracle = oracle_of("exhaustive", tmp_path / "o.json")
    first, other = oracle.create_trial("a"), oracle.create_trial("b")
    again = oracle.create_trial("a")
    assert again.trial_id == first.trial_id != other.trial_id


def test_the_state_is_one_whole_file(tmp_path):
    drive(oracle_of("exhaustive", tmp_path / "o.json"), lambda values: 0.5, most=2)
    assert [path.name for path in tmp_path.iterdir()] == ["o.json"]
    state = json.loads((tmp_path / "o.json").read_text())
    assert [trial["status"] for trial in state["trials"]] == ["COMPLETED"] * 2


def test_ended_trials_are_reported(tmp_path):
    told = []
    drive(oracle_of("exhaustive", tmp_path / "o.json", told.append), lambda values: 0.25)
    assert [trial.score for trial in told] == [0.25] * 8


def test_classes_keep_kerastuners():
    assert issubclass(Points, keras_tuner.Oracle)
    assert Hyperband(objective=OBJECTIVE, hyperparameters=space_of([1])).max_epochs
