"""Runs whose classifier is fitted on codes: whatever the options, what is saved is what is told."""

import csv

import keras
import numpy as np
import pytest

import tl_strategies as tl

OPTIONS = (
    {"unit_length": False},
    {"classifier": "knn"},
    {"classifier": "ridge", "units": "all", "power": 0.5},
    {"units": (2, 4), "standardize": True, "select": 0.5, "pooling": "max"},
)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_saved_model_gives_the_test_probabilities(options, settings):
    run = tl.fit("fixed", option=options, **settings)
    assert run.metrics["test"]["accuracy"] > 0.6
    with (run.directory / "predictions.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == "test"]
    told = [[float(row[name]) for name in ("blue", "green", "red")] for row in rows]
    np.testing.assert_allclose(run.predict([row["path"] for row in rows]), told, atol=1e-5)
    assert isinstance(keras.models.load_model(run.directory / "model.keras"), keras.Model)


def test_validation_scores_are_of_a_classifier_that_has_not_seen_the_images(settings):
    runs = [
        tl.fit(
            "fixed",
            **settings | {"run_dir": settings["run_dir"] + str(refit)},
            option={"classifier": "ridge", "refit": refit, "pooling": "flatten"},
        )
        for refit in (False, True)
    ]
    plain, again = (run.metrics["validation"] for run in runs)
    assert plain == pytest.approx(again)
    told = [
        [
            line
            for line in (run.directory / "predictions.csv").read_text().splitlines()
            if ",validation," in line
        ]
        for run in runs
    ]
    assert len(told[0]) == 6
    assert told[0] == told[1]
    kernels = [run.model.layers[-1].get_weights()[0] for run in runs]
    assert not np.allclose(*kernels)  # the last one was fitted on validation images too


def test_all_units_go_on_from_no_stored_depth_above_the_lowest(settings, capfd):
    """Features that `partial` has stored do not hold what units below gave."""
    tl.fit("partial", n=2, **settings)
    runs = [
        tl.fit(
            "fixed",
            option={"units": units},
            **settings | {"run_dir": f"{settings['run_dir']}{i}", "cache": cache},
        )
        for i, (units, cache) in enumerate((("all", "auto"), ("all", "off"), ((2, 5), "auto")))
    ]
    rows = [(run.directory / "predictions.csv").read_text() for run in runs]
    assert rows[0] == rows[1]


def test_sixteen_views_are_all_fitted_on(settings):
    run = tl.fit(
        "fixed", option={"classifier": "knn", "refit": False}, augment="crops16", **settings
    )
    assert run.model.get_layer("head_cosines").units == 16 * 30
