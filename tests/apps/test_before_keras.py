"""What is wrong in a command is said before Keras is imported, which takes seconds."""

import subprocess
import sys

import numpy as np
import pytest

CODE = """
import importlib, sys
name, *arguments = sys.argv[1:]
code = importlib.import_module(f"tl_apps.{name}").main(arguments)
slow = {"keras", "tensorflow", "keras_tuner", "sklearn", "matplotlib"} & set(sys.modules)
assert (code, slow) == (2, set()), (code, slow)
"""
RUN = [
    ("--epochs ten", "--epochs must be a whole number"),
    ("--warmup 1", "--warmup must be at least 0 and below 1"),
    ("--strategy hed", "Did you mean 'head'"),
    ("--option depth=3", "--option of strategy partial must be one of"),
    ("--n auto --dry_run", "--dry_run must have a depth"),
    ("--n auto --folds 3", "--n auto must come without --folds"),
    ("--dataset clipat", "Did you mean 'clipart'"),
    ("--run_dir ~nobody_at_all/run", "Paths must be ones that you can read"),
]
SEARCH = [
    ("--space wide", "--space must be one of depth, standard, FILE.toml"),
    ("--space nowhere.toml", "--space must be a TOML file"),
    ("--space strategies.toml", "Did you mean 'partial'"),
    ("--space keys.toml", "Did you mean 'batch_size'"),
    ("--space values.toml", "--bn must be one of frozen, adapt, train"),
    ("--space kinds.toml", "--epochs must be a whole number. Received: many"),
    ("--space standard", "--tuner exhaustive and grid must have lists"),
    ("--strategy head", "--strategy must be one that takes n"),
    ("--strategy head --space standard --tuner random --probe_first", "--probe_first must come"),
    ("--tuner randm", "Did you mean 'random'"),
    ("--trials 0", "--trials must be at least 1"),
    ("--engine slurm", "--engine must be one of local, ray"),
]
CURVE = [
    ("--paper", "--paper must come with --backbone caffenet or caffenet_mini"),
    ("--class_split nowhere.txt", "--class_split must be random, natural_manmade, given or a file"),
    ("--class_split names.txt", "must name classes of the data. Received: 'unicorn'"),
    ("--class_split natural_manmade", "must come with the 1000 classes of ImageNet"),
    ("--class_split given --weights none", "--class_split given must stand alone"),
    ("--treatments AnB", "--treatments must have base"),
    ("--score last", "--score must be one of final, paper"),
]
INSPECT = [
    ("--backbone resnet50 --dataset clipart", "Only one of these must be given"),
    ("--cache --cache_dir ~nobody_at_all/c", "--cache_dir must be a path"),
    ("--dataset clipart --limit 0", "--limit must be at least 1"),
]
PROBE = [
    ("--classifiers svn", "Did you mean 'svm'"),
    ("--splits 0", "--splits must be at least 1"),
    ("--backbone resnet5", "Did you mean 'resnet50'"),
    ("--dataset clipat", "Did you mean 'clipart'"),
]
EXPORT = [
    ("run", "--format must be one of litert, onnx, openvino, saved_model. Received: nothing."),
    ("run --format onx", "Did you mean 'onnx'"),
    ("run --format onnx --precision int4", "--precision must be one of float32, float16, int8"),
    ("run --format saved_model --precision int8", "saved_model must be one of float32. Received"),
    ("run other --format onnx", "tl-export must get one run. Received: run other"),
    ("run --format onnx --out a.npz", "--out must be a directory that is not there yet"),
]
COMMANDS = {
    **{"tl_run": RUN, "tl_search": SEARCH, "tl_curve": CURVE, "tl_probe": PROBE},
    **{"tl_inspect": INSPECT, "tl_export": EXPORT},
}
WITHOUT_DATA = ("tl_inspect", "tl_export")


@pytest.fixture
def files(tmp_path):
    (tmp_path / "strategies.toml").write_text("strategy = ['partal']\n")
    (tmp_path / "keys.toml").write_text("batchsize = [1]\n")
    (tmp_path / "values.toml").write_text("bn = ['frozn']\n")
    (tmp_path / "kinds.toml").write_text("epochs = ['many', 'few']\n")
    (tmp_path / "names.txt").write_text("unicorn\n")
    np.savez(tmp_path / "a.npz", x_train=np.zeros((40, 8, 8, 3), "u1"), y_train=np.arange(40) % 4)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [(command, *case) for command, cases in COMMANDS.items() for case in cases],
)
def test_errors_are_said_at_once(command, arguments, message, files):
    data = [] if command in WITHOUT_DATA or "--dataset" in arguments else ["--dataset", "npz:a.npz"]
    result = subprocess.run(
        [sys.executable, "-c", CODE, command, *arguments.split(), *data],
        capture_output=True,
        text=True,
        cwd=files,
    )
    assert result.returncode == 0, result.stderr
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
