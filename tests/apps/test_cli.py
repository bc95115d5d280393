"""What commands say: in any encoding, of any name, and how a shell takes it."""

import pathlib
import subprocess

import pytest

from tl_apps.cli import quoted, run_command
from tl_apps.flags import Command
from tl_strategies.errors import UsageError

NAMES = ["plain", "two words", "it's", "a\x1b[31m", "caf\udce9", "a\nb", "back\\slash\t'", "$(x)"]


@pytest.mark.parametrize("name", NAMES)
def test_a_shell_gets_the_path_back(name, tmp_path):
    path = tmp_path / name
    path.touch()
    text = quoted(path)
    assert text.isprintable()
    command = ["bash", "-c", f"test -f {text}"]
    assert subprocess.run(command).returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_messages_are_one_line(name, capsys):
    def body(values):
        raise UsageError(f"--run_dir must be free. Received: {pathlib.Path(name)}.")

    assert run_command(Command("tl", "", [], (), ()), body, []) == 2
    error = capsys.readouterr().err
    assert error.startswith("tl: error: --run_dir")
    assert error.endswith("\n")
    assert error[:-1].isprintable()
