"""An estimate of a fit's time and memory before it starts, and what would fit if it is too large.

The time is the network's arithmetic over the speed of this machine, times a factor that was found
for fits. The speed is measured on the spot by a short matrix product. It is a rough range.
"""

import functools
import math
import time
from collections.abc import Collection, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from dip_jax.errors import InputError, Part, field, joined, setting, told
from dip_jax.finish.filling import is_large_and_scattered
from dip_jax.fit.fitting import make_fit
from dip_jax.forward.model import PICTURE
from dip_jax.forward.observation import Observation, with_gaps
from dip_jax.lanes.memory import device_bytes, lane_bytes
from dip_jax.networks.fields import widths
from dip_jax.prepare.correlated_noise import sign_of_correlation
from dip_jax.report.durations import between
from dip_jax.settings import build, tasks
from dip_jax.settings.ending import ending
from dip_jax.settings.steps import fewest
from dip_jax.settings.tasks import Config

# Seconds of a step over those of its arithmetic at the speed of a matrix product. On two CPU cores,
# the four task networks took 2.3 to 3.2 with 32 channels (once 6.5), and 0.8 to 1.2 with 128, whose
# arithmetic is done with fewer operations than are counted.
_SLOWNESS = (0.3, 83.0)  # and so much over the number of channels
_SPREAD = (0.65, 1.45)
# What the refinement takes for each pixel, as multiply-adds of a matrix product that takes as long.
_REFINING = {"denoising": 2.0e7, "filling": 2.4e7}
_JUDGING = 1.7  # times that, where seven of ten passes of denoising are made twice
_COMPILING = (6.0, 30.0)  # seconds, on two CPU cores, the start included
PROCESS_BYTES = 0.6e9  # Python and JAX
_COMPILER_BYTES = 1.3e9  # where nothing is compiled yet: 1.1 to 1.7 in the four samples
_SIDE_OF_PRODUCT = 512
_MEASURING = 0.15  # seconds


@functools.cache
def measured_speed() -> float:
    """Multiply-adds per second of a float32 matrix product on the first device, in 0.2 s or so."""
    n = _SIDE_OF_PRODUCT
    a = jnp.ones((n, n), jnp.float32)
    product = jax.jit(lambda a: jnp.dot(a, a) / n)
    a = product(a).block_until_ready()
    best, begin = math.inf, time.perf_counter()
    while time.perf_counter() - begin < _MEASURING:
        start = time.perf_counter()
        for _ in range(4):
            a = product(a)
        a.block_until_ready()
        best = min(best, (time.perf_counter() - start) / 4)
    return n**3 / best


def seconds_of(
    config: Config, shape: tuple[int, ...], *, refinements: int = 1
) -> tuple[float, float] | None:
    """How long all seeds take here, with the refinement, from and to; None if not on a CPU.

    Where the picture has a say in how many steps there are, and is not known, from the fewest on.

    Args:
        config: as `tasks.defaults` gives it.
        shape: of the picture, `(h, w, c)`.
        refinements: how many images of it are refined.
    """
    if jax.local_devices()[0].platform != "cpu":
        return None
    settings = build.fit_settings(config)
    h, w, channels = shape
    cost = settings.architecture.cost(h, w, settings.input_depth, channels)
    adds = 3 * cost.multiply_adds
    refining = refinements * h * w * _refining(config)
    slowness = _SLOWNESS[0] + _SLOWNESS[1] / settings.architecture.width

    def likely(steps: int) -> float:
        return config["seeds"] * (slowness * steps * adds + refining) / measured_speed()

    low, high = likely(fewest(config, channels)), likely(config["num_steps"])
    return _COMPILING[0] + _SPREAD[0] * low, _COMPILING[1] + _SPREAD[1] * high


def _refining(config: Config) -> float:
    """Multiply-adds for each pixel that take as long as its refinement; 0 where it is not known.

    Where what is filled is not tried on held-out pixels first, as of parts around damage, the next
    fit goes on beside it.
    """
    refinement = tasks.task_of(config).refinement
    if not config["refine"] or (refinement == "filling" and not config["refine_judged"]):
        return 0.0
    judged = refinement == "denoising" and config["refine_judged"]
    return _REFINING.get(refinement, 0.0) * (_JUDGING if judged else 1.0)


