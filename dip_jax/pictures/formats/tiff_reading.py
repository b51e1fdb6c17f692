"""The pages of a TIFF from its bytes, in every depth, with tifffile.

Only the layouts whose meaning is certain are read; the others are refused with an `InputError`.
"""

import contextlib
import math
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import ExifTags, Image

from dip_jax.errors import InputError, field, setting
from dip_jax.pictures.formats import metadata, pillow
from dip_jax.pictures.formats.tiff_pages import (
    check_number,
    check_pages,
    check_sizes,
    errors_raised,
    page_name,
    pages_of,
)
from dip_jax.pictures.picture import Picture, Stack, TiffLayout
from dip_jax.pictures.values import DataRange

_PHOTOMETRIC = tifffile.PHOTOMETRIC
_SAMPLES = {
    _PHOTOMETRIC.MINISWHITE: 1,
    _PHOTOMETRIC.MINISBLACK: 1,
    _PHOTOMETRIC.RGB: 3,
    _PHOTOMETRIC.PALETTE: 1,
    _PHOTOMETRIC.SEPARATED: 4,
}
# Their decoders are told how much to decode; the others go by what the compressed bytes claim.
_BOUNDED_COMPRESSION = frozenset(
    {
        tifffile.COMPRESSION.NONE,
        tifffile.COMPRESSION.LZW,
        tifffile.COMPRESSION.ADOBE_DEFLATE,
        tifffile.COMPRESSION.DEFLATE,
        tifffile.COMPRESSION.PACKBITS,
        tifffile.COMPRESSION.LZMA,
        tifffile.COMPRESSION.ZSTD,
    }
)
_XMP = 700
_ALPHA = ((tifffile.EXTRASAMPLE.ASSOCALPHA,), (tifffile.EXTRASAMPLE.UNASSALPHA,))


def decode(
    data: bytes,
    name: str,
    data_range: DataRange | None,
    number: int | None = None,
    *,
    any_values: bool = False,
) -> list[Picture]:
    """The pages of a file; reduced copies of a page, as previews are, do not count.

    Args:
        data: the whole file.
        name: what a message calls it.
        data_range: of all pages; packed integers, such as 12-bit ones, are refused without.
        number: decode this page alone, counted from 1; 0 for the only one, and refuse several;
            None for all.
        any_values: as in `reading.read`: packed integers are not refused.

    Raises:
        InputError: a page is too large to be decoded safely, or of a kind that cannot be used, or
            there is no such page.
        Exception: whatever tifffile raises for a file that it cannot read.
    """
    with errors_raised(), tifffile.TiffFile(BytesIO(data)) as file:
        pages = pages_of(file)
        check_pages(file, [page for _, page in pages], name)
        chosen = list(enumerate(pages, 1))
        if number is not None:
            check_number(number, len(pages), name)
            chosen = chosen[max(number - 1, 0) :][:1]
        check_sizes([page for _, (_, page) in chosen], name)
        stack = _stack_of(file, len(pages))
        return [
            _decode_page(
                page.aspage(),
                i,
                data,
                data_range,
                any_values,
                page_name(name, n, len(pages)),
                stack,
            )
            for n, (i, page) in chosen
        ]


def _decode_page(
    page: tifffile.TiffPage,
    index: int,
    data: bytes,
    data_range: DataRange | None,
    any_values: bool,
    name: str,
    stack: Stack | None,
) -> Picture:
    exif = Image.Exif()
    exif.endian, exif.bigtiff = page.parent.byteorder, page.parent.is_bigtiff
    exif.load_from_fp(BytesIO(data), page.offset)
    orientation = exif.get(ExifTags.Base.Orientation, 1)
    premultiplied = False
    if page.compression in _BOUNDED_COMPRESSION and page.photometric in _SAMPLES:
        pixels, alpha = _arrays(page, data, data_range, any_values, name)
        pixels = metadata.upright(pixels, orientation)
        alpha = None if alpha is None else metadata.upright(alpha, orientation)
        premultiplied = tifffile.EXTRASAMPLE.ASSOCALPHA in page.extrasamples
    else:
        pixels, alpha = _arrays_by_pillow(page, data, index, name)
    inks = page.photometric == _PHOTOMETRIC.SEPARATED
    notes = () if any_values else _notes(page, inks)
    if _is_inverse_bool(page):
        shown = "black, as a TIFF says that shows 0 as white"
        if any_values:
            pixels, shown = np.iinfo(pixels.dtype).max - pixels, "white"
        notes += (f"was written by tifffile from bool: True is taken as {shown}",)
    planar = page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and page.samplesperpixel > 1
    return Picture(
        pixels=pixels,
        alpha=alpha,
        icc_profile=None if inks else page.iccprofile,
        exif=metadata.descriptive(exif),
        resolution=metadata.resolution_of_exif(exif, orientation),
        file_format="TIFF",
        data_range=data_range,
        premultiplied=premultiplied,
        tiff=TiffLayout(int(page.compression), int(page.predictor), planar, stack),
        notes=notes,
    )


