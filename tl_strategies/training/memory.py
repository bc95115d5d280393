"""Memory: what TensorFlow's CPU kernels free is used again; what trainings leave is let go."""

import ctypes
import functools
import gc
import math
import platform

from tl_strategies.training.gradients import release_gradients

# Of glibc's mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
GARBAGE = 50e6  # bytes that may be held by what nobody uses any more


class _Heap(ctypes.Structure):
    """Of glibc's mallinfo2(3)."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks"),
            *("uordblks", "fordblks", "keepcost"),
        )
    ]


@functools.cache
def keep_freed_memory() -> None:
    """Tell glibc not to return each large temporary tensor to the system.

    Without this, every training step maps and faults in its activations anew.
    """
    glibc = _glibc()
    if glibc is None:
        return
    mallopt = glibc.mallopt
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(M_ARENA_MAX, 1)


def allocated() -> float | None:
    """Bytes of the heap that are in use, by garbage too; None where the system does not say.

    Blocks that were mapped before `keep_freed_memory` forbade it are not counted.
    """
    glibc = _glibc()
    if not hasattr(glibc, "mallinfo2"):  # since 2.33
        return None
    glibc.mallinfo2.restype = _Heap
    return float(glibc.mallinfo2().uordblks)


def let_go() -> None:
    """Free what earlier trainings have left in this process.

    Networks and their graphs are cycles. Python looks for such when it has made many objects,
    however many bytes they hold; here it does when these have become many.
    """
    release_gradients()
    held = allocated()
    if held is None:
        gc.collect()
        return
    if held > _kept[0] + GARBAGE:
        gc.collect()
        _kept[0] = held = allocated()
    _kept[0] = min(_kept[0], held)


_kept = [math.inf]  # the least bytes in use since garbage was last collected


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
