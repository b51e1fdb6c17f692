"""How much memory a picture may take, and which tiles, and how many at once, keep within it.

`parts.memory` is in GB, 10^9 bytes, as the estimate before the fit tells them. What counts is all
that the process takes: Python and JAX, the compiler, the picture and what is made of it, the fits
that go on at the same time. At 0 it is what the machine has, and tiles keep their side: what comes
out does not depend on what is free.
"""

import math
from collections.abc import Sequence

import jax

from dip_jax.errors import InputError, Part, field, joined, setting
from dip_jax.lanes.memory import MOST_AT_ONCE, device_bytes
from dip_jax.networks.fields import widths
from dip_jax.prepare.parts import LEAST_SQUARE, LEAST_TILE
from dip_jax.settings import build, estimates
from dip_jax.settings.tasks import Config

_STEP = 64  # pixels from one side of a tile to the next that is tried
# Bytes for each value: of 24 megapixels in three channels, 24 were measured in denoising, and 20
# where pixels are missing.
_LOOKING = 24
Shape = tuple[int, int, int]


def allowed(config: Config) -> float | None:
    """The bytes that a picture may take; None for what the machine has."""
    gigabytes = config["parts"]["memory"]
    return 1e9 * gigabytes if gigabytes else None


def fits_whole(config: Config, shape: Shape) -> bool:
    """Whether a picture, `(h, w, c)`, may be fitted as a whole within what is allowed."""
    most = allowed(config)
    return most is None or estimates.memory_of_shape(config, shape) <= most


def held(shape: Shape, itemsize: int, *, tiled: bool) -> float:
    """About how many bytes the picture takes, and what is made of it beside the fits.

    Args:
        shape: of the picture, `(h, w, c)`.
        itemsize: bytes of a value of it.
        tiled: whether all of it is prepared and put together, or only what is around damage.
    """
    h, w, c = shape
    values = h * w * c
    # As given, as restored, and with room for its file. Of 100 megapixels in 16 bits with little to
    # fill, 4.8 GB are foretold, and 4.75 were measured from the command, 3.84 of a run.
    count = 4 * itemsize * values + 4 * h * w
    return count + (8 * values + 4 * h * w if tiled else 0)


def needed(
    config: Config, shape: Shape, part: Shape, parts: int, itemsize: int, *, tiled: bool
) -> float:
    """About how many bytes it takes: the fits and what is held, or before that its preparation.

    Args:
        config: of the parts.
        shape: of the picture, `(h, w, c)`.
        part: the largest that is fitted, likewise.
        parts: how many there are.
        itemsize: bytes of a value of the picture.
        tiled: as for `held`.
    """
    fitting = estimates.memory_of_shape(config, part, parts)
    fitting += held(shape, itemsize, tiled=tiled)
    return max(fitting, preparing(shape, itemsize)) if tiled else fitting


def preparing(shape: Shape, itemsize: int) -> float:
    """About how many bytes it takes to look at all of a picture, before its tiles are fitted.

    Args:
        shape: of the picture, `(h, w, c)`.
        itemsize: bytes of a value of it.
    """
    values = math.prod(shape)
    return estimates.PROCESS_BYTES + (itemsize + _LOOKING) * values


def side_of_tiles(config: Config, shape: Shape, itemsize: int) -> int:
    """The side of the tiles of a picture: `parts.side`, or the largest below that may be had.

    Args:
        config: as `tasks.defaults` gives it.
        shape: of the picture, `(h, w, c)`.
        itemsize: bytes of a value of it.
    """
    side, most = config["parts"]["side"], allowed(config)
    if most is None:
        return side
    left = most - held(shape, itemsize, tiled=True)
    sides = [*range(LEAST_TILE, side, _STEP), side]
    low, high = 0, len(sides) - 1
    while low < high:  # the first serves, whatever is allowed: what is wrong is told later
        middle = (low + high + 1) // 2
        fits = estimates.memory_of_shape(config, _tile(shape, sides[middle])) <= left
        low, high = (middle, high) if fits else (low, middle - 1)
    return sides[low]


