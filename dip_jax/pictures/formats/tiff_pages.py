"""The pages of a TIFF: which of them count, how large they are, and whether they may be decoded.

Reduced copies of a page, as previews are, do not count. Nothing is decoded here.
"""

import contextlib
import logging
import math
from collections.abc import Iterator
from typing import Any, BinaryIO

import tifffile
from PIL import ExifTags, Image

from dip_jax.errors import InputError

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_STK_PLANES = 33629  # MetaMorph's UIC2Tag, which has one value for each plane
_PAGES_LIMIT = 10  # times the largest picture, for all pages of a file


def is_tiff(data: bytes) -> bool:
    """Whether the bytes begin as a TIFF does."""
    return data[:4] in _MAGIC


def shapes(file: BinaryIO) -> list[tuple[int, int, int]]:
    """The shape `(h, w, c)` of every page, upright and without alpha; no pixel is decoded.

    Raises:
        Exception: whatever tifffile raises for a file that it cannot read.
    """
    with errors_raised(), tifffile.TiffFile(file) as tiff:
        return [_shape(page.aspage()) for _, page in pages_of(tiff)]


def page_name(name: str, number: int, count: int) -> str:
    """What a message calls a page of the file `name`, counted from 1."""
    return name if count == 1 else f"page {number} of {name}"


def check_number(number: int, count: int, name: str) -> None:
    """Refuses a page that there is not; see `tiff_reading.decode`.

    Raises:
        InputError: `number` is 0 and there are several pages, or it is none of them.
    """
    if number == 0 and count > 1:
        raise InputError(
            f"{name} holds {count} pages or frames; expected a single picture: say which page, 1 "
            f"to {count}, or save the one that you want to a file of its own"
        )
    if not 0 <= number <= count:
        pages = "a single picture" if count == 1 else f"{count} pages"
        raise InputError(
            f"{name} holds {pages} and has no page {number}; expected a page from 1 to {count}"
        )


def pages_of(file: tifffile.TiffFile) -> list[tuple[int, Any]]:
    """Those that count, each with its place among all."""
    reduced, pages = tifffile.FILETYPE.REDUCEDIMAGE, list[Any](file.pages)
    return [(i, page) for i, page in enumerate(pages) if not page.subfiletype & reduced]


def _shape(page: tifffile.TiffPage) -> tuple[int, int, int]:
    h, w = page.imagelength, page.imagewidth
    tag = page.tags.get(ExifTags.Base.Orientation)
    if tag is not None and tag.value in (5, 6, 7, 8):
        h, w = w, h
    grey = (tifffile.PHOTOMETRIC.MINISWHITE, tifffile.PHOTOMETRIC.MINISBLACK)
    return h, w, 1 if page.photometric in grey else 3


def check_pages(file: tifffile.TiffFile, pages: list[Any], name: str) -> None:
    """Refuses a file without a picture, and one that keeps pages which it does not list.

    Args:
        file: that holds them.
        pages: that count, by `pages_of`.
        name: what a message calls the file.

    Raises:
        InputError: if it is one of these.
        Exception: whatever tifffile raises for a file that it cannot read.
    """
    if not any(page.aspage().imagewidth and page.aspage().imagelength for page in file.pages):
        raise tifffile.TiffFileError("it has no picture")
    if not pages:
        raise InputError(
            f"{name} holds nothing but reduced previews (a camera's raw file?); expected a "
            "picture: export it as an ordinary TIFF"
        )
    # Some programs write one page and say in the description that thousands follow.
    claimed = (file.imagej_metadata or {}).get("images", 1)
    shaped = file.shaped_metadata or ()
    truncated = any(part.get("truncated") for part in shaped)
    planes = max(page.tags[_STK_PLANES].count if _STK_PLANES in page.tags else 1 for page in pages)
    if truncated or planes > 1 or (isinstance(claimed, int) and claimed > len(file.pages)):
        raise InputError(
            f"{name} keeps pages that it does not list, as ImageJ's largest stacks and "
            "MetaMorph's do; expected a page for each picture: export it as an ordinary TIFF"
        )


def check_sizes(pages: list[Any], name: str) -> None:
    """Refuses pages that are too large to be decoded safely, one or all of them together.

    Raises:
        InputError: if they are.
    """
    limit = 2 * (Image.MAX_IMAGE_PIXELS or math.inf)  # above which Pillow decodes nothing either
    sizes = [
        max(page.imagewidth, page.tilewidth)
        * max(page.imagelength, page.tilelength)
        * max(page.imagedepth, page.tiledepth)
        for page in pages
    ]
    if max(sizes) > limit or sum(sizes) > _PAGES_LIMIT * limit:
        where = name if len(pages) == 1 else f"a page of {name}"
        if max(sizes) > limit:
            raise InputError(
                f"{where} has too many pixels to be decoded safely; expected at most {limit}: "
                "reduce or crop it first"
            )
        raise InputError(
            f"the {len(pages)} pages of {name} have too many pixels to be decoded safely; expected "
            f"at most {_PAGES_LIMIT * limit} together: split the file"
        )


@contextlib.contextmanager
def errors_raised() -> Iterator[None]:
    """Raises what tifffile only logs, such as pages that are missing at the end of the file."""

    class _Raise(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            message = record.getMessage()
            if record.levelno >= logging.ERROR and "TiffPages" in message:
                raise tifffile.TiffFileError(message)

    logger, handler = tifffile.logger(), _Raise()
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
