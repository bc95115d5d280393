"""What a process inherits from its surroundings, and what of that reaches a training: nothing."""

import contextlib
import os
import pathlib
import sys
import tempfile
import warnings
from collections.abc import Iterator, MutableMapping

import numpy as np

from tl_strategies.errors import UsageError
from tl_strategies.output import shielded

UNWANTED = (
    *("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"),  # would shorten trainings, and say nothing
    *("KERAS_NNX_ENABLED", "TF_USE_LEGACY_KERAS", "TF2_BEHAVIOR", "PYTHONWARNINGS"),
    # One that this version does not know ends the process.
    *("TF_XLA_FLAGS", "TF_FUNCTION_JIT_COMPILE_DEFAULT", "AUTOGRAPH_STRICT_CONVERSION"),
    *("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "MATPLOTLIBRC", "SCIPY_ARRAY_API"),
    *("SKLEARN_ASSUME_FINITE", "SKLEARN_WORKING_MEMORY", "SKLEARN_PAIRWISE_DIST_CHUNK_SIZE"),
)
# As our libraries must find them; what is None must not be there.
VARIABLES = {"KERAS_BACKEND": "tensorflow", "MPLBACKEND": "agg", **dict.fromkeys(UNWANTED)}
XLA = "XLA_FLAGS"
XLA_KEPT = "--xla_gpu_cuda_data_dir="  # says where CUDA is; JAX knows flags that are fatal here
KERAS = {
    "dtype_policy": "float32",
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
    "max_epochs": None,
    "max_steps_per_epoch": None,
}
NUMPY = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
UNHEEDED = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


def clean(environment: MutableMapping[str, str]) -> None:
    """Set the variables of an environment that would change a training, or break it."""
    kept = [flag for flag in environment.get(XLA, "").split() if flag.startswith(XLA_KEPT)]
    _put(environment, VARIABLES | {XLA: " ".join(kept) or None})


def _put(environment: MutableMapping[str, str], variables: dict[str, str | None]) -> None:
    """Set variables of an environment, and remove those that are None."""
    for name, value in variables.items():
        environment.pop(name, None)
        if value is not None:
            environment[name] = value


def take_over() -> None:
    """Make this process, and those that it starts, independent of what it has inherited."""
    clean(os.environ)
    find_home()
    for descriptor in range(3):  # a closed one would be given to the next file that is opened
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.warnoptions:  # such as -W error, which is meant for other programs
        sys.warnoptions.clear()
        warnings.resetwarnings()
        for category in UNHEEDED:
            warnings.simplefilter("ignore", category)


def find_home() -> None:
    """Give a user without a home and without an entry in passwd the home that Docker gives."""
    try:
        pathlib.Path.home()
    except RuntimeError:
        os.environ["HOME"] = "/"


@contextlib.contextmanager
def cleaned() -> Iterator[None]:
    """A clean environment for imports in a session of Python, which keeps its own."""
    find_home()
    before = {name: os.environ.get(name) for name in (*VARIABLES, XLA)}
    clean(os.environ)
    try:
        yield
    finally:
        _put(os.environ, before)


def import_keras() -> None:
    """Import Keras, in a process of our own, as it is by itself: without a look at keras.json."""
    if "keras" in sys.modules:
        return
    given = os.environ.get("KERAS_HOME")
    os.environ["KERAS_HOME"] = os.devnull  # where no file can be, and none can be made
    try:
        import keras.src.backend.config
    finally:
        _put(os.environ, {"KERAS_HOME": given})
    home = os.path.expanduser("~")  # noqa: PTH111
    base = home if os.access(home, os.W_OK) else tempfile.gettempdir()
    # Where it keeps weights that it has fetched.
    keras.src.backend.config._KERAS_DIR = given or str(pathlib.Path(base, ".keras"))


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """The time of a call from Python: what the session has set is as our results assume it.

    Afterwards it is again as it was. What is printed meanwhile cannot fail.
    """
    with plain_keras(), plain_tensorflow(), np.errstate(**NUMPY), shielded():
        yield


@contextlib.contextmanager
def plain_keras() -> Iterator[None]:
    """Keras's settings as they are where nobody has changed them."""
    from keras import config

    before = {name: getattr(config, name)() for name in KERAS}
    try:
        for name, plain in KERAS.items():
            getattr(config, f"set_{name}")(plain)
        yield
    finally:
        for name, value in before.items():
            getattr(config, f"set_{name}")(value)


@contextlib.contextmanager
def plain_tensorflow() -> Iterator[None]:
    """TensorFlow as it is where nobody has changed it, if it is there."""
    tf = sys.modules.get("tensorflow")
    if tf is None or not hasattr(tf, "config"):
        yield
        return
    if not tf.executing_eagerly():
        raise UsageError(
            "TensorFlow must execute eagerly. Received: a session after disable_eager_execution, "
            "or a call inside a graph. Start another session."
        )
    eagerly = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(False)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(eagerly)
