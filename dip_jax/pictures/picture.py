"""A picture in memory: its pixels, what its file said about it, and the range of its values.

A picture keeps its own dtype and shape, `(h, w)` or `(h, w, c)`. The rest of the package works on
float32 `(h, w, c)` in [0, 1]; `to_float` and `from_float` translate.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dip_jax.pictures.arrays import Layout
from dip_jax.pictures.values import DataRange


class Resolution(NamedTuple):
    """Pixels per unit of length, horizontally and vertically.

    The unit is "inch", "cm" or "none": "none" where the file counts in a unit of its own, as
    ImageJ does, which names it in the description.
    """

    x: float
    y: float
    unit: str = "inch"


class Stack(NamedTuple):
    """What the pages of a TIFF count together, where the file says it.

    Attributes:
        axes: a letter for each axis that the pages, or the separate channels of the only one, count
            along, such as "TC"; as tifffile names them.
        sizes: how many there are along each; their product is the number of pages.
        imagej: the lines of ImageJ's description that say so; "" for the axes of other programs.
    """

    axes: str
    sizes: tuple[int, ...]
    imagej: str = ""


class TiffLayout(NamedTuple):
    """How a TIFF holds a page.

    Attributes:
        compression: its number in the standard; 1 for none.
        predictor: the number of what was done before compression; 1 for nothing.
        planar: whether the channels lie one after the other.
        stack: that the page is part of, or None.
    """

    compression: int = 1
    predictor: int = 1
    planar: bool = False
    stack: Stack | None = None


class Compression(NamedTuple):
    """What a JPEG has lost: how its coefficients were rounded.

    Attributes:
        tables: for the luma and the chroma, `(2, 8, 8)`, by rows.
        subsampling: of the chroma, such as "4:2:0"; "" for one that is unusual.
    """

    tables: NDArray[Any]
    subsampling: str


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture, upright, with what its file said about it.

    Attributes:
        pixels: `(h, w)` or `(h, w, 3)`; uint8 and uint16 over their full range, float16, float32
            or float64 in [0, 1]; with a `data_range`, any of these and other integers within it.
        alpha: `(h, w)`, of the dtype of `pixels` and as the file has it; None where it has none.
        icc_profile: the colour profile of `pixels`, or None.
        exif: the descriptive part of the EXIF (camera, date, author, place, ...), or None; without
            the orientation, which `pixels` already follow.
        resolution: pixels per inch or centimetre, or None.
        file_format: "PNG", "JPEG", "TIFF", "WEBP", "BMP" or "GIF".
        data_range: the values of black and white, `(low, high)`; None stands for the full range of
            uint8 and uint16, and for [0, 1] of floats.
        premultiplied: whether the colours are multiplied by alpha already (some TIFFs).
        tiff: how the page lay in its TIFF; None for other files.
        compression: of a JPEG that lies as it was compressed; None for one that was turned upright
            by its EXIF, whose blocks lie otherwise, and for other files.
        notes: what of the file has been read otherwise than it stands there, in a line each; they
            go on after the file's name, such as "is CMYK: taken as RGB".
    """

    pixels: NDArray[Any]
    alpha: NDArray[Any] | None = None
    icc_profile: bytes | None = None
    exif: bytes | None = None
    resolution: Resolution | None = None
    file_format: str = "PNG"
    data_range: DataRange | None = None
    premultiplied: bool = False
    tiff: TiffLayout | None = None
    compression: Compression | None = None
    notes: tuple[str, ...] = ()

    @property
    def layout(self) -> Layout:
        """How `pixels` hold the picture."""
        axis = None if self.pixels.ndim == 2 else -1
        return Layout(self.pixels.shape, self.pixels.dtype, axis, self.data_range)

    def opaque(self) -> "Picture":
        """The picture without alpha: the colours that it has where it is transparent in part."""
        pixels, alpha = self.pixels, self.alpha
        if self.premultiplied and alpha is not None:
            low, high = self.data_range or (0, _white(pixels))
            share = alpha.astype(np.float64) / (_white(alpha) or 1)
            share = share if pixels.ndim == 2 else share[..., None]
            colours = np.divide(pixels, share, out=np.zeros(pixels.shape), where=share > 0)
            colours = np.clip(colours, low, high)
            pixels = (colours if pixels.dtype.kind == "f" else np.rint(colours)).astype(
                pixels.dtype
            )
        return replace(self, pixels=pixels, alpha=None, premultiplied=False)

    @property
    def dpi(self) -> tuple[float, float] | None:
        """Horizontal and vertical resolution in pixels per inch; None where it is unknown."""
        if self.resolution is None or self.resolution.unit == "none":
            return None
        factor = 2.54 if self.resolution.unit == "cm" else 1.0
        return self.resolution.x * factor, self.resolution.y * factor


def _white(values: NDArray[Any]) -> float:
    if values.dtype in (np.uint8, np.uint16):
        return float(np.iinfo(values.dtype).max)
    return 1.0 if values.dtype.kind == "f" else float(values.max())
