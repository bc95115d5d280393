"""Memory that TensorFlow's CPU kernels give back stays with the process, to be used again."""

import ctypes
import functools
import os
import pathlib
import platform

# Of glibc's mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8


@functools.cache
def keep_freed_memory() -> None:
    """Tell glibc not to return each large temporary tensor to the system.

    Without this, every training step maps and faults in its activations anew.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(M_ARENA_MAX, 1)


def resident() -> float:
    """Bytes of memory that this process holds; 0 where the system does not say."""
    statm = pathlib.Path("/proc/self/statm")
    if not statm.is_file():
        return 0.0
    return float(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
