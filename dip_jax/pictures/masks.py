"""Masks in files: which pixels are to be filled."""

import os

from dip_jax.errors import InputError, quoted
from dip_jax.pictures.marks import Mask, check_mask, check_polarity, of_picture
from dip_jax.pictures.reading import read


def read_mask(
    path: str | os.PathLike[str],
    shape: tuple[int, int],
    polarity: str = "fill",
    *,
    page: int = 0,
) -> Mask:
    """Reads a mask; what `fill` marks with True is to be filled.

    Any picture serves, in whatever way it is drawn (`marks.of_picture`).

    Args:
        path: any picture that `read` accepts, and one of any other integers or floats.
        shape: `(h, w)` of the picture that the mask belongs to.
        polarity: what white means, "fill" or "keep".
        page: as in `read`.

    Returns:
        The mask, `fill` of shape `(h, w)`, with remarks on how it was taken.

    Raises:
        InputError: the polarity is unknown, the file cannot be read, its size is not `shape`, it
            is no mask, or it fills nothing or everything.
    """
    check_polarity(polarity)
    name = f"page {page} of the mask {quoted(path)}" if page else f"the mask {quoted(path)}"
    picture = read(path, page=page, any_values=True)
    h, w = picture.pixels.shape[:2]
    if (h, w) != tuple(shape):
        raise InputError(
            f"{name} is {w} x {h} pixels (width x height), expected {shape[1]} x {shape[0]} as the "
            "picture: make both the same size"
        )
    mask = of_picture(picture.pixels, picture.alpha, polarity, name)
    notes = tuple(f"{name} {note}" for note in picture.notes)
    mask = mask._replace(remarks=notes + mask.remarks)
    check_mask(mask, name)
    return mask
