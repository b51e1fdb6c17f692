"""Pictures in and out of files.

A file's pictures come and go as `Picture`s, with their own dtype, shape and range, and with what
else the file holds of them. Whatever would lose depth, channels or pages without saying so is
refused with an `InputError`.
"""

import os
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from dip_jax import formats, tiff_pages, tiff_reading
from dip_jax.errors import InputError, quoted, reason
from dip_jax.picture import DataRange as DataRange
from dip_jax.picture import Picture as Picture
from dip_jax.picture import Resolution as Resolution
from dip_jax.picture import check_values
from dip_jax.picture import from_float as from_float
from dip_jax.picture import to_float as to_float
from dip_jax.tiff_pages import page_name
from dip_jax.writing import FORMAT_OF_SUFFIX as FORMAT_OF_SUFFIX
from dip_jax.writing import write as write
from dip_jax.writing import write_pages as write_pages

SAMPLES = ("astronaut", "camera", "chelsea", "coffee", "rocket")
"""The photographs of `sample`: in the scikit-image wheel, CC0 or public domain."""


def read(
    path: str | os.PathLike[str], data_range: DataRange | None = None, *, page: int = 0
) -> Picture:
    """Reads one picture, whole, turned upright by its EXIF orientation.

    Grey stays `(h, w)`; palettes, CMYK and YCbCr become RGB; 1-bit becomes 8-bit grey; everything
    else keeps its dtype. Of a JPEG that carries further pictures (as phones write them), the main
    one is read; a TIFF's reduced previews do not count as pages.

    Args:
        path: a PNG, JPEG, TIFF, WebP, BMP or GIF file.
        data_range: the values `(low, high)` of black and white; None stands for the full range of
            8 and 16 bits, and for (0, 1) of floats. Other integers need one.
        page: which page of a multi-page TIFF, counted from 1; 0 for the only picture of a file.

    Raises:
        InputError: the file is missing, not readable, not a picture, broken or cut short, too
            large to be decoded safely, has several pages or frames and `page` is 0, has no such
            page, holds pixels of a kind that cannot be used, or values outside the range.
    """
    return _read(path, data_range, page)[0]


def read_pages(path: str | os.PathLike[str], data_range: DataRange | None = None) -> list[Picture]:
    """Reads every page of a multi-page TIFF, or the one picture of any other file.

    Planes of an OME-TIFF and slices of an ImageJ stack are pages. They may differ in size and kind.

    Args:
        path: as in `read`.
        data_range: as in `read`, for all pages.

    Raises:
        InputError: as in `read`; one page that cannot be used is named, and none is returned.
    """
    return _read(path, data_range, None)


def page_shapes(path: str | os.PathLike[str]) -> list[tuple[int, int, int]] | None:
    """The shape `(h, w, c)` of each picture in a file, without alpha, by its headers alone.

    Args:
        path: as in `read`; each page of a multi-page TIFF counts, and nothing else of it.

    Returns:
        One shape for each picture that `read_pages` would give; None where the headers tell
        nothing, as those of a broken file: reading it will say what is wrong.
    """
    try:
        with warnings.catch_warnings(), open(path, "rb") as file:
            warnings.simplefilter("ignore")
            magic = file.read(4)
            file.seek(0)
            if tiff_pages.is_tiff(magic):
                return tiff_pages.shapes(file) or None
            return [formats.shape(file)]
    except Exception:  # whatever the broken byte led the reader of the headers to
        return None


def count_pages(path: str | os.PathLike[str]) -> int:
    """How many pictures a file holds, by its headers alone: the pages of a multi-page TIFF, or 1.

    A file that is broken or no picture counts as one: reading it will say what is wrong.
    """
    return len(page_shapes(path) or [None])


def _read(
    path: str | os.PathLike[str], data_range: DataRange | None, page: int | None
) -> list[Picture]:
    name = quoted(path)
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(
            f"{name} cannot be read ({reason(error)}); expected a picture file: check the path "
            "and its permissions"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            if tiff_pages.is_tiff(data):
                pictures = tiff_reading.decode(data, name, data_range, page)
            else:
                tiff_pages.check_number(page or 0, 1, name)
                pictures = [replace(formats.decode(data, name), data_range=data_range)]
        except InputError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise InputError(
                f"{name} has too many pixels to be decoded safely; expected at most "
                f"{Image.MAX_IMAGE_PIXELS}: reduce or crop it first"
            ) from error
        except UnidentifiedImageError as error:
            raise InputError(
                f"{name} is not a picture that can be read; expected PNG, JPEG, TIFF, WebP, BMP or "
                "GIF: convert it to one of these"
            ) from error
        except Exception as error:  # a decoder raises whatever the broken byte led it to
            raise InputError(
                f"{name} is broken or cut short ({reason(error)}); expected a complete picture: "
                "get or export the file again"
            ) from error
    for number, picture in enumerate(pictures, 1):
        which = f"page {page} of {name}" if page else page_name(name, number, len(pictures))
        check_values(picture.pixels, data_range, which)
    return pictures


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


def sample(name: str, side: int | None = None) -> Picture:
    """A photograph that ships with scikit-image; nothing is downloaded.

    Args:
        name: one of `SAMPLES`; camera is grey, the others are RGB.
        side: the longer side of the result in pixels; a smaller photograph is not enlarged.

    Returns:
        uint8 pixels, reduced with an antialiased (Lanczos) filter.

    Raises:
        InputError: the name is unknown, `side` is not positive, or scikit-image is not installed.
    """
    if name not in SAMPLES:
        raise InputError(
            f"there is no sample {name!r}; expected one of {', '.join(SAMPLES)}: choose one"
        )
    if side is not None and side < 1:
        raise InputError(
            f"side {side} is too small; expected 1 or more pixels: choose a larger one"
        )
    try:
        from skimage import data
    except ImportError as error:
        raise InputError(
            f"the sample {name!r} is part of scikit-image, which is not installed; expected it in "
            "this environment: run pip install scikit-image"
        ) from error
    image = Image.fromarray(getattr(data, name)())
    longer = max(image.size)
    if side is not None and side < longer:
        w, h = (max(1, round(length * side / longer)) for length in image.size)
        image = image.resize((w, h), Image.Resampling.LANCZOS)
    return Picture(pixels=np.array(image))
