"""What a cell starts from and is trained on, on its weights and its images."""

import dataclasses
import json
import weakref

import keras
import numpy as np
import pytest

from tl_strategies.analysis.study import network
from tl_strategies.analysis.study.cells import TREATMENTS, Cell
from tl_strategies.analysis.study.checks import check_study
from tl_strategies.analysis.study.curve import cells_of, halves_of, open_curve
from tl_strategies.analysis.study.network import Networks, network_bytes, values_of
from tl_strategies.analysis.study.settings import CurveSettings
from tl_strategies.analysis.study.study import Study, cell_directory
from tl_strategies.backbones.surgery import unit_layers
from tl_strategies.runs.job import replan
from tl_strategies.training.inputs import KEPT_VIEWS, fitted_inputs

HALF = {"AB": "b", "BA": "a"}


@pytest.fixture
def study(open_study):
    curve, job = open_study(n="1,3,7")
    return Study(job, curve, halves_of(curve, job))


def start(study, cell):
    """The features of a cell, whose model has what it starts from."""
    job = replan(study.job, study.settings_of(cell), cell_directory(study.job.directory, cell))
    return study.networks.prepare(job, study._weights(cell))


def unit_values(study, values, depth):
    """Values of the weights of one unit, by path."""
    names = {
        weight.path
        for layer in unit_layers(study.job.backbone, study.job.units[depth - 1])
        for weight in layer.weights
    }
    return {path: value for path, value in values.items() if path in names}


def differs(one, other):
    """Whether kernels differ; biases of fresh layers are equal."""
    return [not np.array_equal(one[path], other[path]) for path in one if "kernel" in path]


def test_weights_at_the_start_and_after_training(study):
    bases = {d: Cell("random0", d, "base", 0, 0) for d in HALF}
    saved = {}
    for direction, base in bases.items():
        study.run(base)
        path = cell_directory(study.job.directory, base) / "model.keras"
        saved[direction] = values_of(keras.models.load_model(path))
    for treatment, n in (*((t, 3) for t in TREATMENTS[1:]), ("AnB", 7), ("BnB+", 1)):
        other = saved["BA" if treatment[0] == "A" else "AB"]
        cell = Cell("random0", "AB", treatment, n, 0)
        features = start(study, cell)
        begun = values_of(features.model)
        study.run(cell)
        ended = values_of(features.model)
        frozen = not treatment.endswith("+")
        for depth in range(1, 8):
            mine, ends, base = (unit_values(study, v, depth) for v in (begun, ended, other))
            copied = depth <= n and treatment[0] != "R"
            assert differs(mine, base) == [not copied]
            if copied:
                assert all(np.array_equal(mine[path], base[path]) for path in base)
            if frozen and depth <= n:
                assert not any(differs(mine, ends))
                assert all(np.array_equal(ends[path], mine[path]) for path in mine)
            else:
                assert differs(mine, ends) == [True]


def test_a_cell_sees_its_own_classes_only(study):
    halves = study.halves["random0"]
    shown = {}
    for direction, half in HALF.items():
        images = study.trainer.images(study.settings_of(Cell("random0", direction, "base", 0, 0)))
        assert images.listing.task.names == getattr(halves, half)
        whole = study.job.listing
        labels = dict(zip(whole.paths, whole.labels, strict=True))
        for path, label in zip(images.listing.paths, images.listing.labels, strict=True):
            assert whole.task.names[labels[path]] == images.listing.task.names[label]
        shown[direction] = {*images.keys}
        assert {*images.parts} == {"train", "validation", "test"}
    assert not shown["AB"] & shown["BA"]


def test_a_plan_says_what_a_cell_is(study):
    study.run(Cell("random0", "AB", "base", 0, 0))
    cell = Cell("random0", "AB", "BnB+", 3, 0)
    study.run(cell)
    plan = json.loads((cell_directory(study.job.directory, cell) / "plan.json").read_text())
    assert [u["weights"] for u in plan["units"]] == ["pretrained"] * 3 + ["fresh"] * 4
    assert all(u["trainable"] and u["learning_rate_multiplier"] == 1 for u in plan["units"])
    config = (cell_directory(study.job.directory, cell) / "config.toml").read_text()
    assert "random0-AB-base-n0-r0/model.keras" in config


