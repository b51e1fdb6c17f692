"""Pages to the bytes of a TIFF, in every depth, with tifffile."""

import struct
from io import BytesIO
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from dip_jax.pictures.formats import metadata
from dip_jax.pictures.picture import Picture

_CLASSIC_LIMIT = 2**32  # bytes, which the offsets of a TIFF that is not a BigTIFF can reach


def encode(pages: list[tuple[NDArray[Any], Picture]], *, with_exif: bool) -> bytes:
    """The bytes of a file with these pages, not compressed.

    Args:
        pages: pixels, `(h, w)` or `(h, w, 3)` of an integer or float dtype, each with the picture
            that has what is written besides: alpha of the same dtype, profile, EXIF, resolution.
        with_exif: False leaves the EXIF out.
    """
    buffer = BytesIO()
    big = sum(pixels.nbytes * 2 + 2**20 for pixels, _ in pages) > _CLASSIC_LIMIT
    nested: list[dict[int, dict[int, Any]]] = []
    with tifffile.TiffWriter(buffer, bigtiff=big, byteorder="<") as writer:
        for pixels, like in pages:
            tags, tables = _exif_tags(like.exif if with_exif else None, big)
            nested.append(tables)
            grey = pixels.ndim == 2
            channels = pixels if like.alpha is None else np.dstack([pixels, like.alpha])
            density = like.resolution
            writer.write(
                np.ascontiguousarray(channels),
                photometric="minisblack" if grey else "rgb",
                planarconfig=None if channels.ndim == 2 else "contig",
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
