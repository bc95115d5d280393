"""Every registered strategy keeps the contract; each one's own facts."""

import keras
import numpy as np
import pytest

import tl_strategies as tl
from tl_strategies.backbones.units import find_units
from tl_strategies.plans.model import build_model
from tl_strategies.settings.schema import parse_options
from tl_strategies.strategies import strategies
from tl_strategies.strategies.registry import create_strategy
from tl_strategies.testing import TASK, check_strategy, tiny_backbone, tiny_batch


@pytest.fixture(scope="module")
def units():
    return find_units(tiny_backbone())


@pytest.mark.parametrize("name", strategies())
def test_contract(name):
    check_strategy(strategies()[name])


def plan(units, name, n=None, *options):
    return create_strategy(name, n, parse_options(options)).plan(units, TASK)


def test_partial_freezes_the_first_n(units):
    rows = plan(units, "partial", 2).units
    assert [row.trainable for row in rows] == [False, False, True, True, True]
    assert {row.weights for row in rows} == {"pretrained"}


def test_multipliers_go_from_a_hundredth_to_a_tenth(units):
    rates = [row.learning_rate_multiplier for row in plan(units, "full").units]
    assert rates[0] == pytest.approx(0.01)
    assert rates[-1] == pytest.approx(0.1)
    np.testing.assert_allclose(np.diff(np.log(rates)), np.log(10) / 4)


@pytest.mark.parametrize(("n", "depth"), [(0, 0), (-1, 4), ("3", 3), ("block1b", 3), (5, 5)])
def test_n_is_a_count_or_a_name(units, n, depth):
    assert plan(units, "partial", n).n == depth


def test_transplant_starts_the_suffix_afresh(units):
    rows = plan(units, "transplant", 2).units
    assert [row.weights for row in rows] == ["pretrained"] * 2 + ["fresh"] * 3
    assert [row.trainable for row in rows] == [False] * 2 + [True] * 3
    rows = plan(units, "transplant", 2, "fine_tune=true").units
    assert all(row.trainable for row in rows)
    assert {row.learning_rate_multiplier for row in rows} == {1.0}
    assert [row.bn for row in rows] == ["frozen"] * 2 + ["train"] * 3


def test_fixed_drops_what_is_above_n(units):
    dropped = plan(units, "fixed", 2)
    assert len(dropped.units) == 2
    assert dropped.phases == ()
    model = build_model(dropped, tiny_backbone(), units)
    assert "top_conv" not in [layer.name for layer in model.layers]


def test_scratch_trains_batch_normalization(units):
    rows = plan(units, "scratch").units
    assert {(row.weights, row.bn) for row in rows} == {("fresh", "train")}


def test_add_fc_adds_layers(units):
    head = plan(units, "add_fc", None, "hidden=(7, 5)", "dropout=0").head
    assert (head.hidden, head.dropout) == ((7, 5), 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("partal", None), "Did you mean 'partial'"),
        (("partial", 6), "from 0 to 5"),
        (("partial", -6), "from 0 to 5"),
        (("partial", "block1x"), "Did you mean 'block1"),
        (("head", 3), "--n must not be given for strategy head"),
        (("fixed", 0), "at least 1 unit"),
        (("fixed", None, "classifier=svm"), "classifier must be one of"),
        (("add_fc", None, "hidden=0"), "above 0"),
        (("add_fc", None, "droput=1"), "Did you mean 'dropout'"),
        (("add_fc", None, "dropout=2"), "below 1"),
        (("add_fc", None, "dropout"), "NAME=VALUE"),
        (("head", None, "dropout=0.1"), "must have no --option"),
        (("transplant", 2, "fine_tune=no"), "fine_tune must be true or false"),
    ],
)
def test_wrong_calls_say_what_must_be(units, arguments, message):
    with pytest.raises(tl.UsageError, match=message):
        plan(units, *arguments)


def test_a_multiplier_of_zero_is_refused(units):
    class Still(tl.Strategy):
        """Frozen by a rate of 0."""

        def trainable(self, unit, depth_count):
            return True

        def learning_rate_multiplier(self, unit, lowest, depth_count):
            return 0.0

    with pytest.raises(tl.UsageError, match="let `trainable` answer False"):
        Still().plan(units, TASK)


def test_the_design_example_works(units):
    class LastThird(tl.Strategy):
        """Fine-tune the last third of the units."""

        name = "last_third"

        def trainable(self, unit, depth_count):
            return unit.depth > 2 * depth_count / 3

    check_strategy(LastThird)
    assert LastThird().plan(units, TASK).n == 3


def test_the_kit_finds_a_broken_strategy():
    class Forgetful(tl.Strategy):
        """Does not keep its argument."""

        name = "forgetful"

        def __init__(self, width=3):
            self.width = 4

        def trainable(self, unit, depth_count):
            return unit.depth > self.width

    with pytest.raises(AssertionError, match="round-trip"):
        check_strategy(Forgetful)


def test_frozen_dropout_is_off_under_fit():
    """A frozen unit runs as in inference, even where `fit` says training=True."""
    backbone = tiny_backbone()
    model = create_strategy("head", None).adapt(backbone, TASK)
    images, _ = tiny_batch()
    np.testing.assert_array_equal(model(images, training=True), model(images, training=False))


def test_adapt_draws_to_the_start_where_a_strategy_says_so():
    images, labels = tiny_batch()
    backbone = tiny_backbone()
    moved = {}
    for strength in (0.0, 40.0):
        strategy = tl.get_strategy("full")(l2_sp=strength)
        model = strategy.adapt(backbone, TASK, steps=40, optimizer="sgd", learning_rate=0.01)
        model.fit(images, labels, batch_size=12, epochs=40, verbose=0)
        kernel = np.asarray(model.get_layer("top_conv").kernel)
        moved[strength] = np.abs(kernel - backbone.get_layer("top_conv").kernel).max()
    assert 0 < moved[40.0] < 0.5 * moved[0.0]


def test_phases_are_trained_one_after_the_other():
    """The head alone, then everything; the optimizer keeps what it knows of the head."""
    backbone, task = tiny_backbone(), tl.Task(("cat", "dog", "owl"))
    images, labels = tiny_batch()
    trained, moments = [], []
    for model, epochs in tl.phases(
        tl.get_strategy("lp_ft")(), backbone, task, epochs=4, steps_per_epoch=1
    ):
        assert epochs == 2
        moments.append(float(np.abs(model.optimizer.variables[-1]).sum()))
        model.fit(images, labels, epochs=epochs, batch_size=12, verbose=0)
        trained.append(len(model.trainable_weights))
    assert trained[0] == 2 < trained[1]
    assert moments[0] == 0 < moments[1]


def test_adapt_says_what_it_cannot_do():
    backbone, task = tiny_backbone(), tl.Task(("cat", "dog", "owl"))
    with pytest.raises(tl.UsageError, match=r"for model, epochs in tl\.phases"):
        tl.get_strategy("lp_ft")().adapt(backbone, task)
    with pytest.raises(tl.UsageError, match=r"Use tl\.fit, or the strategy head"):
        tl.get_strategy("fixed")().adapt(backbone, task)
    sequential = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(4, 3)])
    with pytest.raises(tl.UsageError, match=r"keras\.Model\(model\.inputs"):
        tl.get_strategy("head")().adapt(sequential, task)
