"""What `pip install` puts in place: every package, and commands that answer without TensorFlow."""

import configparser
import importlib.metadata
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
KNOWN_FLAGS = {
    "tl-run": "--learning_rate",
    "tl-inspect": "--contact_sheet",
    "tl-search": "--tuner",
    "tl-curve": "--class_split",
    "tl-probe": "--classifiers",
    "tl-compare": "--html",
    "tl-predict": "--views",
    "tl-export": "--precision",
}


def test_every_package_is_installed():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = set(setup["options"]["packages"].split())
    found = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for file in (ROOT / "tl_strategies").rglob("*.py")
    }
    assert listed == {*found, "tl_strategies.configs", "tl_apps"}


@pytest.mark.parametrize("name", KNOWN_FLAGS)
def test_help_needs_no_keras(name):
    (command,) = importlib.metadata.entry_points(group="console_scripts", name=name)
    code = (
        f"import sys; from {command.module} import main; main(['--help']);"
        "assert not {'keras', 'tensorflow', 'sklearn', 'matplotlib'} & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert KNOWN_FLAGS[name] in result.stdout
    assert "partial     The first n units frozen" in result.stdout or name != "tl-run"


def test_no_command_is_forgotten():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    scripts = setup["options.entry_points"]["console_scripts"].split("\n")
    assert {line.split(" = ")[0] for line in scripts if line} == set(KNOWN_FLAGS)
