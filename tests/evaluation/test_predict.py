"""Predictions for new images: those of the run itself, whatever comes with them."""

import csv
import json
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

import tl_strategies as tl
from tests.conftest import draw
from tl_strategies.data.augment import FIXED_VIEWS, fixed_views
from tl_strategies.data.decode import decode_images
from tl_strategies.evaluation.predict import Predictor, image_paths


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of a tiny backbone on photos of three colours."""
    from tl_strategies.testing import tiny_backbone

    place = tmp_path_factory.mktemp("predict")
    keras.utils.set_random_seed(0)
    tiny_backbone().save(place / "tiny.keras")
    for colour, name in enumerate(("red", "green", "blue")):
        (place / "photos" / name).mkdir(parents=True)
        for i in range(20):
            draw(100 * colour + i, colour).save(place / "photos" / name / f"{i:02}.png")
    return tl.fit(
        "head",
        dataset=f"folder:{place / 'photos'}",
        backbone=str(place / "tiny.keras"),
        epochs=2,
        run_dir=str(place / "run"),
        cache_dir=str(place / "cache"),
    )


def larger_backbone(place):
    """The file of a network for images of 24 pixels."""
    inputs = keras.Input((None, None, 3))
    outputs = inputs
    for i in range(3):
        outputs = keras.layers.Conv2D(4, 3, activation="relu", name=f"conv{i}")(outputs)
    keras.Model(inputs, outputs).save(place / "larger.keras")
    return str(place / "larger.keras")


def predicted(run):
    """Paths and probabilities of predictions.csv."""
    with (run.directory / "predictions.csv").open() as lines:
        rows = list(csv.reader(lines))[1:]
    return [row[0] for row in rows], np.array([row[4:] for row in rows], float)


def test_they_are_those_of_the_run(run):
    paths, probabilities = predicted(run)
    np.testing.assert_allclose(run.predict(paths), probabilities, atol=1e-6)
    arrays = [np.asarray(Image.open(path)) for path in paths]
    np.testing.assert_allclose(tl.load(run.directory).predict(arrays), probabilities, atol=1e-6)


def test_heat_maps_come_with_predictions(run, tmp_path):
    paths, probabilities = predicted(run)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    arrays = [np.asarray(Image.open(path)) for path in paths[5:]]
    found = run.heatmaps([*paths[:5], tmp_path / "broken.png", *arrays])
    assert found.pop(5) is None
    np.testing.assert_allclose([h.probabilities for h in found], probabilities, atol=1e-6)
    labels = (run.directory / "labels.txt").read_text().split()
    assert [heat.label for heat in found] == [labels[i] for i in probabilities.argmax(axis=1)]
    low, named = (run.heatmaps(paths[:1], unit)[0] for unit in (1, "stem_conv"))
    np.testing.assert_array_equal(low.values, named.values)
    assert np.abs(low.values - found[0].values).max() > 1e-3
    with pytest.raises(tl.UsageError, match=r"stem_conv, block1a, .*, top_conv. Received: topconv"):
        run.heatmaps(paths, "topconv")


def test_what_cannot_be_read_stands_alone(run, tmp_path):
    paths, probabilities = predicted(run)
    paths = (20 * paths)[:100]  # more than a batch
    (tmp_path / "broken.png").write_bytes(b"no picture")
    for place in (0, 47, 48, 101):
        paths.insert(place, str(tmp_path / ("broken.png" if place else "absent.png")))
    found = run.predict(paths)
    bad = np.isnan(found).all(axis=1)
    assert np.flatnonzero(bad).tolist() == [0, 47, 48, 101]
    np.testing.assert_allclose(found[~bad], np.tile(probabilities, (20, 1))[:100], atol=1e-6)
    errors = [text for text in Predictor([run.directory]).stream(paths) if isinstance(text, str)]
    assert len(errors) == 4
    assert all(errors)


def test_views_are_seeded_and_differ_from_none(run):
    paths, _ = predicted(run)
    once, views, again = (run.predict(paths, views) for views in (1, 3, 3))
    np.testing.assert_array_equal(views, again)
    assert np.abs(views - once).max() > 1e-4
    assert np.isfinite(run.predict(paths[:1], 300)).all()
    np.testing.assert_allclose(views.sum(axis=1), 1, rtol=1e-5)


def test_sixteen_views_are_those_of_training(run):
    paths, _ = predicted(run)
    fitted = np.stack([*decode_images(paths, run.model.input_shape[1])])
    each = [
        run.model.predict(fixed_views(fitted, np.full(len(fitted), view)), verbose=0)
        for view in range(FIXED_VIEWS)
    ]
    np.testing.assert_allclose(run.predict(paths, "crops16"), np.mean(each, axis=0), atol=1e-6)
    for wrong in ("crops", 0, 1.5):
        with pytest.raises(tl.UsageError, match="at least 1, or crops16"):
            run.predict(paths, wrong)


def test_several_runs_are_averaged(run, tmp_path, settings):
    flags = settings | {"dataset": f"folder:{run.directory.parent / 'photos'}"}
    other = tl.fit("head", image_size=24, **(flags | {"backbone": larger_backbone(tmp_path)}))
    paths, _ = predicted(run)
    both = np.array([*Predictor([run.directory, other.directory]).stream(paths)])
    np.testing.assert_allclose(both, (run.predict(paths) + other.predict(paths)) / 2, atol=1e-6)
    folds = tl.fit("head", folds=3, **(flags | {"run_dir": str(tmp_path / "folds")}))
    with pytest.raises(tl.UsageError, match="must be of one model"):
        folds.heatmaps(paths)
    each = [tl.load(folds.directory / f"fold{k}").predict(paths) for k in (1, 2, 3)]
    np.testing.assert_allclose(folds.predict(paths), np.mean(each, axis=0), atol=1e-6)


def test_models_that_were_changed(run, tmp_path):
    place = tmp_path / "copy"
    shutil.copytree(run.directory, place)
    model = keras.models.load_model(place / "model.keras")
    model.layers[-1].activation = keras.activations.linear
    keras.Model(model.inputs, model.layers[-1](model.layers[-2].output)).save(place / "model.keras")
    paths, _ = predicted(run)
    with pytest.raises(tl.UsageError, match="must give probabilities"):
        list(Predictor([place]).stream(paths))
    inputs = keras.Input((8,))
    keras.Model(inputs, keras.layers.Dense(3)(inputs)).save(place / "model.keras")
    with pytest.raises(tl.UsageError, match="must take images of shape"):
        Predictor([place])


def test_arrays_that_are_no_images(run):
    with pytest.raises(tl.UsageError, match="must be a list of paths"):
        run.predict("photo.png")
    for image in (np.zeros((8, 8, 3)), np.zeros((8, 8), "uint8"), np.zeros((8, 8, 4), "uint8")):
        with pytest.raises(tl.UsageError, match="uint8 arrays of shape"):
            run.predict([image])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("model.keras", None, "must be the directory of a finished run"),
        ("model.keras", "no model", "must be a model that Keras loads"),
        ("labels.txt", "red\ngreen\n", "must give 2 probabilities"),
        ("labels.txt", None, "must have its labels.txt"),
        ("plan.json", "{}", "must have its labels.txt"),
    ],
)
def test_runs_that_were_changed(run, tmp_path, name, text, message):
    place = tmp_path / "copy"
    shutil.copytree(run.directory, place)
    (place / name).unlink() if text is None else (place / name).write_text(text)
    with pytest.raises(tl.UsageError, match=message):
        Predictor([place])


def test_runs_of_other_labels(run, tmp_path):
    place = tmp_path / "copy"
    shutil.copytree(run.directory, place)
    (place / "labels.txt").write_text("red\ngreen\nother\n")
    with pytest.raises(tl.UsageError, match="must have the same labels"):
        Predictor([run.directory, place])


def test_paths_of_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a/b/2.png", "a/1.png", "a/.hidden.png", "a/Thumbs.db", "c[1].png", "d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "list.csv").write_text("label,path\nx,a/1.png\ny,d.jpg\n")
    assert image_paths(["a"]) == ["a/1.png", "a/b/2.png"]
    assert image_paths(["a/**/*.png"]) == ["a/.hidden.png", "a/1.png", "a/b/2.png"]
    assert image_paths([f"{tmp_path}/*.jpg", "c[1].png"]) == [f"{tmp_path}/d.jpg", "c[1].png"]
    assert image_paths(["list.csv", "nope.png"]) == ["a/1.png", "d.jpg", "nope.png"]
    assert image_paths(["-"], ["x y.png\n", "\n"]) == ["x y.png"]
    (tmp_path / "empty").mkdir()
    for names in (["empty"], ["*.gif"], ["-"]):
        with pytest.raises(tl.UsageError, match=r"Received: .*: no image"):
            image_paths(names)
    (tmp_path / "other.csv").write_text(json.dumps({}))
    (tmp_path / "other.csv").write_text("file\nx.png\n")
    with pytest.raises(tl.UsageError, match="must have a column path"):
        image_paths(["other.csv"])
