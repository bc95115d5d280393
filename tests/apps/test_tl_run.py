"""The installed commands, as a user types them: answers, errors, one real run, a full disk."""

import json
import pathlib
import re
import shlex
import subprocess
import sys
import time

import pytest

from tl_apps import tl_inspect, tl_run
from tl_strategies.testing import tiny_backbone

BIN = pathlib.Path(sys.executable).parent


def command(name, *arguments, **options):
    return subprocess.run(
        [str(BIN / name), *map(str, arguments)], capture_output=True, text=True, **options
    )


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.keras"
    tiny_backbone().save(path)
    return path


def fails(capsys, *arguments, main=tl_run.main):
    """The message of a call that must end with exit code 2."""
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert captured.err.count("error:") == 1
    return captured.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--strategy", "partal"], "Did you mean 'partial'"),
        (["--strategy", "head", "--n", "3"], "--n must not be given"),
        (["--stratgy", "head"], "Did you mean --strategy?"),
        (["--epochs", "many"], "--epochs must be a whole number. Received: many."),
        (["--epochs", "0"], "--epochs must be at least 1. Received: 0."),
        (["--learning_rate", "-1"], "--learning_rate must be above 0"),
        (["--optimizer", "Ftrl"], "--optimizer must not be Ftrl"),
        (["--optimizer", "ScheduleFreeAdamW"], "must not be ScheduleFreeAdamW"),
        (["--dataset", "folder:/nowhere/at/all"], "does not exist"),
        (["--dataset", "clipat"], "Did you mean 'clipart'"),
        (["--plugin", "/nowhere.py"], "--plugin must be a Python file"),
        (["--config", "/nowhere.toml"], "--config must be a TOML file or one of clipart_partial"),
        (["--cache_dir", "/dev/null/below"], "--cache_dir must be a directory"),
        (["--run_dir", "/dev/null"], "--run_dir must be a directory"),
        (["--resume"], "--resume must come with --run_dir"),
        (["--learning_rate", "fast"], "--learning_rate must be above 0, or auto. Received: fast."),
        (["--views", "3"], "--views must come with --augment"),
        (["--plateau", "2", "--schedule", "step"], "--plateau must be the only one"),
        (["--cache_limit", "0"], "--cache_limit must be above 0"),
        (["--label_smoothing", "1"], "--label_smoothing must be at least 0 and below 1"),
        (["--strategy", "lp_ft", "--epochs", "1"], "--epochs must be at least 2 for lp_ft"),
        (["--strategy", "gradual", "--epochs", "1"], "--epochs must be at least 2 for gradual"),
        (["--strategy", "gradual", "--option", "stages=1"], "--option stages must be at least 2"),
        (["--strategy", "lp_ft", "--option", "head_share=1"], "--option head_share must be above"),
        (["--option", "l2_sp=-1"], "--option l2_sp must be at least 0"),
        (["folder"], "must get flags only"),
        (["--backbone", "resnet5"], "Did you mean 'resnet50'"),
        (["--weights", "/nowhere.h5"], "--weights must be imagenet, none or a file"),
        (["--n", "19"], "--n must be from 0 to 18"),
        (["--strategy", "partial", "--n", "block9z"], "--n as a unit's name must be one of"),
    ],
)
def test_errors(capsys, arguments, message):
    assert message in fails(capsys, *arguments)


def test_a_directory_that_cannot_be_written_to(capsys, tmp_path, monkeypatch):
    """The superuser may write anywhere, so the system's answer is given here."""
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)
    error = fails(capsys, "--run_dir", tmp_path / "run")
    assert "--run_dir must be a directory that you can write to" in error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoks = 3", "Did you mean 'epochs'"),
        ('epochs = "3"', "epochs in .* must be a whole number. Received: '3'"),
        ("deterministic = 1", "must be true or false"),
        ("plugin = 'a.py'", "must be a list of texts"),
        ("epochs = ", "must be TOML"),
    ],
)
def test_errors_in_a_config(capsys, tmp_path, text, message):
    (tmp_path / "mine.toml").write_text(text)
    error = fails(capsys, "--config", tmp_path / "mine.toml")
    assert re.search(message, error), error


def test_the_command_line_wins_over_the_config(capsys, tmp_path):
    (tmp_path / "mine.toml").write_text('strategy = "partial"\nn = 5\nepochs = 3\n')
    for arguments in (["--n", "-1", "--config"], ["--config"]):
        order = [*arguments, str(tmp_path / "mine.toml")]
        order = order if len(order) == 2 else [*order[2:], *order[:2]]
        assert tl_run.main([*order, "--dry_run"]) == 0
        n = 17 if "--n" in arguments else 5
        output = capsys.readouterr().out
        assert f"strategy partial, n = {n} of 18 units of efficientnet_lite0" in output
        assert "phase 1: 3 epochs" in output


def test_dry_run_writes_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tl_run.main(["--strategy", "full", "--dry_run"]) == 0
    assert "softmax over 10 labels" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "count"), [("vgg16", 13), ("efficientnet_lite0", 18)])
