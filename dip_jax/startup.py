"""What a process that fits should do before JAX is first used: memory, and compiled programs.

Both are settings of the whole process, so the library never makes them by itself: the command does.
"""

import contextlib
import ctypes
import os
import sys
from pathlib import Path

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> bool:
    """Makes the C library keep the memory that is freed; call it before JAX is imported.

    A fit allocates and frees the same large buffers in every step. By default glibc gives each back
    to the system and takes fresh pages for the next one, which are then faulted in one by one:
    several times slower than the arithmetic that they are for. `mallopt` is glibc's own switch.

    Returns:
        Whether it took effect: False where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        # Not a single arena: its lock costs a third of the speed once the compiler has used it.
        options = (
            (_M_MMAP_MAX, 0),
            (_M_TRIM_THRESHOLD, 2**31 - 1),
            (_M_TOP_PAD, 2**26),
        )
        return all([mallopt(name, value) == 1 for name, value in options])
    return False


def keep_compiled_programs(folder: str | os.PathLike[str] | None = None) -> None:
    """Makes JAX keep compiled programs on disk, so that a second run starts at once.

    Args:
        folder: where; by default `dip_jax` in the user's cache folder. Does nothing if
            `JAX_COMPILATION_CACHE_DIR` is set, which JAX itself obeys.
    """
    import jax

    from dip_jax import programs

    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = Path(folder or Path(base, "dip_jax", "programs")).expanduser()
    jax.config.update("jax_compilation_cache_dir", os.fspath(folder))
    # Small programs too: a run has dozens of them, and together they take seconds.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    programs.keep_in(folder / "whole")
