"""Pages to the bytes of a TIFF, in every depth, with tifffile."""

import json
import math
import struct
from io import BytesIO
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from dip_jax.pictures.formats import metadata
from dip_jax.pictures.picture import Picture, Stack, TiffLayout

_COMPRESSION = tifffile.COMPRESSION
_KEPT = (
    _COMPRESSION.NONE,
    _COMPRESSION.LZW,
    _COMPRESSION.ADOBE_DEFLATE,
    _COMPRESSION.DEFLATE,
    _COMPRESSION.PACKBITS,
    _COMPRESSION.LZMA,
    _COMPRESSION.ZSTD,
)
_CLASSIC_LIMIT = 2**32  # bytes, which the offsets of a TIFF that is not a BigTIFF can reach


def encode(pages: list[tuple[NDArray[Any], Picture]], *, with_exif: bool) -> bytes:
    """The bytes of a file with these pages, each compressed and laid out as it was in its TIFF.

    Args:
        pages: pixels, `(h, w)` or `(h, w, 3)` of an integer or float dtype, each with the picture
            that has what is written besides: alpha of the same dtype, profile, EXIF, resolution,
            and the layout in a TIFF. All pages of a stack are a stack again.
        with_exif: False leaves the EXIF out.
    """
    buffer = BytesIO()
    big = sum(pixels.nbytes * 2 + 2**20 for pixels, _ in pages) > _CLASSIC_LIMIT
    nested: list[dict[int, dict[int, Any]]] = []
    arrays = [_array(pixels, like) for pixels, like in pages]
    stack = _stack([like for _, like in pages], arrays)
    with tifffile.TiffWriter(buffer, bigtiff=big, byteorder="<") as writer:
        for number, (array, (pixels, like)) in enumerate(zip(arrays, pages, strict=True)):
            tags, tables = _exif_tags(like.exif if with_exif else None, big)
            nested.append(tables)
            if stack is not None and number == 0:
                tags = _with_stack(tags, stack, array.shape, len(pages))
            grey = pixels.ndim == 2
            layout = like.tiff or TiffLayout()
            separate = array.ndim == 3 and layout.planar
            density = like.resolution
            writer.write(
                array,
                photometric="minisblack" if grey else "rgb",
                planarconfig=None if array.ndim == 2 else "separate" if separate else "contig",
                compression=kept_compression(layout.compression),
                predictor=_predictor(layout, array.dtype),
                extrasamples=_extra_samples(like),
                iccprofile=like.icc_profile,
                resolution=None if density is None else density[:2],
                resolutionunit=None if density is None else metadata.UNIT_NUMBERS[density.unit],
                software=False,
                metadata=None,
                contiguous=False,
                extratags=tags,
            )
    return _with_nested(buffer.getvalue(), nested)


def kept_compression(compression: int) -> int:
    """The same, if it is without loss for every depth; else deflate, by its number in a TIFF."""
    if compression in _KEPT:
        return compression
    return int(_COMPRESSION.ADOBE_DEFLATE)


def compression_name(compression: int) -> str:
    """What the standard, or tifffile, calls it."""
    known = compression in set(_COMPRESSION)
    return _COMPRESSION(compression).name if known else str(compression)


def _predictor(layout: TiffLayout, dtype: np.dtype[Any]) -> int | None:
    """What is done before compression, as it was, where that can be done to these values."""
    if layout.compression not in _KEPT or layout.compression == _COMPRESSION.NONE:
        return None
    fits = {int(tifffile.PREDICTOR.HORIZONTAL): "iu", int(tifffile.PREDICTOR.FLOATINGPOINT): "f"}
    return layout.predictor if dtype.kind in fits.get(layout.predictor, "") else None


def _array(pixels: NDArray[Any], like: Picture) -> NDArray[Any]:
    """The pixels with their alpha, in the order in which they lie in the file."""
    channels = pixels if like.alpha is None else np.dstack([pixels, like.alpha])
    if channels.ndim == 3 and like.tiff is not None and like.tiff.planar:
        channels = np.moveaxis(channels, 2, 0)
    return np.ascontiguousarray(channels)


