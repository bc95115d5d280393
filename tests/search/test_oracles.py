import json

import keras_tuner
import pytest

from tl_strategies.errors import UsageError
from tl_strategies.search.oracles import make_oracle
from tl_strategies.search.settings import TUNERS, SearchSettings

DEPTHS = 12


def space_of(values, rates=False):
    space = keras_tuner.HyperParameters()
    space.Choice("n", values)
    if rates:
        space.Float("learning_rate", 1e-4, 1e-2, sampling="log")
    return space


def oracle_of(tuner, file, ended=lambda trial: None, fails=lambda point: False, **where):
    search = SearchSettings(tuner=tuner, trials=7)
    space = space_of(list(range(DEPTHS)), rates=tuner not in ("exhaustive", "grid"))
    oracle = make_oracle(search, space, 9, 0, fails)
    oracle.open(file, ended, **where)
    return oracle


def end(oracle, trial, score=None):
    if score is not None:
        oracle.update_trial(trial.trial_id, {"validation_score": score})
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
        return values["n"] / 100 + values.get("learning_rate", 0)

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
    assert [values["n"] for values in ran] == list(range(DEPTHS))


def test_points_that_fail_come_last(tmp_path):
    search = SearchSettings()
    oracle = make_oracle(search, space_of([0, 1, 2, 3]), 9, 0, lambda point: point["n"] < 2)
    oracle.open(tmp_path / "o.json", lambda trial: None)
    assert [values["n"] for values in drive(oracle, lambda values: 0.5)] == [2, 3, 0, 1]


def test_failures_among_successes_do_not_stop(tmp_path):
    oracle = oracle_of("exhaustive", tmp_path / "o.json")
    ran = drive(oracle, lambda values: 0.5 if values["n"] in (0, 7) else None)
    assert len(ran) == DEPTHS
    assert sum(trial.status == "FAILED" for trial in oracle.trials.values()) == DEPTHS - 2


def test_three_failures_stop_a_search_without_success(tmp_path):
    (tmp_path / "trials" / "02").mkdir(parents=True)
    (tmp_path / "trials" / "02" / "failure.txt").write_text("ValueError: no\n\nTraceback\n")
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
    assert [trial.score for trial in told] == [0.25] * DEPTHS


def test_failures_that_were_expected_do_not_stop_random_points(tmp_path):
    oracle = oracle_of("random", tmp_path / "o.json", fails=lambda values: values["n"] != 7)
    assert len(drive(oracle, lambda values: 0.5 if values["n"] == 7 else None)) == 7


def test_a_late_success_takes_the_stop_back(tmp_path):
    oracle = oracle_of("exhaustive", tmp_path / "o.json")
    slow = oracle.create_trial("slow")
    for _ in range(3):
        end(oracle, oracle.create_trial("fast"))
    assert oracle.stopped
    assert oracle.create_trial("fast").status == "IDLE"
    end(oracle, slow, 0.5)
    assert len(drive(oracle, lambda values: 0.5)) == DEPTHS - 4


def test_hyperband_goes_on_with_the_best(tmp_path):
    ran = drive(oracle_of("hyperband", tmp_path / "o.json"), lambda values: values["n"] / 100)
    first = [
        values for values in ran if values["tuner/round"] == 0 and values["tuner/bracket"] == 2
    ]
    last = [
        values for values in ran if values["tuner/epochs"] == 9 and values["tuner/bracket"] == 2
    ]
    assert len(first) == 9
    assert [values["n"] for values in last] == [max(values["n"] for values in first)]


def test_hyperband_needs_points_enough():
    search = SearchSettings(tuner="hyperband")
    with pytest.raises(UsageError, match=r"at least 9 points for --epochs 9\. Received: 4"):
        make_oracle(search, space_of([0, 1, 2, 3]), 9, 0, lambda point: False)
