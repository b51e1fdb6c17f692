"""Pictures in arrays of any layout, and masks: to the images of the package and back.

Outside, a picture is an array of any real dtype and value range, with its channels on any axis or
none. Inside, images are `(h, w, c)` float32 in [0, 1], and a value that is not known is not finite.
"""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike, DTypeLike, NDArray

from dip_jax.errors import InputError

DataRange = tuple[float, float]

_FULL_RANGES: dict[DTypeLike, DataRange] = {
    np.dtype(bool): (0.0, 1.0),
    np.dtype(np.uint8): (0.0, 255.0),
    np.dtype(np.uint16): (0.0, 65535.0),
}
_LARGEST_INTEGER = 2**53  # up to which float64 holds every integer


@dataclasses.dataclass(frozen=True)
class Layout:
    """How an array holds a picture.

    Attributes:
        shape: of the array.
        dtype: of the array.
        channel_axis: which axis counts the channels; None for a grey picture of two axes.
        low: the value that is black.
        high: the value that is white.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    channel_axis: int | None
    low: float
    high: float

    def image(self, pixels: NDArray[Any]) -> Float[np.ndarray, "h w c"]:
        """The pixels as an image; what is not finite stays so."""
        x = (self.channels_last(pixels).astype(np.float64) - self.low) / (self.high - self.low)
        return x.astype(np.float32)

    def pixels(self, x: Float[np.ndarray, "h w c"]) -> NDArray[Any]:
        """An image as pixels: clipped to the range, and for integers rounded half to even."""
        values = self.low + np.clip(x.astype(np.float64), 0, 1) * (self.high - self.low)
        low, high = self.low, self.high
        if self.dtype.kind != "f":
            values, low, high = np.rint(values), np.ceil(low), np.floor(high)
        # Once more after the cast: float16 may round a value to just outside the range.
        limits = np.asarray([low, high]).astype(self.dtype)
        return self.like_array(np.clip(values.astype(self.dtype), *limits))

    def channels_last(self, array: NDArray[Any]) -> NDArray[Any]:
        """An array of the picture's shape as `(h, w, c)`."""
        if self.channel_axis is None:
            return array[..., None]
        return np.moveaxis(array, self.channel_axis, -1)

    def like_array(self, array: NDArray[Any]) -> NDArray[Any]:
        """The inverse of `channels_last`."""
        if self.channel_axis is None:
            return array[..., 0]
        return np.ascontiguousarray(np.moveaxis(array, -1, self.channel_axis))


def read_array(
    image: ArrayLike, channel_axis: int | None, data_range: DataRange | None
) -> tuple[NDArray[Any], Layout]:
    """An array that holds a picture, and how it does.

    Args:
        image: anything that `np.asarray` takes, of two axes, or three with channels.
        channel_axis: of three axes, the one that counts the channels; with two it must be None or
            -1, and is not used.
        data_range: the values of black and white; by default 0 and 255 or 65535 for uint8 and
            uint16, else 0 and 1.

    Returns:
        The pixels, not copied where that is not needed, and their layout.

    Raises:
        InputError: if it is no picture, its dtype is none for pixels, or its values are not in the
            range.
    """
    if isinstance(image, np.ma.MaskedArray):
        raise InputError(
            "the image is a masked array; expected a plain one: give image.data and the mask as "
            "the mask, or image.filled(np.nan)"
        )
    try:
        pixels = np.asarray(image)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"the image cannot be made an array ({_one_line(error)}); expected numbers of shape "
            "(h, w) or (h, w, c)"
        ) from error
    axis = _channel_axis(pixels, channel_axis)
    low, high = _range(pixels.dtype, data_range)
    finite = pixels[np.isfinite(pixels)]
    if not finite.size:
        raise InputError("the image has no finite value; expected some to restore the others from")
    least, most = finite.min(), finite.max()
    limits = np.asarray([low, high]).astype(pixels.dtype)
    if least < limits[0] or most > limits[1]:
        raise InputError(
            f"the image has values from {least:g} to {most:g}, outside of {low:g} to {high:g}: "
            "give the values of black and white as data_range=(low, high)"
        )
    return pixels, Layout(pixels.shape, pixels.dtype, axis, low, high)


