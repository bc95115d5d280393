"""Exports: each format, where this package is not, predicts what the run did, or is refused."""

import csv
import json
import pathlib
import re
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest

import tl_strategies as tl
from tests.conftest import draw_classes
from tl_strategies.backbones.units import find_units
from tl_strategies.backbones.zoo import load_backbone
from tl_strategies.directories import MARK, number_near
from tl_strategies.evaluation import export as module
from tl_strategies.evaluation.formats import FORMATS
from tl_strategies.evaluation.runtimes import load_export
from tl_strategies.evaluation.writers import write_model
from tl_strategies.training.forward import BATCH

OTHERS = {"head": "onnx", "add_fc": "litert", "partial": "openvino", "full": "onnx"}
FOREIGN = shutil.ignore_patterns("export", "checkpoints")
SERVED = """
import csv, json, pathlib, sys
import numpy as np
import onnxruntime, openvino, tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps

def litert(file, image):
    interpreter = Interpreter(str(file))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

def onnx(file, image):
    return onnxruntime.InferenceSession(file).run(["probabilities"], {"image": image})[0]

def ov(file, image):
    hint = {"INFERENCE_PRECISION_HINT": "f32"}
    return openvino.compile_model(file, "CPU", hint)({"image": image})["probabilities"]

def saved_model(file, image):
    loaded = tf.saved_model.load(str(file))
    return loaded.serve(image).numpy()

serve = {"model.tflite": litert, "model.onnx": onnx, "model.xml": ov, "model": saved_model}
for line in sys.stdin:
    file, run = map(pathlib.Path, line.rstrip().split("|"))
    labels = (file.parent / "labels.txt").read_text().splitlines()
    rows = [row for row in csv.DictReader((run / "predictions.csv").open())]
    for row in rows[-2:]:
        image = ImageOps.pad(Image.open(row["path"]), (16, 16), Image.Resampling.BICUBIC, "white")
        found = serve[file.name](file, np.asarray(image, "float32")[None])
        np.testing.assert_allclose(found[0], [float(row[label]) for label in labels], atol=1e-5)
    print(file, flush=True)
assert "tl_strategies" not in sys.modules
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with photos and a tiny backbone."""
    from tl_strategies.testing import tiny_backbone

    place = tmp_path_factory.mktemp("export")
    draw_classes(place / "photos")
    keras.utils.set_random_seed(0)
    tiny_backbone().save(place / "tiny.keras")
    return place


def fit(place, strategy, name, **others):
    flags = {"dataset": f"folder:{place / 'photos'}", "backbone": str(place / "tiny.keras")}
    flags |= {"cache_dir": str(place / "cache"), "run_dir": str(place / name)}
    flags |= {"epochs": 1, "batch_size": 8}
    return tl.fit(strategy, **(flags | others))


@pytest.fixture(scope="module")
def run(place):
    return fit(place, "fixed", "run")


