"""Fixtures: tiny photos in folders, a tiny backbone, a cache of the test's own."""

import gc
import os
import signal

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
from PIL import Image

from tests.forked import Command, prepare

# A shell has commands that it starts in the background ignore Ctrl-C, and all their children too.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure():
    """Threads of test processes side by side would only wait for each other's.

    Graphs that run a few times are not worth optimizing. Commands have all threads, and optimize.
    It comes before test files are read, some of which make tensors.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def pytest_collection_finish():
    """What has been imported stays; the collector need not look at it each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def _seeded():
    np.random.seed(0)


@pytest.fixture(autouse=True)
def _own_strategies(monkeypatch):
    """What a test registers is gone after it."""
    from tl_strategies.strategies import registry

    monkeypatch.setattr(registry, "_strategies", dict(registry.strategies()))


@pytest.fixture
def _optimized():
    """Graphs as commands have them, for what holds to the bit."""
    import tensorflow as tf

    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
    yield
    tf.config.optimizer.set_experimental_options(
        {"disable_meta_optimizer": before.get("disable_meta_optimizer", False)}
    )


@pytest.fixture
def fork(tmp_path):
    """Starts a command, which does not outlive the test; see `Command`."""
    prepare()
    started = []

    def fork(name, arguments, **others):
        log = tmp_path / f"log{len(started)}"
        started.append(Command(name, arguments, log, **others))
        return started[-1]

    yield fork
    for command in started:
        command.kill()


def draw(seed: int, colour: int, size: int = 40) -> Image.Image:
    """A noisy picture in which one channel is bright: what its label is can be learnt."""
    pixels = np.random.default_rng(seed).integers(0, 120, (size, size + 8, 3))
    pixels[..., colour] += 100
    return Image.fromarray(pixels.astype("uint8"))


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """The file of a tiny backbone."""
    import keras

    from tl_strategies.testing import tiny_backbone

    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("backbone") / "tiny.keras"
    tiny_backbone().save(path)
    return str(path)


def draw_classes(root):
    """A folder with three classes of 14 pictures each."""
    for colour, name in enumerate(("red", "green", "blue")):
        (root / name).mkdir(parents=True)
        for i in range(14):
            draw(100 * colour + i, colour).save(root / name / f"{i:02}.png")
    return root


@pytest.fixture
def photos(tmp_path):
    return draw_classes(tmp_path / "photos")


@pytest.fixture(scope="session")
def arrays(tmp_path_factory):
    """An .npz file of images in which one corner is bright: what the label is can be learnt."""
    rng = np.random.default_rng(0)
    labels = np.arange(96) % 4
    images = rng.integers(0, 150, (96, 28, 28, 3))
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(label, 2)
        image[14 * row : 14 * row + 14, 14 * column : 14 * column + 14] += 100
    path = tmp_path_factory.mktemp("arrays") / "corners.npz"
    parts = {"train": slice(0, 56), "validation": slice(56, 76), "test": slice(76, 96)}
    np.savez(
        path,
        **{f"x_{part}": images[of].astype("uint8") for part, of in parts.items()},
        **{f"y_{part}": labels[of] for part, of in parts.items()},
    )
    return path


@pytest.fixture
def settings(photos, backbone, tmp_path):
    """Of short runs with a tiny backbone."""
    return {
        "dataset": f"folder:{photos}",
        "backbone": backbone,
        "epochs": 2,
        "batch_size": 8,
        "learning_rate": 0.01,
        "run_dir": str(tmp_path / "run"),
        "cache_dir": str(tmp_path / "cache"),
    }
