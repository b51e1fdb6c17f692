"""Images of Pillow and paths, where an array is expected: converted by mode, or refused.

`np.asarray` of an image of Pillow gives what is stored: the numbers of a palette's colours, inks,
hues, a photograph on its side. Here they become grey or RGB, upright, as those of files do.
"""

import os
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import ExifTags, Image

from dip_jax.errors import InputError, reason
from dip_jax.pictures.formats import metadata, pillow

ImageLike = ArrayLike | Image.Image
"""What a person may give as a picture or a mask."""

_AS_IT_IS = ("1", "L", "LA", "RGB", "RGBA", "I", "F")
_FIRST_TO = {"La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "HSV": "RGB"}


class Opened(NamedTuple):
    """What was given.

    Attributes:
        array: the pixels of an image, `(h, w)` or `(h, w, 3)`; anything else as it came.
        alpha: of an image that has one, `(h, w)` uint8.
        image: whether it is an image of Pillow.
        turned: whether it has been turned upright.
        remarks: what has become of it, in a line each.
    """

    array: Any
    alpha: NDArray[Any] | None = None
    image: bool = False
    turned: bool = False
    remarks: tuple[str, ...] = ()


def opened(given: Any, name: str) -> Opened:
    """An image of Pillow as arrays, and anything else untouched.

    Palettes, CMYK, YCbCr and HSV become RGB, 1 bit becomes grey; 16 and 32 bits stay.

    Args:
        given: what stands where an array is expected.
        name: what a message calls it.

    Raises:
        InputError: it is a path, cannot be decoded, or has a mode that cannot be used.
    """
    if isinstance(given, str | bytes | os.PathLike):
        raise InputError(
            f"{name} is a path or a text, {_short(given)}; expected an array or an image of "
            "Pillow: give PIL.Image.open(path)"
        )
    if not isinstance(given, Image.Image):
        return Opened(given)
    cut = any(str(tile[3]).find(";16") >= 0 for tile in getattr(given, "tile", ()))
    try:
        given.load()
    except Exception as error:  # whatever the broken byte led Pillow to
        raise InputError(
            f"{name} cannot be decoded ({reason(error)}); expected a complete picture: get or "
            "export its file again"
        ) from error
    pixels, alpha = _arrays(given, name)
    orientation = given.getexif().get(ExifTags.Base.Orientation, 1)
    remarks: tuple[str, ...] = ()
    if given.mode not in _AS_IT_IS and not given.mode.startswith("I;16"):
        kind = ("grey" if pixels.ndim == 2 else "RGB") + (
            " with alpha" if alpha is not None else ""
        )
        remarks = (f"{name} has the mode {given.mode} of Pillow: taken as {kind}",)
    if cut and pixels.dtype == np.uint8:
        remarks += (f"Pillow has cut the 16 bits of {name} to 8: give an array to keep them",)
    turned = orientation in range(2, 9)
    if turned:
        pixels = metadata.upright(pixels, orientation)
        alpha = None if alpha is None else metadata.upright(alpha, orientation)
        remarks += (f"{name} is turned upright, as its EXIF says",)
    return Opened(pixels, alpha, True, turned, remarks)


def _arrays(image: Image.Image, name: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    if image.mode in ("I", "F"):
        return np.array(image), None
    if image.mode == "LAB":
        raise InputError(
            f"{name} has the mode LAB of Pillow; expected grey, RGB, a palette, CMYK or YCbCr: "
            "convert it to RGB with PIL.ImageCms first"
        )
    return pillow.arrays(image.convert(_FIRST_TO.get(image.mode, image.mode)), name)


def _short(text: Any) -> str:
    shown = repr(text if isinstance(text, bytes) else os.fspath(text))
    return shown if len(shown) <= 80 else shown[:77] + "..."
