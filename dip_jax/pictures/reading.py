"""Pictures in and out of files.

A file's pictures come and go as `Picture`s, with their own dtype, shape and range, and with what
else the file holds of them. Whatever would lose depth, channels or pages without saying so is
refused with an `InputError`.
"""

import os
import warnings
from dataclasses import replace
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from dip_jax.errors import InputError, quoted, reason
from dip_jax.pictures.formats import pillow, tiff_pages, tiff_reading
from dip_jax.pictures.formats.tiff_pages import page_name
from dip_jax.pictures.picture import Picture, Stack
from dip_jax.pictures.values import DataRange, check_values


def read(
    path: str | os.PathLike[str],
    data_range: DataRange | None = None,
    *,
    page: int = 0,
    any_values: bool = False,
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
        any_values: for a mask: integers and floats may be any, and only what its values mean is
            noted, not what a result would have otherwise.

    Raises:
        InputError: the file is missing, not readable, not a picture, broken or cut short, too
            large to be decoded safely, has several pages or frames and `page` is 0, has no such
            page, holds pixels of a kind that cannot be used, or values outside the range.
    """
    return _read(path, data_range, page, any_values)[0]


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
            return [pillow.shape(file)]
    except Exception:  # whatever the broken byte led the reader of the headers to
        return None


def format_of(path: str | os.PathLike[str]) -> str:
    """Which of the formats of `Picture.file_format` a file truly is, whatever its name says.

    By its header alone; "" for one that is broken or no picture: reading it will say what is wrong.
    """
    try:
        with warnings.catch_warnings(), open(path, "rb") as file:
            warnings.simplefilter("ignore")
            magic = file.read(4)
            file.seek(0)
            return "TIFF" if tiff_pages.is_tiff(magic) else pillow.file_format(file)
    except Exception:  # as in `page_shapes`
        return ""


def count_pages(path: str | os.PathLike[str]) -> int:
    """How many pictures a file holds, by its headers alone: the pages of a multi-page TIFF, or 1.

    A file that is broken or no picture counts as one: reading it will say what is wrong.
    """
    return len(page_shapes(path) or [None])


def tiff_stack(path: str | os.PathLike[str]) -> Stack | None:
    """What the pages of a TIFF count together, by its headers alone; None where it does not say."""
    try:
        with open(path, "rb") as file:
            return tiff_reading.stack_of_file(file)
    except Exception:  # whatever the broken byte led the reader of the headers to
        return None


def _read(
    path: str | os.PathLike[str],
    data_range: DataRange | None,
    page: int | None,
    any_values: bool = False,
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
        try:
            if tiff_pages.is_tiff(data):
                pictures = tiff_reading.decode(data, name, data_range, page, any_values=any_values)
            else:
                tiff_pages.check_number(page or 0, 1, name)
                picture = replace(pillow.decode(data, name), data_range=data_range)
                pictures = [replace(picture, notes=()) if any_values else picture]
        except InputError:
            raise
        except Image.DecompressionBombError as error:
            raise InputError(
                f"{name} has too many pixels to be decoded safely; expected at most "
                f"{2 * (Image.MAX_IMAGE_PIXELS or 0)}: reduce or crop it first"
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
    for number, picture in enumerate(pictures if not any_values else (), 1):
        which = f"page {page} of {name}" if page else page_name(name, number, len(pictures))
        check_values(picture.pixels, data_range, which)
    return pictures
