"""Pictures of features: every image has its place, its label and its thumbnail."""

import json
import pathlib
import re
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from PIL import Image

import tl_strategies as tl
from tl_strategies.analysis.probe.pictures import NAMED, THUMBNAIL, features_figure
from tl_strategies.tracking.figures import save_figure


@pytest.fixture(scope="module")
def board():
    """Starts a real tensorboard over a directory; answers what a path of its projector gives."""
    started = []

    def board(directory, log):
        command = [pathlib.Path(sys.executable).with_name("tensorboard"), "--port", "0"]
        with log.open("w") as file:
            started.append(
                subprocess.Popen([*command, "--logdir", directory], stdout=file, stderr=file)
            )

        def get(path):
            deadline = time.monotonic() + 120
            while not (found := re.search(r"at (http://\S+)", log.read_text())):
                assert time.monotonic() < deadline
                time.sleep(0.3)
            url = f"{found[1]}data/plugin/projector/{path}"
            with urllib.request.urlopen(url) as answer:
                return answer.read()

        return get

    yield board
    for process in started:
        process.kill()
        process.wait()


def test_the_projector_shows_codes_labels_and_thumbnails(settings, tmp_path, board):
    names = ("dataset", "backbone", "run_dir", "cache_dir")
    flags = {name: settings[name] for name in names} | {"splits": 1, "depths": "1,5"}
    flags |= {"classifiers": "ridge", "weights": "imagenet"}
    directory = tl.probe(pictures=True, **flags)["directory"]
    get = board(directory, tmp_path / "log")
    deadline = time.monotonic() + 60
    while not (runs := json.loads(get("runs"))):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    assert runs == ["projector"]
    embeddings = json.loads(get("info?run=projector"))["embeddings"]
    named = [entry["tensorName"] for entry in embeddings]
    assert named == ["unit 1, stem_conv", "unit 5, top_conv"]
    labels = get(f"metadata?run=projector&name={named[0].replace(' ', '%20')}").decode().split()
    assert sorted(set(labels)) == ["blue", "green", "red"]
    folder = directory / "projector"
    for entry, width in zip(embeddings, (6, 8), strict=True):
        rows = np.loadtxt(folder / entry["tensorPath"], delimiter="\t")
        assert rows.shape == (len(labels), width)
    side = int(np.ceil(np.sqrt(len(labels))))
    with Image.open(folder / "sprite.png") as sprite:
        assert sprite.size == (side * THUMBNAIL, side * THUMBNAIL)
        colours = np.asarray(sprite)[THUMBNAIL // 2 :: THUMBNAIL, THUMBNAIL // 2 :: THUMBNAIL]
    brightest = np.array(["red", "green", "blue"])[colours.reshape(-1, 3).argmax(axis=1)]
    assert np.mean(brightest[: len(labels)] == labels) > 0.7  # each thumbnail beside its label
    before = (directory / "features.png").stat().st_mtime_ns
    tl.probe(pictures=True, **flags)
    assert (directory / "features.png").stat().st_mtime_ns == before
    tl.probe(**flags)  # the same probe, whether pictures are drawn or not


@pytest.mark.parametrize("labels", [1, 2, 60])
def test_figures_of_few_and_many_labels(labels, tmp_path):
    texts = [f"label {i % labels} {'长' * 40}" for i in range(120)]
    places = np.random.default_rng(0).normal(size=(120, 2))
    figure = features_figure([[places, places]] * 2, ["one", "two"], texts, "title " * 40)
    assert len(figure.legends[0].get_texts()) == min(labels, NAMED)
    save_figure(figure, tmp_path / "features.png")
    with Image.open(tmp_path / "features.png") as image:
        assert image.width > 1000
