"""What a process inherits changes no training: variables, keras.json, what a session has set."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import tl_strategies as tl
from tl_strategies.environment import VARIABLES, XLA, clean, cleaned, find_home, undisturbed

SETTINGS = {
    "floatx": ("float64", "float32"),
    "epsilon": (1e-3, 1e-7),
    "image_data_format": ("channels_first", "channels_last"),
    "max_epochs": (1, None),
    "max_steps_per_epoch": (1, None),
}
DIRTY = {
    "KERAS_BACKEND": "torch",
    "KERAS_MAX_EPOCHS": "many",
    "KERAS_MAX_STEPS_PER_EPOCH": "1",
    "KERAS_NNX_ENABLED": "1",
    "TF_USE_LEGACY_KERAS": "1",
    "TF_XLA_FLAGS": "--no_such_flag",
    "XLA_FLAGS": "--no_such_flag=1",
    "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "cpp",
    "MPLBACKEND": "module://of.another.environment",
    "SKLEARN_WORKING_MEMORY": "much",
    "PYTHONWARNINGS": "error",
}
COMMAND = """
import sys
from tl_apps.cli import quiet_import, run_command
from tl_apps.flags import Command

def body(values):
    with quiet_import():
        import keras, matplotlib, sklearn
        from tensorboard.plugins.hparams import api
    config = keras.config
    print(config.backend(), config.floatx(), config.image_data_format(), config.epsilon())
    print(config.max_epochs(), matplotlib.get_backend(), sys.warnoptions)
    print(keras.src.backend.config.keras_home())

sys.exit(run_command(Command("tl", "", [], (), ()), body, None))
"""


@pytest.fixture
def _odd_session():
    """A session in which everything has been set otherwise."""
    before = {name: getattr(keras.config, name)() for name in SETTINGS}
    policy = keras.config.dtype_policy()
    for name, (value, _) in SETTINGS.items():
        getattr(keras.config, f"set_{name}")(value)
    keras.config.set_dtype_policy("mixed_bfloat16")
    tf.config.run_functions_eagerly(True)
    yield
    for name, value in before.items():
        getattr(keras.config, f"set_{name}")(value)
    keras.config.set_dtype_policy(policy)
    tf.config.run_functions_eagerly(False)


def found():
    """What is set now."""
    return {
        **{name: getattr(keras.config, name)() for name in SETTINGS},
        "policy": keras.config.dtype_policy().name,
        "eagerly": tf.config.functions_run_eagerly(),
        "errors": np.geterr()["divide"],
    }


@pytest.mark.usefixtures("_odd_session")
def test_a_call_is_undisturbed_by_its_session():
    inside = {}

    @undisturbed()
    def call():
        inside.update(found())
        raise KeyError

    with np.errstate(divide="raise"):
        before = found()
        with pytest.raises(KeyError):
            call()
        assert found() == before
    expected = {name: plain for name, (_, plain) in SETTINGS.items()}
    assert inside == {**expected, "policy": "float32", "eagerly": False, "errors": "warn"}


@pytest.mark.usefixtures("_odd_session")
def test_a_run_in_an_odd_session(arrays, tmp_path):
    run = tl.fit(
        "partial",
        n=-2,
        dataset=f"npz:{arrays}",
        backbone="caffenet_mini",
        weights="none",
        epochs=2,
        run_dir=tmp_path / "run",
    )
    steps = EventAccumulator(str(run.directory / "train")).Reload().Tensors("epoch/loss")
    assert len(steps) == 2
    assert {weight.dtype for weight in run.model.weights} == {"float32"}
    assert keras.config.floatx() == "float64"


def test_a_graph_is_refused():
    with tf.Graph().as_default(), pytest.raises(tl.UsageError, match="must execute eagerly"):
        tl.load_backbone("caffenet_mini", "none")


def test_variables_are_those_that_we_need():
    kept = {name: value for name, value in VARIABLES.items() if value is not None}
    for flags, left in (
        ("--a", {}),
        ("--a --xla_gpu_cuda_data_dir=/b", {XLA: "--xla_gpu_cuda_data_dir=/b"}),
    ):
        environment = {**DIRTY, XLA: flags, "PATH": "/bin"}
        clean(environment)
        assert environment == {**kept, **left, "PATH": "/bin"}


def test_a_session_keeps_its_variables(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    before = dict(os.environ)
    with cleaned():
        assert os.environ["KERAS_BACKEND"] == "tensorflow"
    assert dict(os.environ) == before


def test_a_session_without_keras_gets_one_that_can_train():
    code = "import tl_strategies as tl; tl.fit; import keras; print(keras.backend.backend())"
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": "torch"},
    )
    assert result.stdout == "tensorflow\n", result.stderr


def test_a_user_without_home_or_passwd_entry(monkeypatch):
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    find_home()
    assert os.environ["HOME"] == "/"


def test_a_home_stays(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    find_home()
    assert os.environ["HOME"] == str(tmp_path)


def test_a_command_in_an_odd_environment(tmp_path):
    """All at once: none of them may be heeded, nor stop the imports, nor be said."""
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text(
        '{"floatx": "bfloat16", "epsilon": 1, "backend": "jax", "image_data_format": "odd"}'
    )
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nbackend: TkAgg\n")
    environment = {**os.environ, **DIRTY, "HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", COMMAND],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "tensorflow float32 channels_last 1e-07",
        "None agg []",
        str(tmp_path / ".keras"),
    ]
    assert result.stderr == ""


def test_closed_streams_are_no_files_of_ours(tmp_path):
    """A descriptor that is closed would go to the next file, and get what is printed."""
    code = (
        "import os; os.close(1); os.close(2); from tl_strategies.environment import take_over;"
        f"take_over(); file = open({str(tmp_path / 'file')!r}, 'w'); assert file.fileno() > 2"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE).returncode == 0
