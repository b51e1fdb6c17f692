"""Pictures in and out of files.

A file's pictures come and go as `Picture`s, with their own dtype, shape and range, and with what
else the file holds of them. Whatever would lose depth, channels or pages without saying so is
refused with an `InputError`.
"""

import contextlib
import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from dip_jax import formats, tiff
from dip_jax.errors import InputError
from dip_jax.files import write_bytes
from dip_jax.picture import DataRange as DataRange
from dip_jax.picture import Picture as Picture
from dip_jax.picture import Resolution as Resolution
from dip_jax.picture import check_values
from dip_jax.picture import from_float as from_float
from dip_jax.picture import to_float as to_float

FORMAT_OF_SUFFIX = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
"""What `write` can write: the file's suffix, and the format that it stands for."""

SAMPLES = ("astronaut", "camera", "chelsea", "coffee", "rocket")
"""The photographs of `sample`: in the scikit-image wheel, CC0 or public domain."""


def read(path: str | os.PathLike[str], data_range: DataRange | None = None) -> Picture:
    """Reads one picture, whole, turned upright by its EXIF orientation.

    Grey stays `(h, w)`; palettes, CMYK and YCbCr become RGB; 1-bit becomes 8-bit grey; everything
    else keeps its dtype. Of a JPEG that carries further pictures (as phones write them), the main
    one is read; a TIFF's reduced previews do not count as pages.

    Args:
        path: a PNG, JPEG, TIFF, WebP, BMP or GIF file.
        data_range: the values `(low, high)` of black and white; None stands for the full range of
            8 and 16 bits, and for (0, 1) of floats. Other integers need one.

    Raises:
        InputError: the file is missing, not readable, not a picture, broken or cut short, too
            large to be decoded safely, has several pages or frames, holds pixels of a kind that
            cannot be used, or values outside the range.
    """
    return _read(path, data_range, single=True)[0]


def read_pages(path: str | os.PathLike[str], data_range: DataRange | None = None) -> list[Picture]:
    """Reads every page of a multi-page TIFF, or the one picture of any other file.

    Planes of an OME-TIFF and slices of an ImageJ stack are pages. They may differ in size and kind.

    Args:
        path: as in `read`.
        data_range: as in `read`, for all pages.

    Raises:
        InputError: as in `read`; one page that cannot be used is named, and none is returned.
    """
    return _read(path, data_range, single=False)


def _read(
    path: str | os.PathLike[str], data_range: DataRange | None, *, single: bool
) -> list[Picture]:
    name = _quoted(path)
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(
            f"{name} cannot be read ({_reason(error)}); expected a picture file: check the path "
            "and its permissions"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            if tiff.is_tiff(data):
                pictures = tiff.decode(data, name, data_range, single=single)
            else:
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
                f"{name} is broken or cut short ({_reason(error)}); expected a complete picture: "
                "get or export the file again"
            ) from error
    for number, picture in enumerate(pictures, 1):
        page = name if len(pictures) == 1 else f"page {number} of {name}"
        check_values(picture.pixels, data_range, page)
    return pictures


