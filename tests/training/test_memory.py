"""Freed memory is used again without the system's help."""

import platform
import subprocess
import sys

import pytest

CODE = """
import resource, sys
import numpy as np
from tl_strategies.training.memory import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()
np.ones(8_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    np.ones(8_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_large_arrays_are_not_faulted_in_again():
    faults = {
        how: int(subprocess.check_output([sys.executable, "-c", CODE, how], text=True))
        for how in ("keep", "return")
    }
    assert faults["keep"] < 0.1 * faults["return"]