def time_of_all(
    config: Config, shapes: Sequence[tuple[int, int, int]], pictures: int | None = None
) -> str | None:
    """How long all steps of several pictures take here, in words; None if it is not known.

    Args:
        config: as `tasks.defaults` gives it.
        shapes: of the pictures, or of their parts, `(h, w, c)`.
        pictures: how many there are, where that is not the number of shapes.
    """
    seconds = seconds_of_all(config, shapes)
    if seconds is None:
        return None
    pictures = len(shapes) if pictures is None else pictures
    count = f"{pictures} picture{'s' * (pictures > 1)}"
    return f"{between(*seconds)} for all steps of {count}; a rough estimate"


def seconds_of_all(
    config: Config, shapes: Sequence[tuple[int, int, int]]
) -> tuple[float, float] | None:
    """How long all steps of several pictures or parts take here, from and to; None if not known.

    Args:
        config: as `tasks.defaults` gives it.
        shapes: of them, `(h, w, c)`; those of one padded size are compiled once.
    """
    times = [time for time in (seconds_of(config, shape) for shape in shapes) if time is not None]
    if not times:
        return None
    architecture = build.fit_settings(config).architecture
    again = len(times) - len({(architecture.padded(h, w), c) for h, w, c in shapes})
    low, high = (sum(time[i] for time in times) - again * _COMPILING[i] for i in (0, 1))
    return low, high


def memory_of(
    config: Config,
    observation: Observation,
    clean: Float[np.ndarray, "h w c"] | None,
    pictures: int = 1,
) -> float:
    """About how many bytes the fits that go on at the same time take on a device.

    Args:
        config: as `tasks.defaults` gives it.
        observation: what is fitted.
        clean: the clean image of an experiment, or None.
        pictures: how many pictures, or parts, are fitted like this one, with all seeds.
    """
    settings = build.fit_settings(config)
    fit = make_fit(settings, build.criterion(config), observation.shape[2])
    lane = jax.eval_shape(fit.make_lane, jax.random.key(0), observation, clean, config["num_steps"])
    # Where the user sets no number, there are no more than the memory holds.
    at_once = min(max(1, config["lanes"]["at_once"]), pictures * config["seeds"])
    return at_once * lane_bytes(settings, fit, lane) + _process_bytes()