def read_mask(
    path: str | os.PathLike[str], shape: tuple[int, int], polarity: str = "fill"
) -> NDArray[np.bool_]:
    """Reads a mask; True means: fill this pixel.

    White is whatever is brighter than half of the range; a colour mask counts by its luminance
    (ITU-R BT.601), and alpha is ignored.

    Args:
        path: any picture that `read` accepts.
        shape: `(h, w)` of the picture that the mask belongs to.
        polarity: what white means, "fill" or "keep".

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
    name = f"the mask {_quoted(path)}"
    brightness = to_float(read(path).pixels)
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


def write(path: str | os.PathLike[str], pixels: NDArray[Any], like: Picture | None = None) -> None:
    """Writes a picture whole or not at all; the suffix of `path` chooses the format.

    PNG, WebP and TIFF (not compressed) are written without loss; JPEG at quality 95, with full
    colour resolution and without alpha.

    Args:
        path: ends in .png, .jpg, .jpeg, .tif, .tiff or .webp; an existing file is replaced.
        pixels: `(h, w)`, `(h, w, 1)` or `(h, w, 3)` uint8; for PNG also uint16; for TIFF uint16,
            other integers, and floats in [0, 1] or the `data_range` of `like`.
        like: the picture whose alpha, colour profile, EXIF and resolution are put back, as far as
            the format can hold them.

    Raises:
        InputError: the suffix, shape or dtype cannot be written, the size is not that of `like`,
            or the file system refuses. A file that was there before is then untouched.
    """
    write_pages(path, [pixels], [like])


def write_pages(
    path: str | os.PathLike[str],
    pages: Sequence[NDArray[Any]],
    likes: Sequence[Picture | None] | None = None,
) -> None:
    """Writes several pictures as the pages of one TIFF, whole or not at all.

    Args:
        path: ends in .tif or .tiff; as in `write` if there is one page.
        pages: pixels as in `write`, one array for each page; they may differ in size and dtype.
        likes: as in `write`, one for each page; None is None for each.

    Raises:
        InputError: as in `write`; or there is no page, several pages do not go into the format, or
            there are not as many `likes`.
    """
    name = _quoted(path)
    suffix = Path(path).suffix.lower()
    if suffix not in FORMAT_OF_SUFFIX:
        raise InputError(
            f"{name} cannot be written: the suffix {suffix!r} is unknown; expected one of "
            f"{', '.join(FORMAT_OF_SUFFIX)}: rename it"
        )
    file_format = FORMAT_OF_SUFFIX[suffix]
    likes = [None] * len(pages) if likes is None else likes
    if len(pages) == 0 or len(likes) != len(pages):
        raise InputError(
            f"{name} cannot be written: there are {len(pages)} pages like {len(likes)} pictures; "
            "expected at least one, and as many: give a picture or None for each page"
        )
    if len(pages) > 1 and file_format != "TIFF":
        raise InputError(
            f"{name} cannot be written: {file_format} holds one picture, not {len(pages)} pages; "
            "expected a .tif: rename it"
        )
    prepared = []
    for number, (pixels, like) in enumerate(zip(pages, likes, strict=True), 1):
        page = name if len(pages) == 1 else f"page {number} of {name}"
        prepared.append(_prepared(pixels, file_format, like, page))
    data = _encode(prepared, file_format, name)
    try:
        write_bytes(os.path.realpath(path), data)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{name} cannot be written ({_reason(error)}); expected a path in an existing folder "
            "with space and permission: choose another one"
        ) from error


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


def _prepared(
    pixels: NDArray[Any], file_format: str, like: Picture | None, name: str
) -> tuple[NDArray[Any], Picture]:
    """The pixels without a channel axis for grey, and what of `like` goes into the file."""
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    grey = pixels.ndim == 2
    if not (grey or (pixels.ndim == 3 and pixels.shape[2] == 3)) or pixels.size == 0:
        raise InputError(
            f"{name} cannot be written: the shape is {pixels.shape}; expected (h, w), (h, w, 1) or "
            "(h, w, 3): reshape it"
        )
    dtypes: dict[str, tuple[Any, ...]] = {"PNG": (np.uint8, np.uint16)}
    fits = (
        pixels.dtype.kind in "iuf" and pixels.dtype != np.longdouble
        if file_format == "TIFF"
        else pixels.dtype in dtypes.get(file_format, (np.uint8,))
    )
    if not fits:
        raise InputError(
            f"{name} cannot be written: {pixels.dtype} does not fit in {file_format}; expected "
            "uint8, uint16 in PNG or TIFF, or another integer or float dtype in TIFF: convert it "
            "first"
        )
    if like is None:
        like = Picture(pixels)
    if pixels.dtype.kind == "f":
        check_values(pixels, like.data_range, name)
    if like.pixels.shape[:2] != pixels.shape[:2]:
        raise InputError(
            f"{name} cannot be written: it is {pixels.shape[1]} x {pixels.shape[0]} pixels (width "
            f"x height), expected {like.pixels.shape[1]} x {like.pixels.shape[0]} as the picture "
            "that it is like: crop or resize it"
        )
    if like.premultiplied and like.alpha is not None and file_format != "TIFF":
        pixels, like = _not_premultiplied(pixels, like.alpha), replace(like, premultiplied=False)
    like_grey = like.pixels.ndim == 2 or like.pixels.shape[2] == 1
    return pixels, replace(
        like,
        alpha=None if file_format == "JPEG" else _alpha_as(pixels.dtype, like.alpha),
        icc_profile=like.icc_profile if like_grey == grey else None,
    )


def _not_premultiplied(pixels: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    """The colours that PNG and WebP store, of ones that are multiplied by alpha already."""
    share = to_float(alpha) if pixels.ndim == 3 else to_float(alpha)[..., 0]
    top = np.iinfo(pixels.dtype).max
    colours = np.divide(pixels, share, out=np.zeros(pixels.shape), where=share > 0)
    return np.rint(np.minimum(colours, top)).astype(pixels.dtype)


def _alpha_as(dtype: np.dtype[Any], alpha: NDArray[Any] | None) -> NDArray[Any] | None:
    """Alpha untouched, or scaled where the depth of the pixels has changed."""
    if alpha is None or alpha.dtype == dtype:
        return alpha
    scales = (np.uint8, np.uint16, np.float16, np.float32, np.float64)
    if alpha.dtype not in scales or dtype not in scales:
        return None
    return from_float(to_float(alpha), dtype, 2)


def _encode(pages: list[tuple[NDArray[Any], Picture]], file_format: str, name: str) -> bytes:
    def encoded(with_exif: bool) -> bytes:
        if file_format == "TIFF":
            return tiff.encode(pages, with_exif=with_exif)
        return formats.encode(pages[0][0], file_format, pages[0][1], with_exif=with_exif)

    try:
        return encoded(with_exif=True)
    except Exception as error:  # an encoder's own limits, such as the largest side of a WebP
        # A result must not be lost to a description that the format cannot hold.
        if any(like.exif is not None for _, like in pages):
            with contextlib.suppress(Exception):
                return encoded(with_exif=False)
        raise InputError(
            f"{name} cannot be written ({_reason(error)}); expected a picture that {file_format} "
            "can hold: choose another format, such as .png"
        ) from error


def _quoted(path: str | os.PathLike[str]) -> str:
    return repr(os.fspath(path))


def _reason(error: Exception) -> str:
    """The error in a few words on one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join((text or type(error).__name__).split())
