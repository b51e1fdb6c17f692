"""What a file says about its picture: orientation, EXIF and resolution, in any format."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from dip_jax.pictures.picture import Resolution

NESTED_TAGS = (ExifTags.Base.ExifOffset, ExifTags.Base.GPSInfo)
"""The parts of EXIF that are tables of their own."""

UNIT_NUMBERS = {"none": 1, "inch": 2, "cm": 3}
"""ResolutionUnit in the tags of TIFF and EXIF (TIFF 6.0, section 8)."""

# EXIF mixes what describes a picture with the layout of the file that it came from (sizes, depths,
# offsets). Only the description may travel to another file, where the rest would be wrong.
_DESCRIPTIVE_TAGS = frozenset(
    {
        ExifTags.Base.ImageDescription,
        ExifTags.Base.Make,
        ExifTags.Base.Model,
        ExifTags.Base.Software,
        ExifTags.Base.DateTime,
        ExifTags.Base.Artist,
        ExifTags.Base.HostComputer,
        ExifTags.Base.Copyright,
        ExifTags.Base.XPTitle,
        ExifTags.Base.XPComment,
        ExifTags.Base.XPAuthor,
        ExifTags.Base.XPKeywords,
        ExifTags.Base.XPSubject,
        *NESTED_TAGS,
    }
)
NO_XMP = "has XMP data, which are not kept"
"""A note on a picture; XMP tells sizes and orientation too, which would be wrong of the result."""

_IMAGEJ_LAYOUT = ("images", "channels", "slices", "frames", "hyperstack", "mode", "loop")
_IMAGEJ_CALIBRATION = ("ImageJ", "unit", "yunit", "zunit", "spacing", "finterval", "tunit")


def upright(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The array `(h, w, ...)` turned as the orientation of EXIF (1 to 8) says."""
    if is_sideways(orientation):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


def is_sideways(orientation: int) -> bool:
    """Whether `upright` swaps height and width."""
    return orientation in (5, 6, 7, 8)


def descriptive(exif: Image.Exif) -> bytes | None:
    """The part of EXIF that describes the picture and not its file, or None."""
    kept = Image.Exif()
    for tag in _DESCRIPTIVE_TAGS.intersection(exif):
        value = exif.get_ifd(tag) if tag in NESTED_TAGS else exif[tag]
        if tag == ExifTags.Base.ImageDescription:
            value = _description(value)
        if value:
            kept[tag] = value
    return to_bytes(kept) if len(kept) else None


def to_bytes(exif: Image.Exif) -> bytes:
    """The EXIF as the bytes of a file; letters that are not ASCII stay what they were."""
    copy = Image.Exif()
    for tag, value in exif.items():
        if tag in NESTED_TAGS and not isinstance(value, dict):
            value = exif.get_ifd(tag)
        elif isinstance(value, str) and not value.isascii():
            # Pillow would write question marks; it has read the bytes as Latin-1, UTF-8 or not.
            value = value.encode("latin-1", "replace")
        copy[tag] = value
    return copy.tobytes()


def resolution(
    x: Any, y: Any, unit: str | None = "inch", orientation: int = 1
) -> Resolution | None:
    """The resolution of the upright picture, or None if the file's numbers say nothing.

    Args:
        x: pixels per unit along the rows as stored, anything that `float` takes.
        y: the same along the columns.
        unit: as in `Resolution`; None says nothing.
        orientation: of EXIF.
    """
    try:
        x, y = float(x), float(y)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    # One pixel per unit is how a file says that it has a pixel aspect and no resolution.
    if unit is None or not (math.isfinite(x) and math.isfinite(y) and min(x, y) > 0) or x == y == 1:
        return None
    return Resolution(y, x, unit) if is_sideways(orientation) else Resolution(x, y, unit)


def resolution_of_exif(exif: Image.Exif, orientation: int) -> Resolution | None:
    """The resolution that the EXIF itself gives, as it does in a TIFF or a WebP, or None."""
    base = ExifTags.Base
    number = exif.get(base.ResolutionUnit, 2)
    unit = next((unit for unit, n in UNIT_NUMBERS.items() if n == number), None)
    return resolution(exif.get(base.XResolution), exif.get(base.YResolution), unit, orientation)


def imagej_layout(text: str) -> str:
    """The lines of ImageJ's description that say what the pages of a file count; "" if none do."""
    lines = [line for line in text.splitlines() if line.split("=")[0] in _IMAGEJ_LAYOUT]
    return "".join(f"{line}\n" for line in lines) if text.startswith("ImageJ=") else ""


def _description(text: Any) -> Any:
    """The description without what counts or lays out the pages of the file that it came from."""
    if not isinstance(text, str):
        return text
    if text.startswith("ImageJ="):
        lines = (line for line in text.splitlines() if line.split("=")[0] in _IMAGEJ_CALIBRATION)
        return "\n".join(lines) + "\n"
    if '"shape":' in text and text.startswith("{"):  # tifffile's own
        return None
    return None if text.rstrip().endswith("OME>") else text
