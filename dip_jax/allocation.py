"""Tells the C library to keep the memory that is freed.

A fit allocates and frees the same large buffers in every step. By default glibc gives each back to
the system and takes fresh pages for the next one, which are then faulted in one by one: several times
slower than the arithmetic that they are for. `mallopt` is glibc's own switch for this.
"""

import contextlib
import ctypes
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8


def keep_freed_memory() -> bool:
    """Makes freed memory stay with the process; call it before JAX is imported.

    Returns:
        Whether it took effect: False where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        options = (
            (_M_ARENA_MAX, 1),
            (_M_MMAP_MAX, 0),
            (_M_TRIM_THRESHOLD, 2**31 - 1),
            (_M_TOP_PAD, 2**26),
        )
        return all([mallopt(name, value) == 1 for name, value in options])
    return False