def _is_inverse_bool(page: tifffile.TiffPage) -> bool:
    """Whether it was an array of bool, which tifffile writes with 0 as white.

    For a picture the standard holds, by which it is shown; a mask is meant as the array was.
    """
    tagged = page.photometric == _PHOTOMETRIC.MINISWHITE and page.bitspersample == 1
    return tagged and page.software.startswith("tifffile")


def _notes(page: tifffile.TiffPage, inks: bool) -> tuple[str, ...]:
    notes = []
    if inks:
        profile = ", without its colour profile" if page.iccprofile else ""
        notes.append(f"is CMYK: taken as RGB{profile}")
    palette = page.photometric == _PHOTOMETRIC.PALETTE
    if isinstance(page.bitspersample, int) and page.bitspersample < 8 and not palette:
        notes.append(
            f"has {page.bitspersample} of 8 bits a pixel: the result has all 8, with greys"
        )
    if _XMP in page.tags:
        notes.append(metadata.NO_XMP)
    if page.parent.is_ome:
        notes.append("has a description in OME-XML, which is not kept")
    if page.is_geotiff:
        notes.append("has geographic tags, which are not kept")
    return tuple(notes)


def stack_of_file(file: BinaryIO) -> Stack | None:
    """What the pages count, if the file says it of all of them together; None if not.

    Raises:
        Exception: whatever tifffile raises for a file that it cannot read.
    """
    with errors_raised(), tifffile.TiffFile(file) as tiff:
        return _stack_of(tiff, len(pages_of(tiff)))


def _stack_of(file: tifffile.TiffFile, pages: int) -> Stack | None:
    with contextlib.suppress(Exception):  # a description that contradicts the pages says nothing
        (series,) = file.series
        axes = series.axes.rstrip("S").removesuffix("YX")
        sizes = tuple(int(n) for n in series.shape[: len(axes)])
        said = series.kind in ("imagej", "shaped", "ome") and not set(axes) & set("YXSIQ")
        if not (axes and said):
            return None
        if pages == 1:  # the channels of a page, under a name of their own
            return Stack(axes, sizes) if len(axes) == 1 and series.kind == "shaped" else None
        if math.prod(sizes) == pages:
            text = file.pages.first.description if series.kind == "imagej" else ""
            return Stack(axes, sizes, metadata.imagej_layout(text))
    return None


