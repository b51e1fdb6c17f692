"""JAX as this package needs it, whatever the process it is used in has set.

A person's own program may compute in double precision, hunt for NaN or run without compiling. The
fit is to give the same picture all the same, bit for bit: within `as_needed` the settings that
would change it are the package's own, in this thread alone. Compiled programs are kept on disk
(`disk`). Settings that a program of this package obeys without a change, such as strict promotion,
are left alone.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import jax

from dip_jax import forks
from dip_jax.errors import InputError
from dip_jax.lanes import disk

_NEEDED: dict[str, Any] = {  # each a setting `jax_...`, and a context manager of `jax`
    "enable_x64": False,
    "disable_jit": False,
    "debug_nans": False,  # a fit that falls apart goes back by itself
    "debug_infs": False,
    "debug_key_reuse": False,
    "check_tracer_leaks": False,
    "default_matmul_precision": None,
    "default_prng_impl": "threefry2x32",
    "threefry_partitionable": True,
    "default_device": None,  # a process with several uses all
    "transfer_guard_host_to_device": "allow",
    "transfer_guard_device_to_device": "allow",
    "transfer_guard_device_to_host": "allow",
}
_SAME: dict[Any, Any] = {"allow": None}  # what is not set at all comes to the same

_outside: ContextVar[dict[str, Any]] = ContextVar("outside")


@contextlib.contextmanager
def as_needed() -> Iterator[None]:
    """Within it, JAX's settings are those that this package needs. May be entered again.

    Raises:
        InputError: if this process was forked from one that had used JAX.
    """
    if forks.is_lost():
        raise InputError(
            "this process was forked after JAX had been used, and would wait for ever: start "
            'processes with multiprocessing.get_context("spawn")'
        )
    values = jax.config.values
    before = {
        name: values[f"jax_{name}"]
        for name, needed in _NEEDED.items()
        if values[f"jax_{name}"] not in (needed, _SAME.get(needed, needed))
    }
    with contextlib.ExitStack() as stack:
        for name in before:
            stack.enter_context(getattr(jax, name)(_NEEDED[name]))
        stack.enter_context(disk.programs_kept())
        token = _outside.set(before) if before else None
        try:
            yield
        finally:
            if token is not None:
                _outside.reset(token)


@contextlib.contextmanager
def as_outside() -> Iterator[None]:
    """Within it, within `as_needed`, the settings are again those from outside: for callbacks."""
    with contextlib.ExitStack() as stack:
        for name, value in _outside.get({}).items():
            stack.enter_context(getattr(jax, name)(value))
        yield
