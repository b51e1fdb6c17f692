"""What a process that fits should do before JAX is first used: memory, and compiled programs.

Both are settings of the whole process, so the library never makes them by itself: the command does.
"""

import contextlib
import ctypes
import os
import sys
from pathlib import Path

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_MADV_HUGEPAGE = 14
_HUGE = 2**21  # bytes of a huge page of x86 and of most ARM systems


def keep_freed_memory() -> bool:
    """Makes the C library keep the memory that is freed; call it before JAX is imported.

    A fit allocates and frees the same large buffers in every step. By default glibc gives each back
    to the system and takes fresh pages for the next one, which are then faulted in one by one:
    several times slower than the arithmetic that they are for. `mallopt` is glibc's own switch.
    Where the system lets a program ask for huge pages, memory is asked for in those: fewer of a
    step's accesses wait for an address to be looked up.

    Returns:
        Whether it took effect: False where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6", use_errno=True)
        # Not a single arena: its lock costs a third of the speed once the compiler has used it.
        options = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, 2**26))
        took_effect = all([libc.mallopt(name, value) == 1 for name, value in options])
        if took_effect:
            _ask_for_huge_pages(libc)
        return took_effect
    return False


def _ask_for_huge_pages(libc: ctypes.CDLL) -> None:
    """Lets the heap grow at once to half of the memory, in addresses only, and marks them.

    A page is the process' only once it is written to. Where the addresses cannot be had, as under
    `ulimit -v`, nothing changes.
    """
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    block = libc.malloc(size)
    if block is None:
        return
    first = -(-block // _HUGE) * _HUGE
    libc.madvise(first, (block + size - first) // _HUGE * _HUGE, _MADV_HUGEPAGE)
    libc.free(block)


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