def test_they_predict_where_this_package_is_not(run, place):
    """Each format of a run, and one of a run of each other kind."""
    exports = [(run, name) for name in FORMATS]
    for strategy, name in OTHERS.items():
        exports.append((fit(place, strategy, strategy), name))
    lines = []
    for each, name in exports:
        report = each.export(name)
        assert report["largest_difference"] <= 1e-5
        assert report["images"] == 6
        directory = report["directory"]
        assert json.loads((directory / "export.json").read_text())["format"] == name
        lines.append(f"{directory / FORMATS[name].file}|{each.directory}\n")
    command = [sys.executable, "-I", "-c", SERVED]
    result = subprocess.run(command, input="".join(lines), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("\n") == len(exports)


@pytest.mark.parametrize("name", ["litert", "onnx", "openvino"])
def test_fewer_bits(run, name):
    half, whole = (run.export(name, precision) for precision in ("float16", "int8"))
    assert 1e-7 < half["largest_difference"] <= 1e-2
    assert whole["largest_difference"] > 1e-3
    assert whole["export"]["accuracy"] == whole["model"]["accuracy"] == 1


@pytest.mark.parametrize("name", ["mobilenetv2", "resnet50", "efficientnetb0", "densenet121"])
def test_preprocessing_of_bare_operations(name, tmp_path):
    """Of which an exporter may make inputs."""
    keras.utils.set_random_seed(0)
    backbone = load_backbone(name, "none", 32)
    lowest = backbone.get_layer(find_units(backbone)[0].layers[-1]).output
    codes = keras.layers.UnitNormalization()(keras.layers.GlobalAveragePooling2D()(lowest))
    model = keras.Model(backbone.inputs[0], keras.layers.Dense(3, "softmax")(codes))
    images = np.random.default_rng(0).uniform(0, 255, (BATCH, 32, 32, 3)).astype("float32")
    images *= np.linspace(0, 1, BATCH, dtype="float32")[:, None, None, None]
    write_model(model, tmp_path / "model.onnx", "onnx", "float32", "abc", None)
    expected = model.predict(images, verbose=0)
    assert np.ptp(expected, axis=0).max() > 0.01
    found = load_export(tmp_path / "model.onnx", "onnx")(images)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_differs_is_refused(run, monkeypatch, tmp_path):
    monkeypatch.setitem(module.DIFFERENCES, "float16", 1e-9)
    out = tmp_path / "new" / "half"
    with pytest.raises(tl.UsageError, match=r"differ by .*, accuracy 1\.000 .*--force hands it"):
        run.export("onnx", "float16", out=out)
    assert [path.name for path in out.parent.iterdir()] == [MARK]
    left = out.with_name(f"{MARK}-{number_near(out.parent)}-0123abcd-half")
    left.mkdir(parents=True)  # by one that was killed
    assert run.export("onnx", "float16", out=out, force=True)["directory"] == out
    assert not left.exists()
    assert {path.name for path in out.iterdir()} == {"model.onnx", "labels.txt", "export.json"}


def test_nothing_is_replaced(run, tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(tl.UsageError, match="must be a directory that is not there yet"):
        run.export("onnx", out=tmp_path / "mine")
    with pytest.raises(tl.UsageError, match="--out must be a directory"):
        run.export("onnx", out="/dev/null/mine")
    assert not [*(tmp_path / "mine").iterdir()]


def test_which_run(run, tmp_path):
    shutil.copytree(run.directory, tmp_path / "search" / "best", ignore=FOREIGN)
    report = module.export(tmp_path / "search", "onnx")
    assert report["directory"] == tmp_path / "search" / "best" / "export" / "onnx-float32"
    for fold in ("fold1", "fold2"):
        shutil.copytree(run.directory, tmp_path / "folds" / fold, ignore=FOREIGN)
    with pytest.raises(tl.UsageError, match=r"Name one of .*fold1, .*fold2"):
        module.export(tmp_path / "folds", "onnx")


def test_images_that_are_not_there(run, place, tmp_path):
    (place / "photos").rename(place / "elsewhere")
    try:
        with pytest.raises(tl.UsageError, match=r"test images .* 6 of 6 that cannot be read, such"):
            run.export("onnx", out=tmp_path / "export")
    finally:
        (place / "elsewhere").rename(place / "photos")
    assert not (tmp_path / "export").exists()


def test_other_sources(place, arrays, tmp_path):
    with np.load(arrays) as file:
        data = {p: (file[f"x_{p}"], file[f"y_{p}"]) for p in ("train", "validation", "test")}
    flags = {"backbone": str(place / "tiny.keras"), "cache_dir": str(tmp_path / "cache")}
    for name, given in (("npz", {"dataset": f"npz:{arrays}"}), ("memory", {"data": data})):
        run = tl.fit("fixed", run_dir=str(tmp_path / name), **given, **flags)
        again = {"data": data} if name == "memory" else {}
        report = run.export("onnx", "int8", force=True, **again)
        assert report["images"] == 20
        assert report["model"]["accuracy"] == pytest.approx(run.metrics["test"]["accuracy"])
    with pytest.raises(tl.UsageError, match="must be given where they came from memory"):
        run.export("onnx", out=tmp_path / "other")


def test_several_labels(place, tmp_path):
    paths = sorted((place / "photos").glob("*/*.png"))
    lines = [f"{path},{path.parent.name}{';first' * (path.stem < '07')}" for path in paths]
    (tmp_path / "labels.csv").write_text("\n".join(["path,labels", *lines]))
    run = fit(place, "head", "several", dataset=f"csv:{tmp_path / 'labels.csv'}")
    report = run.export("onnx")
    assert report["metric"] == "mean_average_precision"
    score = run.metrics["test"]["mean_average_precision"]
    assert report["model"]["mean_average_precision"] == pytest.approx(score)


def test_packages_that_are_not_there(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(tl.UsageError, match=r"must have nncf\. .*'tl-strategies\[openvino\]'"):
        run.export("openvino", "int8")


def test_the_readme_s_lines_serve_it(run, monkeypatch):
    readme = (pathlib.Path(__file__).parents[2] / "docs" / "tl-export.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", readme, re.S)
    (lines,) = [block for block in blocks if "InferenceSession" in block]
    file = run.export("onnx", out=run.directory / "served")["directory"] / "model.onnx"
    monkeypatch.setitem(sys.modules, "tl_strategies", None)
    lines = lines.replace("runs/my_run/export/onnx-float32/model.onnx", str(file))
    with (run.directory / "predictions.csv").open() as rows:
        for row in list(csv.DictReader(rows))[-2:]:
            names = {"path": row["path"]}
            exec(lines.replace('"photo.jpg"', "path"), names)
            expected = [float(row[name]) for name in names["labels"]]
            np.testing.assert_allclose(names["probabilities"], expected, atol=1e-5)