@pytest.mark.usefixtures("_optimized")
def test_a_network_that_is_used_again_changes_nothing(study):
    """Results do not depend on what the process has trained before."""
    for direction in HALF:
        study.run(Cell("random0", direction, "base", 0, 0))
    treatments = [("AnB", 3), ("BnB", 7), ("BnB", 3), ("RnB+", 3)]
    cells = [Cell("random0", "AB", treatment, n, 0) for treatment, n in treatments]
    used = [study.run(cell) for cell in cells]
    for cell, result in zip(cells, used, strict=True):
        (cell_directory(study.job.directory, cell) / "result.json").unlink()
        study.networks = Networks(study.trainer)
        alone = study.run(cell)
        names = ("validation_accuracy", "test_accuracy", "test_loss")
        assert [alone[name] for name in names] == [result[name] for name in names]


@pytest.mark.usefixtures("_optimized")
def test_networks_make_room_for_others(study, monkeypatch):
    """Those used longest ago are made again when they are needed, and give the same."""
    treatments = [("base", 0), ("BnB", 3), ("BnB", 7)]
    cells = [Cell("random0", "AB", treatment, n, 0) for treatment, n in treatments]
    results = [study.run(cell) for cell in cells]
    shapes = list(study.networks.made)
    assert len(shapes) == 3
    study.networks = Networks(study.trainer)
    monkeypatch.setattr(network, "ROOM", 2.5 * network_bytes(study.job.backbone))
    models = []
    for cell, result in zip(cells, results, strict=True):
        (cell_directory(study.job.directory, cell) / "result.json").unlink()
        assert study.run(cell)["test_loss"] == result["test_loss"]
        models.append(weakref.ref(next(reversed(study.networks.made.values())).model))
    assert list(study.networks.made) == shapes[1:]
    assert [model() is None for model in models] == [True, False, False]


def test_all_cells_see_as_many_views(settings):
    """Whether their features are stored or not."""
    for cache, views in (("auto", KEPT_VIEWS), ("off", 6)):
        augmented = dataclasses.replace(settings, augment="flip", epochs=6, cache=cache)
        curve = CurveSettings(splits=1)
        job = open_curve(check_study(augmented, curve), curve)
        study = Study(job, curve, halves_of(curve, job))
        for treatment, n in (("base", 0), ("BnB", 7), ("RnB+", 3)):
            cell = Cell("random0", "AB", treatment, n, 0)
            own = replan(job, study.settings_of(cell), cell_directory(job.directory, cell))
            features = study.networks.prepare(own, study.given)
            kept = features.kept(features.plan.frozen_depth)
            inputs = fitted_inputs(features.images, own.settings, kept)
            assert inputs["train"].views == views


def test_precision_is_that_of_the_run_each_time(settings):
    """A base that was saved leaves its model in float32."""
    half = dataclasses.replace(settings, precision="mixed_bfloat16")
    curve = CurveSettings(splits=1)
    job = open_curve(check_study(half, curve), curve)
    study = Study(job, curve, halves_of(curve, job))
    study.run(Cell("random0", "AB", "base", 0, 0))
    features = start(study, Cell("random0", "BA", "base", 0, 0))
    assert features.model.get_layer("fc6").dtype_policy.name == "mixed_bfloat16"


def test_prefixes_are_computed_once_and_networks_built_once(study):
    for cell in (Cell("random0", "AB", "base", 0, 0), Cell("random0", "AB", "BnB", 7, 0)):
        study.run(cell)
    tables = study.trainer.store.tables()
    assert [table["depth"] for table in tables if table["kind"] == "features"] == [7]
    study.run(Cell("random0", "AB", "BnB+", 3, 0))
    assert len(study.networks.made) == 2


def test_depths(open_study):
    curve, job = open_study(n="all")
    cells = cells_of(curve, job, halves_of(curve, job))
    assert sorted({cell.n for cell in cells}) == list(range(8))
    curve, job = open_study(n="fc7,conv2,-2")
    cells = cells_of(curve, job, halves_of(curve, job))
    assert sorted({cell.n for cell in cells}) == [0, 2, 5, 7]
