"""Where compiled programs are kept on disk, so that a second process starts at once.

JAX keeps those that it compiles, if it is told where; `programs` keeps the large ones whole. By
default they are in `dip_jax/programs` in the user's cache folder (`XDG_CACHE_HOME`, or `~/.cache`).
Whoever tells JAX a folder of their own (`JAX_COMPILATION_CACHE_DIR`, or the setting
`jax_compilation_cache_dir`) has JAX's programs there, and no others are kept. Nothing is kept
either where JAX's own switch is off (`JAX_ENABLE_COMPILATION_CACHE=false`, or the setting).
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache

from dip_jax.lanes import programs

_lock = threading.RLock()
_inside = 0  # how many `programs_kept` there are, over all threads
_changed: dict[str, tuple[Any, Any]] = {}  # JAX's settings: before, and now


def keep_programs(folder: str | os.PathLike[str] | None = None) -> None:
    """Makes JAX keep compiled programs from now on, for the whole process.

    Args:
        folder: where, if not by default.
    """
    with _lock:
        for name, (_, now) in _begin(folder).items():
            jax.config.update(name, now)


@contextlib.contextmanager
def programs_kept() -> Iterator[None]:
    """Within it compiled programs are kept; JAX's settings are as before when the last one ends."""
    global _inside
    with _lock:
        _inside += 1
        if _inside == 1:
            _changed.update(_begin(None))
            _set({name: now for name, (_, now) in _changed.items()})
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside and _changed:
                values = jax.config.values
                # But for those that somebody has set to something else in the meantime.
                _set({name: old for name, (old, now) in _changed.items() if values[name] == now})
                _changed.clear()
                programs.keep_in(None)


def _begin(folder: str | os.PathLike[str] | None) -> dict[str, tuple[Any, Any]]:
    """Keeps whole programs, and says which settings of JAX are to change; none if it is not to."""
    values = jax.config.values
    if values["jax_compilation_cache_dir"] or not values["jax_enable_compilation_cache"]:
        return {}
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        place = Path(folder or Path(base, "dip_jax", "programs")).expanduser()
        place.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home, or one that is read-only
        return {}
    if not os.access(place, os.W_OK):
        return {}
    programs.keep_in(place / "whole")
    now = {
        "jax_compilation_cache_dir": os.fspath(place),
        # Small programs too: a run has dozens of them, and together they take seconds.
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    return {name: (values[name], value) for name, value in now.items()}


def _set(settings: dict[str, Any]) -> None:
    if not settings:
        return
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()  # JAX looks at them only once