def read_mask_array(
    mask: ArrayLike, layout: Layout, polarity: str
) -> Bool[np.ndarray, "h w"] | Bool[np.ndarray, "h w c"]:
    """A mask as True where a pixel, or a single value, is to be filled.

    Args:
        mask: bool, or 0 and 1, or 0 and 255; `(h, w)`, or of the picture's shape.
        layout: of the picture.
        polarity: "fill" if true means fill, "keep" if it means keep.

    Raises:
        InputError: if its shape, its values or the polarity is another.
    """
    if polarity not in ("fill", "keep"):
        raise InputError(
            f"mask_polarity is {polarity!r}; expected 'fill' (true is filled) or 'keep' (true is "
            "kept)"
        )
    try:
        values = np.asarray(mask)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"the mask cannot be made an array ({_one_line(error)}); expected bool"
        ) from error
    if values.dtype.kind not in "buif":
        raise InputError(
            f"the mask is of dtype {values.dtype}; expected bool, or 0 and 1, or 0 and 255: give "
            "it as mask.astype(bool)"
        )
    size = layout.channels_last(np.broadcast_to(False, layout.shape)).shape[:2]
    if values.shape not in (size, layout.shape):
        per_value = f" or {layout.shape}" if layout.channel_axis is not None else ""
        raise InputError(
            f"the mask has shape {values.shape}; expected {size}{per_value} as the image has"
        )
    levels = {level.item() for level in np.unique(values)}
    if not (levels <= {0, 1} or levels <= {0, 255}):
        raise InputError(
            f"the mask has {len(levels)} different values, from {min(levels):g} to "
            f"{max(levels):g}; expected bool, or 0 and 1, or 0 and 255: compare it with a "
            "threshold, mask > 127"
        )
    fill = values.astype(bool)
    if fill.shape == layout.shape and layout.channel_axis is not None:
        fill = layout.channels_last(fill)
    return fill if polarity == "fill" else ~fill


def _channel_axis(pixels: NDArray[Any], channel_axis: int | None) -> int | None:
    shape = pixels.shape
    if pixels.ndim not in (2, 3) or not pixels.size:
        raise InputError(
            f"the image has shape {shape}; expected (h, w) for grey, or (h, w, c) with channels, "
            "and no empty axis: give one picture at a time"
        )
    if channel_axis is not None and type(channel_axis) is not int:
        raise InputError(f"channel_axis is {channel_axis!r}; expected an axis, such as -1, or None")
    if pixels.ndim == 2:
        if channel_axis not in (None, -1):
            raise InputError(
                f"channel_axis is {channel_axis}, but the image has shape {shape} and no channels; "
                "expected None"
            )
        return None
    if channel_axis is None:
        raise InputError(
            f"channel_axis is None, but the image has shape {shape}: a stack of grey pictures is "
            "not one picture. Give one at a time, or say which axis counts channels"
        )
    if not -3 <= channel_axis < 3:
        raise InputError(
            f"channel_axis is {channel_axis}, but the image has 3 axes; expected -3 to 2"
        )
    channels = shape[channel_axis]
    sides = [n for i, n in enumerate(shape) if i != channel_axis % 3]
    if channels >= min(sides):
        raise InputError(
            f"the image has shape {shape}, with {channels} channels on axis {channel_axis}, no "
            "fewer than pixels on a side: say which axis counts channels (channel_axis=0), or, if "
            "it is a stack of grey pictures, give one at a time"
        )
    return channel_axis


def _range(dtype: np.dtype, data_range: DataRange | None) -> DataRange:
    if dtype.kind not in "buif":
        raise InputError(
            f"the image is of dtype {dtype}; expected real numbers: uint8, uint16, another integer "
            "or float dtype with data_range, or bool"
        )
    if data_range is None:
        if dtype.kind == "f":
            return 0.0, 1.0
        if dtype not in _FULL_RANGES:
            raise InputError(
                f"the image is of dtype {dtype}, whose black and white are not known: give their "
                "values as data_range=(low, high)"
            )
        return _FULL_RANGES[dtype]
    try:
        low, high = (float(value) for value in data_range)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"data_range is {data_range!r}; expected two numbers (low, high), the values of black "
            "and white"
        ) from error
    if not (low < high and np.isfinite(high - low)):
        raise InputError(f"data_range is ({low:g}, {high:g}); expected low below high, both finite")
    least, most = _limits(dtype)
    if low < least or high > most:
        raise InputError(
            f"data_range is ({low:g}, {high:g}), which the image's dtype {dtype} does not hold; "
            f"expected values from {least:g} to {most:g}"
        )
    if dtype.kind != "f" and np.floor(high) - np.ceil(low) < 1:
        raise InputError(
            f"data_range is ({low:g}, {high:g}), with fewer than two whole numbers in it, and the "
            f"image is of dtype {dtype}: widen it"
        )
    return low, high


def _limits(dtype: np.dtype) -> DataRange:
    if dtype.kind == "b":
        return 0.0, 1.0
    if dtype.kind == "f":
        return float(np.finfo(dtype).min), float(np.finfo(dtype).max)
    limits = np.iinfo(dtype)
    return max(float(limits.min), -_LARGEST_INTEGER), min(float(limits.max), _LARGEST_INTEGER)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