def _stack(likes: list[Picture], arrays: list[NDArray[Any]]) -> Stack | None:
    """What the pages were together and are again; None if they are not all there, or not alike."""
    stacks = {None if like.tiff is None else like.tiff.stack for like in likes}
    stack = stacks.pop()
    if stacks or stack is None or len({(array.shape, array.dtype) for array in arrays}) > 1:
        return None
    only = len(arrays) == 1
    count = arrays[0].shape[0] if only and arrays[0].ndim == 3 else len(arrays)
    planar = likes[0].tiff is not None and likes[0].tiff.planar
    return stack if count == math.prod(stack.sizes) and (not only or planar) else None


def _with_stack(tags: list[Any], stack: Stack, shape: tuple[int, ...], pages: int) -> list[Any]:
    """The tags of the first page with a description of all, as tifffile or ImageJ gives it."""
    number = int(ExifTags.Base.ImageDescription)
    if stack.imagej:
        before = b"".join(tag[3] for tag in tags if tag[0] == number) or b"ImageJ=1.11a\n"
        tags = [tag for tag in tags if tag[0] != number]
        return [*tags, (number, 2, 0, before + stack.imagej.encode("latin-1", "replace"), False)]
    whole = (*stack.sizes, *shape) if pages > 1 else shape
    samples = "S" if len(shape) == 3 and pages > 1 else ""
    text = json.dumps({"shape": whole, "axes": f"{stack.axes}YX{samples}"})
    return [*tags, (number, 2, 0, text.encode(), False)]


def _extra_samples(like: Picture) -> tuple[str, ...] | None:
    if like.alpha is None:
        return None
    return ("assocalpha",) if like.premultiplied else ("unassalpha",)


def _exif_tags(exif: bytes | None, big: bool) -> tuple[list[Any], dict[int, dict[int, Any]]]:
    """Descriptive tags for tifffile, and the nested tables, each with a placeholder."""
    if exif is None:
        return [], {}
    source = Image.Exif()
    source.load(exif)
    tags: list[Any] = []
    nested = {}
    for tag, value in source.items():
        if tag in metadata.NESTED_TAGS:
            nested[tag] = source.get_ifd(tag)
            tags.append((tag - 1, "Q" if big else "I", 1, 0, False))
        elif isinstance(value, str):
            tags.append((tag, 2, 0, value.encode("latin-1", "replace"), False))
        elif isinstance(value, bytes | tuple):
            tags.append((tag, 1, len(value), bytes(value), False))
    return tags, nested


def _with_nested(data: bytes, nested: list[dict[int, dict[int, Any]]]) -> bytes:
    """The file with the nested tables of EXIF appended, and entries that point to them.

    tifffile writes no such entries; the placeholders have the numbers before theirs, which nothing
    else has, so that the entries stay in order.
    """
    if not any(nested):
        return data
    with tifffile.TiffFile(BytesIO(data)) as file:
        big = file.is_bigtiff
        places = [
            {tag: page.aspage().tags[tag - 1].offset for tag in tables}
            for page, tables in zip(file.pages, nested, strict=True)
        ]
    out = bytearray(data)
    for tables, offsets in zip(nested, places, strict=True):
        for tag, table in tables.items():
            out += b"\0" * (len(out) % 2)
            start, at = len(out), offsets[tag]
            out += _table(tag, table, big, start)
            struct.pack_into("<H", out, at, tag)
            struct.pack_into("<Q" if big else "<I", out, at + (12 if big else 8), start)
    return bytes(out)


def _table(tag: int, table: dict[int, Any], big: bool, start: int) -> bytes:
    """A nested table as it stands at an offset of a little-endian file."""
    head = b"II+\0" + bytes(12) if big else b"II*\0" + bytes(4)
    directory = ImageFileDirectory_v2(head, group=tag)
    for key, value in table.items():
        # A table within the table is kept only where Pillow has read it.
        if key != ExifTags.IFD.Interop or isinstance(value, dict):
            directory[key] = value
    return directory.tobytes(start)