def _tile(shape: Shape, side: int) -> Shape:
    h, w, c = shape
    return min(h, side), min(w, side), c


def lanes_at_once(config: Config, part: Shape, lanes: int, beside: float) -> int:
    """How many fits may go on at once on a device, as `lanes.at_once`.

    Args:
        config: as `tasks.defaults` gives it.
        part: the largest that is fitted, `(h, w, c)`.
        lanes: how many there are.
        beside: bytes that are taken besides.
    """
    wanted, most = config["lanes"]["at_once"], allowed(config)
    if most is None:
        return wanted
    device = jax.local_devices()[0]
    if not wanted:
        wanted = 1 if device.platform == "cpu" else MOST_AT_ONCE
    one, two = (estimates.memory_of_shape(_at_once(config, n), part, 2) for n in (1, 2))
    room = most - beside
    if device.platform != "cpu" and (there := device_bytes(device)) is not None:
        room = min(room, 0.8 * there)
    return max(1, min(wanted, lanes, 1 + math.floor((room - one) / (two - one))))


def _at_once(config: Config, count: int) -> Config:
    return {**config, "lanes": {**config["lanes"], "at_once": count}}


def check(
    config: Config, shape: Shape, parts: Sequence[Shape], itemsize: int, *, tiled: bool
) -> None:
    """Refuses a picture whose parts need more memory than is allowed, or than there is.

    Args:
        config: of the parts.
        shape: of the picture, `(h, w, c)`.
        parts: of what is fitted.
        itemsize: bytes of a value of the picture.
        tiled: whether all of it is fitted, in tiles.

    Raises:
        InputError: if it does; it says what is needed, and what to do.
    """
    largest = max(parts, key=lambda one: one[0] * one[1])
    total = needed(config, shape, largest, len(parts), itemsize, tiled=tiled)
    most, there = allowed(config), device_bytes(jax.local_devices()[0])
    if most is not None and total > most:
        more = math.ceil(total / 1e8) / 10
        what = "in tiles as small as they can be" if tiled else "around its damage"
        raise InputError(
            f"a picture of {shape[1]} x {shape[0]} pixels, fitted {what}, takes about "
            f"{total / 1e9:.1f} GB of memory, and ",
            field("parts.memory"),
            f" allows {most / 1e9:.1f}: expected ",
            setting("parts.memory", more),
            " or more",
            *_or_less(config),
        )
    fit = estimates.memory_of_shape(config, largest, len(parts), compiling=False)
    if there is None or fit <= there:
        return
    said: list[Part] = [
        f"a part of {largest[1]} x {largest[0]} pixels takes about {fit / 1e9:.1f} GB of memory "
        f"with this network, and {there / 1e9:.1f} GB are free"
    ]
    least = estimates.memory_of_shape(config, _tile(shape, LEAST_TILE), compiling=False)
    if tiled and least <= there:
        enough = (held(shape, itemsize, tiled=True) + there) / 1e9
        said += [": for smaller tiles say ", setting("parts.memory", math.floor(10 * enough) / 10)]
    else:
        said.append(": use a machine with more")
    raise InputError(*said, *_or_less(config))


def check_header(config: Config, shape: Shape, *, around: bool) -> None:
    """Refuses a picture in parts that is surely too large, by its shape alone.

    Args:
        config: as `tasks.defaults` gives it.
        shape: of the picture, `(h, w, c)`.
        around: whether only what is around its damage may be fitted: then of one small square.

    Raises:
        InputError: as `check`.
    """
    part = _tile(shape, LEAST_SQUARE if around else side_of_tiles(config, shape, 1))
    check(config, shape, [part], 1, tiled=not around)


def _or_less(config: Config) -> list[Part]:
    """Another way out: a network with fewer channels."""
    names = widths(build.fit_settings(config).architecture)
    return [", or a network with fewer channels (", *joined(map(field, names)), ")"]