def _arrays(
    page: tifffile.TiffPage,
    data: bytes,
    data_range: DataRange | None,
    any_values: bool,
    name: str,
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    bits, dtype = page.bitspersample, page.dtype
    if not isinstance(bits, int) or dtype is None or dtype.kind not in "biuf":
        kind = "complex" if dtype is not None and dtype.kind == "c" else "mixed or unknown"
        raise InputError(
            f"{name} has {bits}-bit pixels of a {kind} kind; expected integers or floats, as many "
            "bits in each channel: convert it first"
        )
    if bits not in (1, 2, 4, 8, 16, 24, 32, 64) and data_range is None and not any_values:
        raise InputError(
            f"{name} has {bits}-bit pixels; expected 8 or 16 bits, or float: say which values are "
            "black and white, such as ",
            setting("data_range", (0, 2**bits - 1)),
        )
    photometric = _PHOTOMETRIC(page.photometric)
    colours = _SAMPLES[photometric]
    extra = page.samplesperpixel - colours
    # Some programs leave out what the fourth sample is; by custom it is alpha.
    named = page.extrasamples in _ALPHA or (page.extrasamples == () and colours == 3)
    if page.imagedepth > 1 or extra not in (0, 1) or (extra == 1 and not named):
        raise InputError(
            f"{name} has {page.samplesperpixel} channels of {photometric.name} and a depth of "
            f"{page.imagedepth}; expected grey or RGB, with or without alpha: save its channels as "
            "pages"
        )
    _check_segments(page, data, name)
    # (separate samples, depth, h, w, contiguous samples), of which one kind of samples is 1
    samples = np.moveaxis(page.asarray(squeeze=False)[:, 0], 0, 2)
    samples = samples.reshape(*samples.shape[:2], -1)
    if dtype.kind == "b":
        samples = samples * np.uint8(255)
    elif photometric == _PHOTOMETRIC.PALETTE:
        samples = _by_palette(page, samples, name)
        colours = 3
    elif bits < 8:
        samples = samples * np.uint8(255 // (2**bits - 1))
    alpha = samples[..., colours] if extra else None
    pixels = samples[..., 0] if colours == 1 else samples[..., :colours]
    if photometric == _PHOTOMETRIC.SEPARATED:
        return _rgb_of_inks(pixels, extra, name), None
    if photometric == _PHOTOMETRIC.MINISWHITE:
        pixels = _inverted(pixels, data_range, name)
    return pixels.copy(), None if alpha is None else alpha.copy()


def _check_segments(page: tifffile.TiffPage, data: bytes, name: str) -> None:
    """Refuses a page of which a part is not in the file; it would be read as black."""
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    whole = len(segments) >= math.prod(page.chunked) and all(
        offset > 0 and count > 0 and offset + count <= len(data) for offset, count in segments
    )
    if not whole:
        raise InputError(
            f"{name} is broken or cut short (a strip or tile is missing); expected a complete "
            "picture: get or export the file again"
        )


def _by_palette(page: tifffile.TiffPage, samples: NDArray[Any], name: str) -> NDArray[Any]:
    colours = page.colormap
    if colours is None or samples.shape[2] != 1 or samples.max() >= colours.shape[1]:
        raise InputError(
            f"{name} has a palette that does not fit its pixels; expected a colour for each value: "
            "convert it to RGB first"
        )
    # A palette has 16 bits. Programs with 8 write each as v * 257, or as v * 256.
    if not (colours % 257).any() or not (colours % 256).any():
        colours = (colours >> 8).astype(np.uint8)
    return np.moveaxis(colours[:, samples[..., 0]], 0, 2)


def _rgb_of_inks(inks: NDArray[Any], extra: int, name: str) -> NDArray[Any]:
    if inks.dtype != np.uint8 or extra:
        raise InputError(
            f"{name} is a CMYK picture of dtype {inks.dtype} with {4 + extra} channels; expected "
            "8-bit CMYK without alpha: convert it to RGB first"
        )
    return np.array(Image.fromarray(np.ascontiguousarray(inks), "CMYK").convert("RGB"))


def _inverted(pixels: NDArray[Any], data_range: DataRange | None, name: str) -> NDArray[Any]:
    if pixels.dtype not in (np.uint8, np.uint16) or data_range is not None:
        raise InputError(
            f"{name} stores white as its least value, which is ambiguous for {pixels.dtype} pixels "
            "or with ",
            field("data_range"),
            "; expected black as the least value: invert it first",
        )
    return np.iinfo(pixels.dtype).max - pixels


def _arrays_by_pillow(
    page: tifffile.TiffPage, data: bytes, index: int, name: str
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Pixels and alpha of what libtiff reads best: JPEG, fax and YCbCr; already turned upright."""
    bits = page.bitspersample
    if bits not in (1, 8):
        raise InputError(
            f"{name} has {bits}-bit pixels, photometric interpretation {page.photometric} and "
            f"compression {page.compression} (numbers of the TIFF standard), which are not "
            "supported together; expected grey or RGB, not compressed or with LZW or deflate: "
            "save it so"
        )
    with Image.open(BytesIO(data), formats=("TIFF",)) as image:
        image.seek(index)
        image.load()
        return pillow.arrays(image, name)
