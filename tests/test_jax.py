"""Strategies, plans and backbones need Keras only: each trains on JAX, without TensorFlow."""

import importlib.util
import os
import subprocess
import sys

import pytest

CODE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "tensorflow":
            raise ImportError("tensorflow is blocked")

sys.meta_path.insert(0, Blocked())
import keras
assert keras.backend.backend() == "jax"
from tl_strategies.backbones.zoo import load_backbone
from tl_strategies.strategies import strategies
from tl_strategies.testing import check_strategy
for cls in strategies().values():
    check_strategy(cls)
assert load_backbone("caffenet_mini", "none", 28).count_params() > 3e5
assert "tensorflow" not in sys.modules
print("done")
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs the extra `test`")
def test_every_strategy_on_jax_without_tensorflow():
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "XLA_FLAGS": "--xla_backend_optimization_level=0",  # compiling is most of the time
    }
    result = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, env=environment
    )
    assert result.stdout.endswith("done\n"), result.stderr
