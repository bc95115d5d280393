"""The engine's promises: cached equals uncached, nothing twice; and what each setting does."""

import functools

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

import tl_strategies as tl
from tests.forked import call, prepare
from tl_strategies.evaluation import evaluate
from tl_strategies.runs.trainer import Trainer
from tl_strategies.task import Task
from tl_strategies.training import features
from tl_strategies.training.checkpoint import Progress
from tl_strategies.training.class_weight import class_weights


def train_cached_and_not(settings, strategies):
    """Train each strategy at its n with and without a store: the weights must be the same."""
    for strategy, n in strategies:
        weights = []
        for cache in ("auto", "off"):
            directory = f"{settings['run_dir']}-{strategy}-{n}-{cache}"
            run = tl.fit(strategy, n=n, **{**settings, "run_dir": directory, "cache": cache})
            assert (run.metrics["features"]["status"] == "off") == (cache == "off")
            weights.append(run.model.get_weights())
        assert all(np.array_equal(*pair) for pair in zip(*weights, strict=True)), (strategy, n)


def scalars(directory, tag):
    """Values by step."""
    events = EventAccumulator(str(directory), size_guidance={"tensors": 0}).Reload()
    return {e.step: float(make_ndarray(e.tensor_proto)) for e in events.Tensors(tag)}


@pytest.mark.parametrize(
    ("strategies", "other"),
    [
        ([("head", None), ("partial", 1), ("lp_ft", None)], {}),
        ([("add_fc", None), ("partial", 4), ("fixed", 3)], {}),
        (
            [("partial", 3)],
            {"epochs": 4, "augment": "strong", "views": 3, "precision": "mixed_bfloat16"},
        ),
    ],
)
def test_cached_and_uncached_runs_are_bit_identical(settings, tmp_path, strategies, other):
    """With all threads of the machine."""
    prepare()
    config = {**settings, **other, "deterministic": True}
    call(train_cached_and_not, config, strategies, log=tmp_path / "log")


def test_a_warm_store_decodes_nothing(settings, tmp_path, monkeypatch):
    """Whether a strategy needs codes, images, or features at several depths."""
    tl.fit("head", **settings)
    monkeypatch.setattr("tl_strategies.data.decode.read_image", None)
    statuses = {"fixed": "hit", "full": "off", "gradual": "hit"}
    for name, status in statuses.items():
        run = tl.fit(name, **{**settings, "run_dir": str(tmp_path / name)})
        assert run.metrics["features"]["status"] == status


def test_results_do_not_depend_on_the_store(settings, tmp_path, capsys):
    """Too little room, and a directory that cannot be made."""
    with_store = tl.fit("partial", n=2, **settings)
    for number, place in enumerate(
        ({"cache_dir": str(tmp_path / "other"), "cache_limit": 1e-6}, {"cache_dir": "/proc/none"})
    ):
        settings |= {"cache_limit": 20.0, "run_dir": str(tmp_path / f"without{number}")} | place
        without = tl.fit("partial", n=2, **settings)
        assert "going on without the store" in capsys.readouterr().out
        assert without.metrics["features"] == {"status": "off", "bytes": 0}
        assert without.metrics["test"]["loss"] == pytest.approx(
            with_store.metrics["test"]["loss"], abs=1e-5
        )
        settings["run_dir"] = str(tmp_path / "required")
        with pytest.raises(tl.UsageError, match="--cache require must have a store"):
            tl.fit("partial", n=2, **settings, cache="require")


