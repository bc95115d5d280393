"""What is found to be wrong before Keras is imported."""

import subprocess
import sys

import pytest

import tl_strategies as tl
from tl_strategies.backbones.names import check_backbone, unit_names
from tl_strategies.backbones.zoo import load_backbone

OURS = ("efficientnet_lite0", "caffenet", "caffenet_mini")


@pytest.mark.parametrize("name", OURS)
def test_units_are_known_without_building_them(name):
    assert unit_names(name) == [unit.name for unit in tl.find_units(load_backbone(name, "none"))]


@pytest.mark.parametrize("n", [0, 18, "18", -18, "block4a", "top_conv", None])
def test_depths_that_there_are(n):
    check_backbone("efficientnet_lite0", n=n)
    check_backbone("resnet50", n=n)  # its units are known when it is built


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"n": 99}, "--n must be from 0 to 18"),
        ({"n": "-19"}, "--n must be from 0 to 18"),
        ({"n": "block4z"}, "Did you mean 'block4"),
        ({"name": "caffenet_mini", "weights": "none", "n": 8}, "--n must be from 0 to 7"),
        ({"name": "resnet51"}, "Did you mean 'resnet5"),
        ({"name": "none.keras"}, "--backbone must be a file"),
        ({"name": "model.onnx"}, "must end in .keras"),
        ({"weights": "imagnet"}, "--weights must be imagenet, none or a file"),
        ({"weights": "none.keras"}, "--weights must be imagenet, none or a file"),
        ({"weights": __file__}, "--weights must end in .keras"),
        ({"name": "caffenet"}, "--weights of caffenet must be none or a file"),
        ({"image_size": 31}, "--image_size must be at least 32"),
        ({"keep_top": True}, "--keep_top must come with a .keras file"),
        ({"top": "block4a_add"}, "--top must come with a .keras file"),
        ({"name": "hub:x", "keep_top": True, "top": "y"}, "--keep_top must come without --top"),
    ],
)
def test_what_cannot_be_right(choice, message):
    with pytest.raises(tl.UsageError, match=message):
        check_backbone(**{"name": "efficientnet_lite0"} | choice)


def test_commands_say_so_without_keras():
    """They answer at once."""
    code = """
import sys
from tl_apps import tl_inspect, tl_run
for command, arguments in (
    (tl_run, ["--n", "99"]),
    (tl_run, ["--n", "block4z", "--strategy", "transplant"]),
    (tl_run, ["--backbone", "resnet51"]),
    (tl_run, ["--backbone", "none.keras", "--dry_run"]),
    (tl_run, ["--weights", "none.h5"]),
    (tl_run, ["--image_size", "8"]),
    (tl_inspect, ["--backbone", "resnet51"]),
    (tl_inspect, ["--backbone", "resnet50", "--top", "conv1"]),
):
    assert command.main(arguments) == 2, arguments
    assert "keras" not in sys.modules, arguments
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(": error: --") == 8
