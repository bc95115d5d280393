import pytest
from keras_tuner.engine.trial import Trial

from tl_strategies.backbones.units import find_units
from tl_strategies.errors import UsageError
from tl_strategies.search.oracles import make_oracle
from tl_strategies.search.settings import SearchSettings
from tl_strategies.search.space import all_points, make_space, trial_settings
from tl_strategies.settings.run import Settings
from tl_strategies.strategies.registry import create_strategy
from tl_strategies.testing import tiny_backbone


@pytest.fixture(scope="module")
def units():
    return find_units(tiny_backbone())


def points_of(units, settings=None, **flags):
    settings = settings or Settings()
    return all_points(make_space(SearchSettings(**flags), settings, units))


def space_file(tmp_path, text):
    file = tmp_path / "space.toml"
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize(
    ("depths", "expected"),
    [
        ("all", [0, 1, 2, 3, 4, 5]),
        ("3,0", [0, 3]),
        ("-1, 2,block1a", [2, 4]),
        ("4,-1", [4]),
    ],
)
def test_depths(units, depths, expected):
    assert [point["n"] for point in points_of(units, depths=depths)] == expected


def test_all_begins_where_the_strategy_does(units):
    assert [p["n"] for p in points_of(units, Settings(strategy="fixed"))] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("depths", ["6", "all,2", "", "block9"])
def test_no_such_depth(units, depths):
    with pytest.raises(UsageError, match="--n"):
        points_of(units, depths=depths)


def test_strategy_without_n(units):
    with pytest.raises(UsageError, match="takes n"):
        points_of(units, Settings(strategy="head"))


def test_file(units, tmp_path):
    text = "n = [5, 1]\nbatch_size = [4, 8]\nl2_sp = {low = 0.0, high = 1.0, step = 0.5}\n"
    points = points_of(units, space=space_file(tmp_path, text))
    assert len(points) == 12
    assert [point["n"] for point in points] == [1] * 6 + [5] * 6
    assert {point["l2_sp"] for point in points} == {0.0, 0.5, 1.0}


def test_several_strategies_have_what_is_theirs(units, tmp_path):
    text = 'strategy = ["partial", "add_fc", "head"]\nn = "all"\nhidden = [16, 32]\n'
    points = points_of(units, space=space_file(tmp_path, text))
    assert len(points) == 6 + 2 + 1
    for point in points:
        assert ("n" in point) == (point["strategy"] == "partial")
        assert ("hidden" in point) == (point["strategy"] == "add_fc")
        settings = trial_settings(Settings(), point, 7)
        create_strategy(settings.strategy, settings.n, settings.option)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n = 3", "must be a list"),
        ("batch_sizes = [4]", "Did you mean 'batch_size'"),
        ("batch_size = [4, 0]", "--batch_size must be at least 1"),
        ("seed = [1, 2]", "A key of --space"),
        ("batch_size = [4, 'a']", "must be a list of values"),
        ("batch_size = ['a']", "whole number"),
        ("weight_decay = ['a']", "weight_decay"),
        ("batch_size = {low = 4, high = 8, step = 0}", "must be a list of values"),
        ("learning_rate = {low = 0, high = 1, scale = 'log'}", "must be a list of values"),
        ("learning_rate = {low = 1e-4, high = 1, scale = 'log', step = 0.5}", "a factor above 1"),
        ("batch_size = {low = 1, high = 64, scale = 'log', step = 1}", "a factor above 1"),
        ("batch_size = {low = 4, high = 8, step = 0.5}", "has a whole step"),
        ("strategy = [1, 2]", "must be a list of names"),
        ("strategy = 'partial'", "must be a list of names"),
        ("batch_size = {low = 1, high = 64, scale = 'log'}", "ranges with a step"),
        ("n = {low = 1, high = 4}", "must be a list of values"),
        ("learning_rate = {low = 0.1}", "must be a list"),
        ("n = [1", "must be a TOML file"),
        ('strategy = ["partail"]', "partial"),
        ("n = [9]", "--n must be from"),
    ],
)
def test_wrong_files(units, tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        points_of(units, space=space_file(tmp_path, text))


def test_a_range_cannot_be_exhausted(units):
    with pytest.raises(UsageError, match="--tuner random"):
        points_of(units, space="standard")


def test_standard_space_has_what_the_strategy_declares(units):
    space = make_space(SearchSettings(space="standard"), Settings(strategy="add_fc"), units)
    names = {parameter.name for parameter in space.space}
    assert names == {"learning_rate", "weight_decay", "hidden", "dropout"}


def test_trials_share_the_split(units):
    base = Settings(seed=3, option=["l2_sp=0.1"])
    settings = trial_settings(base, {"n": 2, "lowest_multiplier": 0.05, "batch_size": 4}, 9)
    assert (settings.n, settings.seed, settings.split_seed) == ("2", 9, 3)
    assert settings.option == {"l2_sp": 0.1, "lowest_multiplier": 0.05}
    assert settings.batch_size == 4


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"workers": 0}, "--workers"),
        ({"tuner": "best"}, "--tuner must be one of"),
        ({"repeats": 0}, "--repeats"),
        ({"tuner": "hyperband", "repeats": 2}, "--repeats 1"),
        ({"memory_growth": 0}, "--memory_growth"),
    ],
)
def test_wrong_settings(flags, message):
    with pytest.raises(UsageError, match=message):
        SearchSettings(**flags)


def through_an_oracle(space, tmp_path):
    """The values that trials have after KerasTuner, and its protocol, had them in their hands."""
    oracle = make_oracle(SearchSettings(), space, 2, 0, lambda point: False)
    oracle.open(tmp_path / "oracle.json", lambda trial: None)
    while (trial := oracle.create_trial("worker")).status != "STOPPED":
        sent = Trial.from_proto(trial.to_proto())
        sent.hyperparameters.ensure_active_values()
        yield sent.hyperparameters.values
        oracle.update_trial(trial.trial_id, {"validation_score": 0.5})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)


def test_names_that_strategies_share_survive_kerastuner(units, tmp_path):
    text = 'strategy = ["partial", "lp_ft", "transplant"]\nn = [1, 3]\nl2_sp = [0.0, 0.1]\n'
    space = make_space(SearchSettings(space=space_file(tmp_path, text)), Settings(), units)
    expected = all_points(space)
    assert len(expected) == 2 * 2 + 2 + 2
    found = list(through_an_oracle(space, tmp_path))
    assert found == expected
    for values in found:
        settings = trial_settings(Settings(), values, 0)
        create_strategy(settings.strategy, settings.n, settings.option)


def test_one_strategy_in_a_file_is_that_of_the_trials(units, tmp_path):
    text = 'strategy = ["transplant"]\nn = [2]\nfine_tune = [true, false]\n'
    space = make_space(SearchSettings(space=space_file(tmp_path, text)), Settings(), units)
    for values in through_an_oracle(space, tmp_path):
        settings = trial_settings(Settings(), values, 0)
        strategy = create_strategy(settings.strategy, settings.n, settings.option)
        assert (strategy.name, strategy.fine_tune) == ("transplant", values["fine_tune"])
