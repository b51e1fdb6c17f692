"""The smooth surface through the known pixels, and how much it errs in the picture at hand.

The biharmonic one, a thin plate that is bent to them. It has no detail, but goes on as smoothly as
the picture comes to it. How much it errs is measured: a hole's own shape is laid over known pixels
near it, filled from around, and compared with what is there.

Source: Damelin, Hoang, "On Surface Completion and Image Inpainting by Biharmonic Functions:
Numerical Aspects", IJMMS 2018, section 2, as scikit-image has it.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

Image = Float[np.ndarray, "h w c"]
Mask = Bool[np.ndarray, "h w"]

_SIDES = ((0, 1), (1, 0), (1, 1), (1, -1), (0, -1), (-1, 0), (-1, -1), (-1, 1))
_TRIES = 4
_LEAST_SEEN, _HALF_SEEN = 0.6, 0.5  # of the shape, what must come to lie on known pixels
_LEAST = 1e-8
MOST = 600_000
"""Pixels of a picture damaged all over: for more the equations of its surface take long."""


def surface(values: Image, unknown: Mask) -> Image:
    """The values, and where they are unknown the smoothest surface through the others."""
    from skimage.restoration import inpaint_biharmonic  # here, because it takes long to import

    # It takes values from -1 to 1 alone, and gives none beyond those that it is given.
    low, high = float(values.min()), float(values.max())
    width = max(high - low, _LEAST)
    scaled = (values - (low + high) / 2) / (4 * width) + 0.5
    found = inpaint_biharmonic(scaled, unknown, channel_axis=-1)
    return ((found - 0.5) * (4 * width) + (low + high) / 2).astype(np.float32)


def filled_in(y: Image, unknown: Mask) -> Image:
    """The surface through the known pixels of a picture, in [0, 1]."""
    return np.clip(surface(np.where(unknown[..., None], np.float32(0), y), unknown), 0, 1)


def alike_in_channels(mask: Bool[np.ndarray, "h w k"]) -> bool:
    """Whether a mask says the same of all channels; for all of them there is one surface."""
    mask = np.asarray(mask)
    return bool((mask == mask[..., :1]).all())


def error_of_surface(y: Image, unknown: Mask, there: Mask) -> float:
    """The mean squared error of the surface on known pixels that it has not seen.

    Args:
        y: the picture.
        unknown: what of it is not to be seen either.
        there: the known pixels.
    """
    found = surface(np.where(unknown[..., None], np.float32(0), y), unknown | there)
    return float(np.square(np.clip(found, 0, 1) - y)[there].mean())


def moved(hole: Mask, unknown: Mask, away: Sequence[int]) -> list[Mask]:
    """A hole's shape, moved to where most of it lies on known pixels; of it, those pixels.

    Args:
        hole: the shape.
        unknown: all that is unknown.
        away: how many pixels it is moved, in each of eight directions.
    """
    least = _LEAST_SEEN * hole.sum()
    found = [_moved(hole, unknown, far, side) for far in away for side in _SIDES]
    found = [there for there in found if there.sum() >= least]
    found.sort(key=lambda there: -int(there.sum()))
    return found[:_TRIES]


def beside(hole: Mask, unknown: Mask, away: Sequence[int]) -> list[Mask]:
    """As `moved`, but once on each of the eight sides that have room, as near as there is.

    Args:
        hole: the shape.
        unknown: all that is unknown.
        away: how many pixels it is moved, or more, in ascending order.
    """
    least, found = _HALF_SEEN * hole.sum(), []
    for side in _SIDES:
        for far in away:
            there = _moved(hole, unknown, far, side)
            if there.sum() >= least:
                found.append(there)
                break
    return found


def _moved(hole: Mask, unknown: Mask, far: int, side: tuple[int, int]) -> Mask:
    return np.asarray(_shifted(hole, far * side[0], far * side[1]) & ~unknown)


def _shifted(mask: Mask, rows: int, columns: int) -> Mask:
    h, w = mask.shape
    shifted = np.zeros_like(mask)
    if abs(rows) < h and abs(columns) < w:
        target = tuple(slice(max(n, 0), size + min(n, 0)) for n, size in ((rows, h), (columns, w)))
        source = tuple(
            slice(max(-n, 0), size + min(-n, 0)) for n, size in ((rows, h), (columns, w))
        )
        shifted[target] = mask[source]
    return shifted
