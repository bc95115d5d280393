"""Plug-in files: strategies and layers, loaded, changed and loaded again; what goes wrong."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import tl_strategies as tl
from tl_strategies.backbones.zoo import load_backbone
from tl_strategies.strategies import get_strategy, load_plugin, strategies

MINE = '''
import tl_strategies as tl

@tl.register("{name}")
class LastThird(tl.Strategy):
    """Fine-tune the last third of the units."""

    def trainable(self, unit, depth_count):
        return unit.depth > 2 * depth_count / 3
'''

LAYER = """
import keras

{decorator}
class Halved(keras.layers.Layer):
    def call(self, x):
        return x / {divisor}
"""
DECORATORS = ["@keras.saving.register_keras_serializable(package='mine')", ""]


@pytest.fixture(autouse=True)
def _restored():
    """What a test registers with Keras is gone after it."""
    objects = keras.saving.get_custom_objects()
    before = dict(objects)
    yield
    objects.clear()
    objects.update(before)


def written(path, text):
    path.write_text(text)
    return path


def saved_with(layer, path):
    image = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3, name="one")(layer(image))
    keras.Model(image, x).save(path)
    return str(path)


def test_a_file_adds_a_strategy(tmp_path):
    file = written(tmp_path / "mine.py", MINE.format(name="last_third"))
    load_plugin(file)
    first = get_strategy("last_third")
    load_plugin(file)
    assert get_strategy("last_third") is first
    assert first.description() == "Fine-tune the last third of the units"


@pytest.mark.parametrize("decorator", DECORATORS)
def test_a_file_adds_layers(tmp_path, decorator):
    """Registered or not, without any strategy: a model that has them is found to be a backbone."""
    file = written(tmp_path / "own.py", LAYER.format(decorator=decorator, divisor=2))
    load_plugin(file)
    name = "mine>Halved" if decorator else "Halved"
    path = saved_with(keras.saving.get_registered_object(name)(), tmp_path / "m.keras")
    keras.saving.get_custom_objects().clear()
    with pytest.raises(tl.UsageError, match=r"with Halved\. Give .* --plugin FILE\.py"):
        load_backbone(path)
    load_plugin(file)
    images = np.ones((2, 16, 16, 3), "float32")
    expected = keras.models.load_model(path)(images)
    np.testing.assert_allclose(load_backbone(path)(images), expected, rtol=1e-5)


def test_a_changed_file_takes_its_own_place(tmp_path):
    """Even within a second, at the same length: what is compiled is what is read."""
    file = written(tmp_path / "mine.py", MINE.format(name="first_one"))
    load_plugin(file)
    load_plugin(written(file, MINE.format(name="other_one").replace("Fine", "Well")))
    assert "first_one" not in strategies()
    assert get_strategy("other_one").description().startswith("Well")
    for divisor in (2, 4):
        layer = LAYER.format(decorator=DECORATORS[0], divisor=divisor)
        load_plugin(written(tmp_path / "own.py", layer))
        halved = keras.saving.get_registered_object("mine>Halved")()
        assert float(halved(np.ones(1))[0]) == 1 / divisor


def test_two_files_of_one_name_do_not_meet(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        load_plugin(written(tmp_path / folder / "mine.py", MINE.format(name=folder)))
    assert get_strategy("one").__module__ != get_strategy("two").__module__
    assert sys.modules[get_strategy("one").__module__].LastThird is get_strategy("one")


def test_a_file_may_import_layers_that_are_known_already(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    written(tmp_path / "known_layers.py", LAYER.format(decorator=DECORATORS[0], divisor=2))
    __import__("known_layers")
    load_plugin(written(tmp_path / "mine.py", "import known_layers\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import tl_strategies as tl\n1/0\n", "line 2: ZeroDivisionError"),
        ("def broken(:\n", "line 1: SyntaxError"),
        ("import sys\nsys.exit(3)\n", "line 2: SystemExit: 3"),
        ("x = 1\n", "must register a strategy or a layer"),
        ("import keras, numpy\nx = keras.layers.Dense\n", "must register a strategy or a layer"),
        (MINE.format(name="bare").replace("@tl", "# @tl"), "must register a strategy or a layer"),
        (MINE.format(name="partial"), "name must be free"),
        (MINE.format(name="Last Third"), "lower_snake_case"),
        (MINE.format(name="bare").replace('"""Fine-tune', '""\n    """'), "docstring"),
        (LAYER.format(decorator=DECORATORS[0], divisor=2) + "1/0\n", "ZeroDivisionError"),
    ],
)
def test_a_broken_file_says_where_and_leaves_nothing(tmp_path, text, message):
    __import__("tl_strategies.plans.optimizers")  # which registers something with Keras
    known = strategies(), dict(keras.saving.get_custom_objects()), set(sys.modules)
    with pytest.raises(tl.UsageError, match=message):
        load_plugin(written(tmp_path / "mine.py", text))
    assert strategies() == known[0]
    assert keras.saving.get_custom_objects() == known[1]
    assert not {name for name in set(sys.modules) - known[2] if name.startswith("tl_plugin")}


def test_a_change_that_fails_leaves_what_was(tmp_path):
    file = written(tmp_path / "mine.py", MINE.format(name="last_third"))
    load_plugin(file)
    with pytest.raises(tl.UsageError, match="ZeroDivisionError"):
        load_plugin(written(file, MINE.format(name="last_third") + "1/0"))
    assert get_strategy("last_third").description()


def test_a_missing_file(tmp_path):
    with pytest.raises(tl.UsageError, match="does not exist"):
        load_plugin(tmp_path / "none.py")
    for other in (tmp_path, written(tmp_path / "mine.txt", "")):
        with pytest.raises(tl.UsageError, match=r"must be a Python file \(\.py\)"):
            load_plugin(other)


def test_what_is_imported_is_quiet_and_what_is_printed_is_seen(tmp_path):
    """On stderr, where it is in nobody's JSON; TensorFlow's own notes are not there."""
    text = "import os, sys, keras\nos.write(2, b'from the system')\n"
    text += "print('from', 'mine')\nprint('also', 'mine', file=sys.stderr)\n"
    file = written(tmp_path / "mine.py", text + MINE.format(name="last_third"))
    command = "from tl_apps.tl_inspect import main; raise SystemExit(main())"
    arguments = ["--plugin", str(file), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", command, *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("{")
    assert "last_third" in done.stdout
    assert done.stderr.splitlines() == ["from mine", "also mine"]