def test_inspect_prints_units(capsys, name, count):
    arguments = ["--backbone", name, "--weights", "none", "--image_size", "64"]
    assert tl_inspect.main([*arguments, "--json"]) == 0
    units = json.loads(capsys.readouterr().out)["units"]
    assert len(units) == count
    assert set(units[0]) == {"depth", "name", "layers", "parameters", "output_shape"}
    assert tl_inspect.main(arguments) == 0
    assert f"{count} units" in capsys.readouterr().out


def test_inspect_lists_what_there_is(capsys):
    assert tl_inspect.main([]) == 0
    output = capsys.readouterr().out
    for word in ("transplant", "folder:PATH", "mobilenetv3small"):
        assert word in output
    assert tl_inspect.main(["--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"strategies", "backbones", "datasets"}
    assert "Did you mean" in fails(capsys, "--backbone", "vgg61", main=tl_inspect.main)


def test_inspect_says_what_cannot_be_cut(capsys):
    arguments = ["--backbone", "nasnetmobile", "--weights", "none", "--image_size", "64"]
    assert tl_inspect.main(arguments) == 0
    assert "cannot be cut finely" in capsys.readouterr().out


def test_the_bundled_data_and_backbone(tmp_path, fork):
    """The installed command, on real images, in a directory of its own; then its config again."""
    result = command(
        "tl-run",
        *("--strategy", "partial", "--n", "-2", "--limit", 200, "--epochs", 2),
        *("--image_size", 128),
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    (run,) = (tmp_path / "runs").iterdir()
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["test"]["accuracy"] > 0.3
    assert f"tensorboard --logdir runs/{run.name}" in result.stdout
    where = ["--run_dir", tmp_path / "again"]
    fork("tl_run", ["--config", run / "config.toml", *where]).ends()
    repeated = json.loads((tmp_path / "again" / "metrics.json").read_text())
    assert repeated["test"]["accuracy"] == pytest.approx(metrics["test"]["accuracy"], abs=0.02)
    assert repeated["features"]["status"] == "hit"


def test_a_user_s_folder_plugin_and_backbone(tmp_path, photos, tiny, fork):
    (tmp_path / "mine.py").write_text(
        "import tl_strategies as tl\n\n"
        '@tl.register("last_third")\n'
        "class LastThird(tl.Strategy):\n"
        '    """Fine-tune the last third of the units."""\n\n'
        "    def trainable(self, unit, depth_count):\n"
        "        return unit.depth > 2 * depth_count / 3\n"
    )
    (photos / "red" / "broken.jpg").write_text("no picture")
    plugin = ["--plugin", tmp_path / "mine.py", "--strategy", "last_third"]
    data = ["--dataset", f"folder:{photos}", "--backbone", tiny, "--epochs", 1]
    output = fork("tl_run", [*plugin, *data, "--run_dir", tmp_path / "out"]).ends()
    assert "1 files left out" in output
    assert "broken.jpg: not an image of a known format" in output
    assert "broken.jpg" in (tmp_path / "out" / "left_out.tsv").read_text()


def test_a_full_disk_is_said_and_the_run_goes_on_later(tmp_path, photos, tiny, fork):
    """The system refuses to let a file grow, as a full disk does."""
    arguments = [
        *("--strategy", "add_fc", "--option", "hidden=2000", "--dataset", f"folder:{photos}"),
        *("--backbone", tiny, "--epochs", 2, "--run_dir", tmp_path / "run"),
    ]
    full = fork("tl_run", arguments, file_limit=40_000).ends(2)
    assert "--run_dir must have space" in full
    assert "--resume" in full
    fork("tl_run", [*arguments, "--resume"]).ends()


def test_ctrl_c_says_how_to_go_on(tmp_path, photos, tiny, fork, capsys):
    arguments = ["--strategy", "full", "--dataset", f"folder:{photos}", "--backbone", tiny]
    run = tmp_path / "my run"
    training = fork("tl_run", [*arguments, "--epochs", 300, "--run_dir", run])
    while not (run / "checkpoints" / "last.npz").is_file():
        assert training.alive
        time.sleep(0.05)
    training.interrupt()
    how = shlex.split(re.search("go on with: (.*)", training.ends(130)).group(1))
    assert how[-3:] == ["--run_dir", str(run), "--resume"]
    assert tl_run.main([*how[1:], "--dry_run"]) == 0


def test_the_cache_is_listed_and_cleared(tmp_path, photos, tiny, capsys):
    where = ["--cache_dir", str(tmp_path / "cache")]
    run = ["--strategy", "head", "--dataset", f"folder:{photos}", "--backbone", str(tiny)]
    assert tl_run.main([*run, *where, "--epochs", "1", "--run_dir", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    assert tl_inspect.main(["--cache", *where]) == 0
    assert "features" in capsys.readouterr().out
    assert tl_inspect.main(["--cache", "--json", *where]) == 0
    tables = {table["kind"]: table for table in json.loads(capsys.readouterr().out)}
    assert (tables["images"]["rows"], tables["images"]["image_size"]) == (42, "16")
    assert (tables["features"]["rows"], tables["features"]["depth"]) == (36, 5)
    assert tables["features"]["backbone"] == str(tiny)
    assert tl_inspect.main(["--clear_cache", *where]) == 0
    assert "0.000 GB" in capsys.readouterr().out
