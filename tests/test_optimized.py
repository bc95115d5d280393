"""Under python -OO there are no docstrings and no assertions: all works without them."""

import subprocess
import sys

import pytest

PLUGIN = """
import tl_strategies as tl

@tl.register("mine")
class Mine(tl.Strategy):
    def trainable(self, unit, depth_count):
        return True
"""


def run(*arguments, **options):
    result = subprocess.run(
        [sys.executable, "-OO", *map(str, arguments)], capture_output=True, text=True, **options
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(autouse=True)
def _own_bytecode(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


@pytest.mark.parametrize("command", ["tl_run", "tl_search", "tl_curve", "tl_inspect"])
def test_help(command):
    name = command.replace("_", "-")
    assert run("-m", f"tl_apps.{command}", "--help").startswith(f"{name}\n\nusage: {name} ")


def test_a_strategy_of_one_s_own(tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    output = run("-m", "tl_apps.tl_inspect", "--plugin", tmp_path / "mine.py")
    assert "  fixed\n" in output
    assert "  mine\n" in output
