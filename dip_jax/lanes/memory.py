"""How much memory lanes take, and how much there is."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from dip_jax.fit.fitting import Fit
from dip_jax.fit.hyperparameters import FitSettings
from dip_jax.fit.lane import Lane


def lane_bytes(settings: FitSettings, fit: Fit, lane: Lane) -> int:
    """About how many bytes of memory one lane takes while it is fitted.

    The state, exactly, and the feature maps that the gradient needs, as the network counts them.

    Args:
        settings: for the network.
        fit: the fit.
        lane: the lane, or its shapes.
    """
    state = jax.eval_shape(fit.init, jax.random.key(0), lane)
    fixed = sum(_bytes(leaf) for leaf in jax.tree.leaves((state, lane)))
    h, w, channels = lane.shape
    values = settings.architecture.cost(h, w, lane.z.shape[2], channels).feature_values
    small = settings.precision in ("float16", "bfloat16") and jax.default_backend() != "cpu"
    size = 2 if small else 4  # a CPU computes in float32 what it is given in 16 bits
    return fixed + int(size * _WORKING_SPACE * values)


# So that the estimate is 1.05 to 1.7 times what XLA reserves for a step of the four task networks
# with 32 or 128 channels, measured on a CPU.
_WORKING_SPACE = 1.5


def _bytes(leaf: Any) -> int:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return 8
    return leaf.size * leaf.dtype.itemsize


def memory_exhausted(error: BaseException) -> bool:
    """Whether an exception, or one that it was raised from, says that a memory is full."""
    chain: BaseException | None = error
    while chain is not None:
        if isinstance(chain, MemoryError) or "RESOURCE_EXHAUSTED" in str(chain):
            return True
        chain = chain.__cause__ or chain.__context__
    return False


def device_bytes(device: jax.Device) -> int | None:
    """The memory that programs may use on a device, in bytes; None if it cannot be known.

    All of a process' CPU devices share the machine's memory.
    """
    found = _found.get()
    if found is None:
        return _bytes_now(device)
    if device not in found:
        found[device] = _bytes_now(device)
    return found[device]


_found: ContextVar[dict[jax.Device, int | None] | None] = ContextVar("found", default=None)


@contextlib.contextmanager
def measured_once() -> Iterator[None]:
    """Within it the memory counts as it was when `device_bytes` first asked.

    For several pictures in turn: what a fit has taken is kept for the next one, not given back.
    """
    before = _found.set({})
    try:
        yield
    finally:
        _found.reset(before)


def _bytes_now(device: jax.Device) -> int | None:
    if device.platform == "cpu":
        return _machine_bytes()
    stats = device.memory_stats() or {}
    return stats.get("bytes_limit")


def _machine_bytes() -> int | None:
    """What a process may still take: free, or held only by the cache of files (Linux)."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            kilobytes = dict(line.split(":") for line in file)["MemAvailable"].split()[0]
        found = 1024 * int(kilobytes)
    except (OSError, ValueError, KeyError, IndexError):
        return None
    with contextlib.suppress(OSError, ValueError):  # a container may be given less
        found = min(found, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return found


# The convolutions of lanes side by side are unrolled: more lanes compile longer, and a lane of 8 of
# 512×512 pixels takes hardly less time than one of 4.
MOST_AT_ONCE = 8


def lanes_that_fit(settings: FitSettings, fit: Fit, lane: Lane, device: jax.Device) -> int:
    """How many lanes like this one the memory of a device holds, from 1 to 8.

    Args:
        settings: the hyper-parameters.
        fit: the fit.
        lane: the lane, or its shapes.
        device: the device; one whose memory is not known holds one.
    """
    available = device_bytes(device)
    if available is None:
        return 1
    fitting = int(0.8 * available / lane_bytes(settings, fit, lane))
    return max(1, min(MOST_AT_ONCE, fitting))
