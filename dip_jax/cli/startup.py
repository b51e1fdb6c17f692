"""What a process that fits should do before JAX is first used: memory, and compiled programs.

Both are settings of the whole process, which are a command's to make: the Python interface leaves
memory alone, and keeps programs only while it is at work.
"""

import contextlib
import ctypes
import itertools
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_TUNABLE = "glibc.malloc.hugetlb"


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
        options = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, 2**26))
        return all([mallopt(name, value) == 1 for name, value in options])
    return False


def huge_pages(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for a process whose memory is asked for in huge pages.

    Fewer accesses to large images then wait for an address to be looked up. glibc (2.35 and newer;
    others pass it over) reads this from the environment alone, when a process starts.

    Args:
        environment: of a process.

    Returns:
        The same, with glibc's tunable where the system gives huge pages to those who ask. Where it
        gives them to all or to none, or the tunable is set, nothing is added.
    """
    tunables = environment.get("GLIBC_TUNABLES", "")
    with contextlib.suppress(OSError):
        if "[madvise]" in _HUGE_PAGES.read_text() and _TUNABLE not in tunables:
            together = ":".join(filter(None, [tunables, f"{_TUNABLE}=1"]))
            return {**environment, "GLIBC_TUNABLES": together}
    return dict(environment)


def prepare_memory(*, restart: bool) -> None:
    """Makes a command's memory fast: huge pages, and freed memory kept. Call it first of all.

    Args:
        restart: whether the command may start itself anew: `restart_with_huge_pages`.
    """
    if restart:
        restart_with_huge_pages()
    keep_freed_memory()


def restart_with_huge_pages() -> None:
    """Starts this command anew, as the same process, in the environment of `huge_pages`.

    To be called first of all, by a command and never by a library: nothing that was done before is
    left. Does nothing if the environment is so already, if this process has been started anew
    before, or if the command runs inside another program, such as a debugger.
    """
    environment = huge_pages(os.environ)
    this = str(os.getpid())
    if environment == dict(os.environ) or os.environ.get(_RESTARTED) == this or _is_a_guest():
        return
    with contextlib.suppress(OSError, ValueError):
        os.execve(sys.executable, sys.orig_argv, {**environment, _RESTARTED: this})


_RESTARTED = "DIP_JAX_RESTARTED"  # the process that has been, should the tunable not last


def _is_a_guest() -> bool:
    """Whether this process is not, or not only, a command of this project."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is None:  # a script
        is_own = Path(sys.argv[0]).stem == "dip-jax" and sys.argv[0] in sys.orig_argv
    else:  # python -m
        name = spec.name.removesuffix(".__main__")
        is_own = name.split(".")[0] in _OWN and ("-m", name) in itertools.pairwise(sys.orig_argv)
    is_watched = sys.gettrace() is not None or "IPython" in sys.modules
    return not (is_own and sys.executable) or is_watched or threading.active_count() > 1


_OWN = ("dip_jax", "benchmarks")


def keep_compiled_programs(folder: str | os.PathLike[str] | None = None) -> None:
    """Makes JAX keep compiled programs on disk for the whole process; see `lanes.disk`.

    Args:
        folder: where; by default `dip_jax/programs` in the user's cache folder. Does nothing if
            the user has told JAX another, or to keep none.
    """
    from dip_jax.lanes import disk

    disk.keep_programs(folder)