def test_steps_that_are_taken_at_once_change_nothing(settings, tmp_path, monkeypatch):
    """Of 36 steps 18 are: 32, the most, would go on into the next epoch."""
    settings |= {"batch_size": 1, "train_on": "train+validation"}
    runs = [tl.fit("partial", n=4, **settings)]
    quiet = functools.partialmethod(Trainer.engine, verbose=False)
    monkeypatch.setattr(Trainer, "engine", quiet)
    runs.append(tl.fit("partial", n=4, **{**settings, "run_dir": str(tmp_path / "quiet")}))
    for one, other in zip(*(run.model.get_weights() for run in runs), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_phases_that_go_down_are_computed_upwards(settings, monkeypatch):
    """The features of `gradual` come from each other, so that images go through once."""
    seen = []
    run_rows = features.run_rows

    def watch(forward, array, rows, progress):
        seen.append((tuple(array.shape[1:]), len(rows)))
        return run_rows(forward, array, rows, progress)

    monkeypatch.setattr(features, "run_rows", watch)
    assert evaluate.run_rows is run_rows
    run = tl.fit("gradual", **{**settings, "epochs": 3}, option=["stages=3"])
    assert [phase.trainable_from for phase in run.plan.phases] == [6, 4, 1]
    assert seen == [((16, 16, 3), 36), ((8, 8, 6), 36)]


def test_views(settings, tmp_path):
    settings["epochs"] = 5
    plain = tl.fit("head", **settings)
    runs = {
        name: tl.fit("head", **{**settings, "run_dir": str(tmp_path / name)}, **other)
        for name, other in {
            "three": {"augment": "standard", "views": 3},
            "default": {"augment": "standard"},
        }.items()
    }
    one_view = 8 * 4 * 30  # float32 codes of the training images
    sizes = {name: run.metrics["features"]["bytes"] for name, run in runs.items()}
    assert sizes["three"] - plain.metrics["features"]["bytes"] == 2 * one_view
    assert sizes["default"] - plain.metrics["features"]["bytes"] == 3 * one_view
    fixed = tl.fit("fixed", **{**settings, "run_dir": str(tmp_path / "fixed")}, augment="flip")
    assert fixed.metrics["features"]["bytes"] == sizes["default"]


def test_patience_ends_a_phase(settings):
    run = tl.fit("lp_ft", **{**settings, "epochs": 12, "learning_rate": 1e-12}, patience=2)
    steps = list(scalars(run.directory / "train", "epoch/loss"))
    assert steps[0] == 1
    assert 7 in steps  # the first of the second phase
    assert len(steps) < 12


def test_plateau_lowers_the_rate(settings):
    settings = {**settings, "epochs": 5, "learning_rate": 1e-12}
    run = tl.fit("head", **settings, plateau=1)
    rates = list(scalars(run.directory / "train", "learning_rate/head").values())
    assert rates[0] == pytest.approx(1e-12)
    assert rates[-1] < 2e-13


def test_a_schedule_over_each_phase(settings, tmp_path):
    ends = {}
    for over in ("run", "phase"):
        settings.update(epochs=6, run_dir=str(tmp_path / over))
        run = tl.fit("lp_ft", **settings, schedule_over=over)
        ends[over] = scalars(run.directory / "train", "learning_rate/head")
    assert ends["phase"][3] < 0.1 * ends["run"][3]
    assert ends["phase"][4] > 10 * ends["phase"][3]
    assert ends["run"][6] == pytest.approx(ends["phase"][6], abs=1e-3)


def test_a_learning_rate_is_found(settings):
    run = tl.fit("scratch", **{**settings, "learning_rate": "auto"})
    assert 1e-5 <= run.metrics["learning_rate"] <= 0.1
    events = EventAccumulator(str(run.directory), size_guidance={"tensors": 0}).Reload()
    assert "learning-rate range test" in events.Tags()["tensors"]
    rates = scalars(run.directory / "train", "learning_rate/head")
    assert max(rates.values()) <= run.metrics["learning_rate"] * 1.001


def test_label_smoothing_makes_humble(settings):
    run = tl.fit("scratch", **{**settings, "epochs": 15}, label_smoothing=0.6)
    # The least possible loss is the entropy of the smoothed targets: .4 + .2, .2, .2 of three.
    losses = scalars(run.directory / "train", "epoch/loss").values()
    assert 0.94 < min(losses) < 1.09


@pytest.mark.parametrize("policy", ["frozen", "adapt", "train"])
def test_bn(settings, backbone, policy):
    import keras

    source = {w.path: w.numpy() for w in keras.models.load_model(backbone).weights}
    run = tl.fit("partial", n=2, **settings, bn=policy)
    changed = {
        weight.path.split("/")[0]
        for weight in run.model.weights
        if "moving" in weight.path and not np.array_equal(weight, source[weight.path])
    }
    every = {"stem_bn", "block1a_bn", "block1b_bn", "block1c_bn", "top_bn"}
    suffix = {"block1b_bn", "block1c_bn", "top_bn"}
    assert changed == {"frozen": set(), "adapt": every, "train": suffix}[policy]
    gammas = {
        weight.path
        for weight in run.model.weights
        if "gamma" in weight.path and not np.array_equal(weight, source[weight.path])
    }
    assert gammas == ({f"{name}/gamma" for name in suffix} if policy == "train" else set())


def test_adapted_statistics_are_those_of_the_images(settings, photos):
    import keras

    from tl_strategies.data.images import load_images
    from tl_strategies.data.parts import Splitting
    from tl_strategies.data.sources import list_dataset
    from tl_strategies.store.store import Store

    run = tl.fit("head", **settings, bn="adapt")
    images = load_images(
        list_dataset(f"folder:{photos}"), 16, Splitting(), Store(None), lambda done: None
    )
    train = images[images.positions("train")].astype("float32")
    model = run.model
    stem = keras.Model(model.inputs[0], model.get_layer("stem_conv").output)
    out = np.asarray(stem(train))
    bn = model.get_layer("stem_bn")
    # The one batch holds all 30 images, some of them twice.
    np.testing.assert_allclose(bn.moving_mean, out.mean(axis=(0, 1, 2)), atol=0.02)
    np.testing.assert_allclose(bn.moving_variance, out.var(axis=(0, 1, 2)), rtol=0.1)


def test_precision(settings, tmp_path):
    runs = {}
    for precision in ("float32", "mixed_bfloat16", "mixed_float16"):
        settings |= {"epochs": 3, "run_dir": str(tmp_path / precision), "precision": precision}
        runs[precision] = run = tl.fit("partial", n=2, **settings)
        assert {layer.dtype_policy.name for layer in run.model.layers} == {"float32"}
        assert run.metrics["features"]["status"] == "miss"  # not those of another precision
        assert run.metrics["test"]["loss"] == pytest.approx(
            runs["float32"].metrics["test"]["loss"], rel=0.1
        )


def test_l2_sp_draws_to_the_start(settings, backbone, tmp_path):
    import keras

    source = {w.path: w.numpy() for w in keras.models.load_model(backbone).weights}
    moved = {}
    for strength in (0.0, 40.0):
        settings.update(
            run_dir=str(tmp_path / str(strength)), epochs=10, optimizer="sgd", learning_rate=0.1
        )
        run = tl.fit("full", **settings, option=[f"l2_sp={strength}"])
        kernel = run.model.get_layer("top_conv").kernel
        moved[strength] = np.abs(kernel - source["top_conv/kernel"]).max()
    assert 0 < moved[40.0] < 0.5 * moved[0.0]


def test_balanced_classes_weigh_the_same():
    labels, task = np.array([0, 0, 0, 1, 2, 2]), Task(("a", "b", "c"))
    weights = class_weights(labels, "balanced", task)
    np.testing.assert_allclose([weights[labels == label].sum() for label in range(3)], 2)
    np.testing.assert_array_equal(class_weights(labels, "none", task), np.ones(6))
    given = class_weights(labels, {"a": 2.0, 2: 0.5}, task)
    np.testing.assert_array_equal(given, [2, 2, 2, 1, 0.5, 0.5])


def test_class_weights_reach_the_loss(settings, photos, tmp_path):
    """With few images of a class, the weights raise the share of its training loss."""
    for path in sorted((photos / "red").iterdir())[5:]:
        path.unlink()
    recalls = {}
    for policy in ("none", "balanced"):
        settings.update(run_dir=str(tmp_path / policy), learning_rate=0.02, epochs=1)
        run = tl.fit("head", **settings, class_weight=policy)
        text = (run.directory / "predictions.csv").read_text().splitlines()
        recalls[policy] = np.mean([float(line.split(",")[-1]) for line in text[1:]])
    assert recalls["balanced"] > recalls["none"]


def test_progress_notes_the_best_epoch_and_staleness():
    progress = Progress()
    scores = [(0.5, 1.0), (0.5, 0.9), (0.4, 0.1), (0.5, 0.9), (0.6, 2.0)]
    assert [progress.note(*score) for score in scores] == [True, True, False, False, True]
    progress.start_phase(1)
    assert not progress.note(0.5, 1.0)
    assert (progress.stale, progress.best["phase"]) == (0, 0)
    assert not progress.note(0.5, 1.1)
    assert progress.stalled(1)
    assert not progress.stalled(2)
    assert not progress.stalled(None)
