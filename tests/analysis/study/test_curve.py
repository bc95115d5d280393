"""A study from top to bottom: what it leaves, that it goes on, what it refuses."""

import csv
import dataclasses
import json
import pathlib
import re

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

import tl_strategies as tl
from tl_strategies.analysis.study import curve as curves
from tl_strategies.analysis.study.cells import Cell
from tl_strategies.analysis.study.checks import check_study
from tl_strategies.analysis.study.network import values_of
from tl_strategies.analysis.study.settings import CurveSettings
from tl_strategies.analysis.study.study import Study, cell_directory
from tl_strategies.backbones.surgery import unit_layers
from tl_strategies.runs.job import list_of
from tl_strategies.settings.run import Settings


def trained(capsys):
    """The cells that were trained since this was called last."""
    return re.findall(r"^\[.*\] (\S+): test", capsys.readouterr().out, re.M)


def rows_of(directory):
    with (directory / "curve.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_what_a_study_leaves(finished):
    directory, summary = finished.job.directory, finished.summary
    rows = rows_of(directory)
    assert len(rows) == 2 * (1 + 3 * 2)
    assert {row["treatment"] for row in rows} == {"base", "AnB", "BnB", "AnB+"}
    for row in rows:
        names = ("split", "direction", "treatment", "n", "repeat")
        cell = Cell(*(int(row[name]) if name in names[3:] else row[name] for name in names))
        result = json.loads((cell_directory(directory, cell) / "result.json").read_text())
        for score in ("validation_accuracy", "test_accuracy"):
            assert float(row[score]) == pytest.approx(result[score], abs=1e-6)
    assert len({row["test_accuracy"] for row in rows}) > 1
    assert json.loads((directory / "summary.json").read_text()) == json.loads(json.dumps(summary))
    for name in ("curve.png", "differences.png", "findings.txt", "config.toml"):
        assert (directory / name).stat().st_size
    assert not list(directory.glob("cells/*/checkpoints"))
    assert len(list(directory.glob("cells/*/model.keras"))) == 2
    assert list(directory.glob("events.out.tfevents.*"))


def test_nothing_runs_twice(finished, capsys):
    directory = finished.job.directory
    alone = rows_of(directory)
    times = {path: path.stat().st_mtime_ns for path in directory.glob("cells/*/result.json")}
    (directory / "cells" / "random0-BA-AnB+-n7-r0" / "result.json").unlink()
    trained(capsys)
    finished.again()
    seen = trained(capsys)
    assert seen == ["random0-BA-AnB+-n7-r0"]
    assert rows_of(directory) == alone
    again = {path: path.stat().st_mtime_ns for path in directory.glob("cells/*/result.json")}
    assert {path.parent.name for path in times if again[path] != times[path]} == set(seen)


@pytest.mark.parametrize("lost", ["model.keras", "result.json"])
def test_a_base_without_its_files_is_trained_again(finished, lost, capsys):
    cells = finished.job.directory / "cells"
    before = rows_of(finished.job.directory)
    file = cells / "random0-AB-base-n0-r0" / lost
    if lost == "result.json":
        file.write_text(file.read_text()[:-20])  # damaged
    else:
        file.unlink()
    (cells / "random0-AB-BnB-n7-r0" / "result.json").unlink()
    trained(capsys)
    finished.again()
    seen = trained(capsys)
    assert seen == ["random0-AB-base-n0-r0", "random0-AB-BnB-n7-r0"]
    assert rows_of(finished.job.directory) == before


def test_a_study_whose_networks_learn_nothing_says_so(settings):
    idle = Settings(**{**settings.__dict__, "learning_rate": 1e-9})
    curve = CurveSettings(n="7", treatments="base,AnB", splits=2)
    job = curves.open_curve(check_study(idle, curve), curve)
    summary = curves.run_curve(curve, job)
    assert {found["verdict"] for found in summary["findings"]} == {"unclear: base at chance"}


def test_the_paper_s_score(settings):
    """The mean of the ten best validation accuracies."""
    longer = Settings(**{**settings.__dict__, "epochs": 13})
    curve = CurveSettings(n="7", treatments="base", splits=1, score="paper")
    job = curves.open_curve(check_study(longer, curve), curve)
    summary = curves.run_curve(curve, job)
    assert summary["metric"] == "validation_accuracy"
    assert summary["means"][0]["cells"] == 2
    row = next(row for row in rows_of(job.directory) if row["direction"] == "AB")
    events = EventAccumulator(
        str(job.directory / "cells" / "random0-AB-base-n0-r0" / "validation"),
        size_guidance={"tensors": 0},
    ).Reload()
    seen = [float(make_ndarray(e.tensor_proto)) for e in events.Tensors("epoch/accuracy")]
    assert len(seen) == 13
    assert float(row["validation_accuracy"]) == pytest.approx(np.mean(sorted(seen)[-10:]))


def test_weights_that_are_given(settings, backbone):
    """A is what the backbone was trained on; base is the same network from scratch."""
    given = Settings(**{**settings.__dict__, "backbone": backbone, "image_size": None})
    curve = CurveSettings(n="2,5", splits=2)
    job = curves.open_curve(check_study(given, curve), curve)
    cells = curves.cells_of(curve, job, curves.halves_of(curve, job))
    assert {cell.treatment for cell in cells} == {"base", "AnB", "AnB+", "RnB", "RnB+"}
    assert {cell.split for cell in cells} == {"given0", "given1"}
    curve = CurveSettings(n="2", treatments="base,AnB", splits=1)
    summary = curves.run_curve(curve, job)
    assert {(row["treatment"], row["n"]) for row in summary["means"]} == {("base", 0), ("AnB", 2)}


def test_a_cell_starts_from_the_weights_that_are_given(settings, backbone):
    given = Settings(**{**settings.__dict__, "backbone": backbone, "image_size": None})
    curve = CurveSettings(n="2", treatments="base,AnB", splits=1)
    job = curves.open_curve(check_study(given, curve), curve)
    study = Study(job, curve, curves.halves_of(curve, job))
    source = values_of(keras.models.load_model(backbone))
    for treatment, n in (("AnB", 2), ("base", 0)):
        cell = Cell("given0", "AB", treatment, n, 0)
        study.run(cell)
        (features,) = study.networks.made.values()
        ended = values_of(features.model)
        for unit in job.units:
            for layer in unit_layers(features.model, unit):
                for weight in layer.weights:
                    same = np.array_equal(ended[weight.path], source[weight.path])
                    assert same == (unit.depth <= n) or "kernel" not in weight.path
        study.networks.made.clear()


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"class_split": "given"}, "must stand alone"),
        ({"class_split": "random,given"}, "must stand alone"),
        ({"class_split": "natural_manmade"}, "must come with"),
        ({"n": "9"}, "from 0 to 7"),
        ({"n": "conv9"}, "conv9"),
        ({"treatments": "AnB"}, "must have base"),
        ({"score": "best"}, "--score"),
        ({"splits": 0}, "--splits"),
        ({"workers": True}, "--workers"),
    ],
)
def test_errors_before_any_training(open_study, settings, own, message):
    with pytest.raises(tl.UsageError, match=message):
        open_study(**own)
    assert not pathlib.Path(settings.run_dir).exists()


