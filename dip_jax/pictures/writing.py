"""Pictures into files: checked, encoded, and written whole or not at all."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dip_jax.errors import InputError, quoted, reason
from dip_jax.files import write_bytes
from dip_jax.pictures.formats import pillow, tiff_writing
from dip_jax.pictures.picture import Picture
from dip_jax.pictures.values import check_values, from_float, to_float

FORMAT_OF_SUFFIX = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
"""What `write` can write: the file's suffix, and the format that it stands for."""

_LARGEST_EXIF_OF_JPEG = 65533 - 6  # bytes of a segment, without what begins it


def write(path: str | os.PathLike[str], pixels: NDArray[Any], like: Picture | None = None) -> None:
    """Writes a picture whole or not at all; the suffix of `path` chooses the format.

    PNG, WebP and TIFF are written without loss; JPEG at quality 95, with full colour resolution.
    A TIFF is compressed as that of `like`, if that is without loss: see `changes`.

    Args:
        path: ends in .png, .jpg, .jpeg, .tif, .tiff or .webp; an existing file is replaced.
        pixels: `(h, w)`, `(h, w, 1)` or `(h, w, 3)` uint8; for PNG also uint16; for TIFF uint16,
            other integers, and floats in [0, 1] or the `data_range` of `like`.
        like: the picture whose alpha, colour profile, EXIF and resolution are put back, as far as
            the format can hold them.

    Raises:
        InputError: the suffix, shape or dtype cannot be written, the size is not that of `like`,
            `like` is transparent and the format JPEG, or the file system refuses. A file that was
            there before is then untouched.
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
        likes: as in `write`, one (or None) for each page; or None, for no page.

    Raises:
        InputError: as in `write`; or there is no page, several pages do not go into the format, or
            there are not as many `likes`.
    """
    name = quoted(path)
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
            f"{name} cannot be written ({reason(error)}); expected a path in an existing folder "
            "with space and permission: choose another one"
        ) from error


def changes(path: str | os.PathLike[str], likes: Sequence[Picture]) -> list[str]:
    """What the format of a file will hold otherwise than the pictures' own files, in a line each.

    Args:
        path: that is to be written.
        likes: the pictures that its pages are like.
    """
    file_format = FORMAT_OF_SUFFIX.get(Path(path).suffix.lower())
    lines: dict[str, None] = {}  # an ordered set
    for like in likes:
        if file_format == "TIFF" and like.tiff is not None:
            before = like.tiff.compression
            if tiff_writing.kept_compression(before) != before:
                lines[
                    f"the compression of the picture ({tiff_writing.compression_name(before)}) "
                    "cannot hold the result without loss: it is compressed with deflate"
                ] = None
        if file_format == "WEBP" and (like.pixels.ndim == 2 or like.pixels.shape[2] == 1):
            profile = ", and the colour profile is left out" if like.icc_profile else ""
            lines[f"WebP holds no grey: the result is in RGB, of equal channels{profile}"] = None
        if file_format == "JPEG" and len(like.exif or b"") > _LARGEST_EXIF_OF_JPEG:
            lines["the EXIF is too large for JPEG, and is left out"] = None
    return list(lines)


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
    transparent = 0 if like.alpha is None else _transparent(like.alpha)
    if file_format == "JPEG" and transparent:
        raise InputError(
            f"{name} cannot be written: JPEG holds no transparency, and the picture is transparent "
            f"in {100 * transparent:.1f}%; expected .png, .tif or .webp: rename it, or give a "
            "picture without alpha"
        )
    if like.premultiplied and like.alpha is not None and file_format != "TIFF":
        pixels, like = _not_premultiplied(pixels, like.alpha), replace(like, premultiplied=False)
    rgb_of_grey = grey and file_format == "WEBP"  # which a profile of grey would not fit
    like_grey = like.pixels.ndim == 2 or like.pixels.shape[2] == 1
    return pixels, replace(
        like,
        alpha=None if file_format == "JPEG" else _alpha_as(pixels.dtype, like.alpha),
        icc_profile=like.icc_profile if like_grey == grey and not rgb_of_grey else None,
    )


def _transparent(alpha: NDArray[Any]) -> float:
    """The share of the pixels that are not opaque."""
    if alpha.dtype in (np.uint8, np.uint16):
        return float((alpha < np.iinfo(alpha.dtype).max).mean())
    return float((alpha < alpha.max()).mean())


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
            return tiff_writing.encode(pages, with_exif=with_exif)
        return pillow.encode(pages[0][0], file_format, pages[0][1], with_exif=with_exif)

    try:
        return encoded(with_exif=True)
    except Exception as error:  # an encoder's own limits, such as the largest side of a WebP
        # A result must not be lost to a description that the format cannot hold.
        if any(like.exif is not None for _, like in pages):
            with contextlib.suppress(Exception):
                return encoded(with_exif=False)
        raise InputError(
            f"{name} cannot be written ({reason(error)}); expected a picture that {file_format} "
            "can hold: choose another format, such as .png"
        ) from error
