"""Masks in files: which pixels are to be filled."""

import os

import numpy as np
from numpy.typing import NDArray

from dip_jax.errors import InputError, quoted
from dip_jax.pictures.reading import read
from dip_jax.pictures.values import to_float as to_float


def read_mask(
    path: str | os.PathLike[str],
    shape: tuple[int, int],
    polarity: str = "fill",
    *,
    page: int = 0,
) -> NDArray[np.bool_]:
    """Reads a mask; True means: fill this pixel.

    White is whatever is brighter than half of the range; a colour mask counts by its luminance
    (ITU-R BT.601), and alpha is ignored.

    Args:
        path: any picture that `read` accepts.
        shape: `(h, w)` of the picture that the mask belongs to.
        polarity: what white means, "fill" or "keep".
        page: as in `read`.

    Returns:
        `(h, w)` bool.

    Raises:
        InputError: the polarity is unknown, the file cannot be read, its size is not `shape`, or
            it fills nothing or everything.
    """
    if polarity not in ("fill", "keep"):
        raise InputError(
            f"mask polarity {polarity!r} is unknown; expected 'fill' (white is filled) or 'keep' "
            "(white is kept): use one of the two"
        )
    name = f"page {page} of the mask {quoted(path)}" if page else f"the mask {quoted(path)}"
    brightness = to_float(read(path, page=page).pixels)
    h, w = brightness.shape[:2]
    if (h, w) != tuple(shape):
        raise InputError(
            f"{name} is {w} x {h} pixels (width x height), expected {shape[1]} x {shape[0]} as the "
            "picture: make both the same size"
        )
    if brightness.shape[2] == 3:
        brightness = brightness @ np.array([[0.299], [0.587], [0.114]], np.float32)
    white = brightness[..., 0] > 0.5
    fill = white if polarity == "fill" else ~white
    check_mask(fill, name)
    return fill


def check_mask(fill: NDArray[np.bool_], name: str = "the mask") -> None:
    """Refuses a mask that fills nothing or everything.

    Args:
        fill: bool of any shape, True means fill.
        name: what the message calls the mask.

    Raises:
        InputError: `fill` is False everywhere, or True everywhere.
    """
    if not fill.any():
        raise InputError(
            f"{name} fills nothing; expected at least one pixel to fill: mark what is to be "
            "filled, or try the other mask polarity"
        )
    if fill.all():
        raise InputError(
            f"{name} fills everything; expected at least one known pixel: mark only what is to be "
            "filled, or try the other mask polarity"
        )