def check_memory(
    config: Config,
    observation: Observation,
    clean: Float[np.ndarray, "h w c"] | None = None,
    available: float | None = None,
) -> float:
    """Refuses fits that need more memory than there is, and gives the bytes that they need.

    Args:
        config: as `tasks.defaults` gives it.
        observation: what is fitted.
        clean: the clean image of an experiment, or None.
        available: bytes that there are; None asks the device.

    Raises:
        InputError: if they take more than there is; it names the largest size at the picture's
            shape that would fit.
    """
    if available is None:
        available = device_bytes(jax.local_devices()[0])
    needed = memory_of(config, observation, clean)
    beside, source = 0.0, "free"
    most = 1e9 * config["parts"]["memory"]
    if most and needed + _compiler_bytes() > most:
        beside, available = _compiler_bytes(), most
        source = "allowed"
    if available is None or needed + beside <= available:
        return needed
    needed += beside
    h, w, _ = observation.shape
    architecture = build.fit_settings(config).architecture
    fixed = _process_bytes() + beside
    share = max(0.0, 0.9 * (available - fixed) / (needed - fixed))
    least = architecture.min_side
    fits = [int(math.sqrt(share) * side) // least * least for side in (w, h)]
    advice: list[Part] = []
    if min(fits) >= least:
        advice.append(f"reduce or crop the picture to {fits[0]} x {fits[1]}")
    # Some maps have a size of their own.
    fewer = {name: _fewer(config, name, 0.7 * share) for name in widths(architecture)}
    if min(min(channels) for channels in fewer.values()) >= 4:
        advice.append(", or say " if advice else "say ")
        advice += joined(setting(name, channels) for name, channels in fewer.items())
    raise InputError(
        f"a picture of {w} x {h} pixels takes about {_gigabytes(needed)} of memory with this "
        f"network, and {_gigabytes(available)} are {source}",
        *((" by ", field("parts.memory")) if beside or source == "allowed" else ()),
        ": ",
        *(advice or ["use a machine with more" if source == "free" else "allow more"]),
    )


def check_memory_of_shape(config: Config, shape: tuple[int, int, int], with_clean: bool) -> None:
    """`check_memory` of a picture of which only the shape is known, `(h, w, c)`."""
    observation = _of_shape(config, shape)
    check_memory(config, observation, observation.y if with_clean else None)


def memory_of_shape(
    config: Config, shape: tuple[int, int, int], pictures: int = 1, *, compiling: bool = True
) -> float:
    """`memory_of` a picture of which only the shape is known, `(h, w, c)`; with the compiler's."""
    fits = memory_of(config, _of_shape(config, shape), None, pictures)
    return fits + (_compiler_bytes() if compiling else 0.0)


def _compiler_bytes() -> float:
    return _COMPILER_BYTES if jax.local_devices()[0].platform == "cpu" else 0.0


def _of_shape(config: Config, shape: tuple[int, int, int]) -> Observation:
    h, w, c = shape
    known = c if config["heldout"]["per_channel"] else 1
    y: Any = jax.ShapeDtypeStruct((h, w, c), jnp.float32)
    mask: Any = jax.ShapeDtypeStruct((h, w, known), jnp.float32)
    return Observation(y, mask)


def advice(
    config: Config,
    observation: Observation,
    clean: Float[np.ndarray, "h w c"] | None = None,
    *,
    memory: float | None = None,
    stripes: Collection[int] = (),
) -> list[str]:
    """What to tell before the fits start, in lines: time, memory, and a hint.

    Args:
        config: as `tasks.defaults` gives it.
        observation: what is fitted.
        clean: the clean image of an experiment, or None.
        memory: bytes that the fits take, if `memory_of` is known. On a CPU the line adds what the
            compiler takes, which a second start does not need.
        stripes: the axes along which the picture had stripes.
    """
    if memory is None:
        memory = memory_of(config, observation, clean)
    device = jax.local_devices()[0]
    memory += _compiler_bytes()
    line = f"about {_gigabytes(memory)} of memory"
    seconds = seconds_of(config, observation.shape, refinements=_refinements(config, observation))
    if seconds is not None:
        line = f"{between(*seconds)} for all steps, and {line}; a rough estimate"
    lines = [line]
    if (available := device_bytes(device)) is not None and memory > available:
        lines.append(
            f"{_gigabytes(available)} of memory are free: the first start, which compiles, may fail"
        )
    return [*lines, *hints(config, observation, stripes)]


def _refinements(config: Config, observation: Observation) -> int:
    """Two where the network's image has a rival."""
    how = ending(config)
    judged = how.seamless and how.refine and how.judged and observation.forward == PICTURE
    return 2 if judged and is_large_and_scattered(np.asarray(observation.known) <= 0) else 1


def hints(config: Config, observation: Observation, stripes: Collection[int] = ()) -> list[str]:
    """Advises the other criterion, where the noise to be removed seems to be correlated."""
    of_pixels = observation.forward == PICTURE and not tasks.task_of(config).fills
    if not of_pixels or config["stop"]["criterion"] != "heldout":
        return []
    sign = sign_of_correlation(with_gaps(observation), stripes)
    if sign is None:
        return []
    hint = told(
        f"the picture {sign}: held-out pixels say too little there of when to stop; ",
        setting("stop.criterion", "wmv"),
        " with ",
        setting("num_steps", 3000),
        " may fit better",
        ", and the result is not refined" if config["refine"] else "",
    )
    return [hint]


def _fewer(config: Config, name: str, share: float) -> tuple[int, ...]:
    """The channels of `network.down` or the like, times a share."""
    return tuple(int(share * channels) for channels in config["network"][name.split(".")[1]])


def _process_bytes() -> float:
    return PROCESS_BYTES if jax.local_devices()[0].platform == "cpu" else 0.0


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB"