def test_another_study_is_refused(finished):
    more = CurveSettings(n="6,7", treatments="base,AnB", splits=1)
    with pytest.raises(tl.UsageError, match=r"treatments was .*the cells was 14, is 6"):
        curves.run_curve(more, finished.job)


@pytest.mark.parametrize("column", ["parts", "weights"])
def test_a_study_on_other_parts_is_refused(finished, column):
    listing = finished.job.listing
    values = np.roll(getattr(listing, column), 1) if column == "parts" else np.arange(96.0)
    job = dataclasses.replace(
        finished.job, listing=dataclasses.replace(listing, **{column: values})
    )
    with pytest.raises(tl.UsageError, match="the images was"):
        curves.run_curve(finished.curve, job)


@pytest.mark.parametrize("by", ["data", "file"])
def test_a_half_without_test_images_is_refused(tmp_path, by):
    """Whether the data has parts or --split gives them."""
    images = np.random.default_rng(0).integers(0, 255, (30, 8, 8, 3)).astype("uint8")
    labels = np.array([0, 1, 2, 3] * 6 + [0, 1, 2, 3] + [0, 1])
    parts = ["train"] * 24 + ["validation"] * 4 + ["test"] * 2
    of = np.array(parts if by == "data" else ["train"] * 30)
    arrays = {f"x_{part}": images[of == part] for part in set(of)}
    arrays |= {f"y_{part}": labels[of == part] for part in set(of)}
    np.savez(tmp_path / "few.npz", **arrays)
    (tmp_path / "half.txt").write_text("0\n1\n")
    settings = Settings(backbone="caffenet_mini", dataset=f"npz:{tmp_path}/few.npz")
    if by == "file":
        paths = list_of(settings).paths
        lines = [f"{path},{part}" for path, part in zip(paths, parts, strict=True)]
        (tmp_path / "split.csv").write_text("\n".join(["path,part", *lines]))
        settings = dataclasses.replace(settings, split=str(tmp_path / "split.csv"))
    curve = CurveSettings(class_split=tmp_path / "half.txt")
    with pytest.raises(tl.UsageError, match="2, 3 have none in test"):
        curves.open_curve(check_study(settings, curve), curve)
