"""Pictures in arrays of any layout: to the images of the package and back.

Outside, a picture is an array of any real dtype and value range, with its channels on any axis or
none. Inside, images are `(h, w, c)` float32 in [0, 1], and a value that is not known is not finite.
"""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

from dip_jax.errors import InputError, reason
from dip_jax.pictures.values import DataRange, check_values, from_float, to_float


@dataclasses.dataclass(frozen=True)
class Layout:
    """How an array holds a picture.

    Attributes:
        shape: of the array.
        dtype: of the array.
        channel_axis: which axis counts the channels; None for a grey picture of two axes.
        data_range: the values of black and white; None for the full range of uint8 and uint16, and
            (0, 1) of floats.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    channel_axis: int | None
    data_range: DataRange | None

    @property
    def width(self) -> float:
        """How far white is from black."""
        if self.data_range is not None:
            return float(self.data_range[1]) - float(self.data_range[0])
        return 1.0 if self.dtype.kind == "f" else float(np.iinfo(self.dtype).max)

    def image(self, pixels: NDArray[Any]) -> Float[np.ndarray, "h w c"]:
        """The pixels as an image; what is not finite stays so."""
        return to_float(self.channels_last(pixels), self.data_range)

    def pixels(self, x: Float[np.ndarray, "h w c"]) -> NDArray[Any]:
        """An image as pixels: clipped to the range, and for integers rounded half to even."""
        return self.like_array(from_float(x, self.dtype, 3, self.data_range))

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


def with_alpha(pixels: NDArray[Any], alpha: NDArray[Any] | None) -> NDArray[Any]:
    """Pixels with an alpha `(h, w)` as their last channel; None leaves them as they are."""
    return pixels if alpha is None else np.dstack([pixels, alpha])


def read_array(
    image: ArrayLike, channel_axis: int | None, data_range: DataRange | None
) -> tuple[NDArray[Any], Layout]:
    """An array that holds a picture, and how it does.

    Args:
        image: anything that `np.asarray` takes, of two axes, or three with channels.
        channel_axis: of three axes, the one that counts the channels; with two it must be None or
            -1, and is not used.
        data_range: the values of black and white; by default 0 and 255 or 65535 for uint8 and
            uint16, and 0 and 1 for floats and bool.

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
            f"the image cannot be made an array ({reason(error)}); expected numbers of shape "
            "(h, w) or (h, w, c)"
        ) from error
    if not pixels.dtype.isnative and pixels.dtype.kind in "iuf":
        raise InputError(
            f"the image has the byte order of another kind of machine ({pixels.dtype.str}); "
            "expected this machine's: give image.astype(image.dtype.newbyteorder('='))"
        )
    if isinstance(data_range, np.ndarray):
        data_range = tuple(data_range.tolist()) if data_range.shape == (2,) else data_range
    axis = _channel_axis(pixels, channel_axis)
    if data_range is None and pixels.dtype == bool:
        data_range = (0, 1)
    check_values(pixels, data_range, "the image")
    return pixels, Layout(pixels.shape, pixels.dtype, axis, data_range)


def _channel_axis(pixels: NDArray[Any], channel_axis: int | None) -> int | None:
    shape = pixels.shape
    if pixels.ndim not in (2, 3) or not pixels.size:
        raise InputError(
            f"the image has shape {shape}; expected (h, w) for grey, or (h, w, c) with channels, "
            "and no empty axis: give one picture at a time"
        )
    if channel_axis is not None and (
        isinstance(channel_axis, bool) or not isinstance(channel_axis, int | np.integer)
    ):
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
    return int(channel_axis)
