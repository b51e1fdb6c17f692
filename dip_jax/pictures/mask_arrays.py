"""Masks in arrays and images of Pillow: which pixels, or single values, are to be filled."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dip_jax.errors import InputError, reason
from dip_jax.pictures.arrays import Layout
from dip_jax.pictures.marks import Mask, check_polarity, of_picture, of_values
from dip_jax.pictures.pil_images import ImageLike, opened


def read_mask_array(mask: ImageLike, layout: Layout, polarity: str) -> Mask:
    """What a mask says is to be filled: pixels, or single values.

    A mask of the picture's own shape is one for every value by itself if it is bool or 0 and 1; and
    if it has other values, where it cannot be a mask painted in colours: where its channels are
    alike, or other than three or four. Any other is read as `marks.of_picture` says.

    Args:
        mask: an image of Pillow, or an array of any real dtype: `(h, w)`, of the picture's shape,
            or `(h, w, c)` with c from 1 to 4: grey, with alpha, RGB, RGBA.
        layout: of the picture.
        polarity: "fill" if white or true means fill, "keep" if it means keep.

    Raises:
        InputError: if its shape, its values or the polarity is another.
    """
    check_polarity(polarity)
    given = opened(mask, "the mask")
    try:
        values = np.asarray(given.array)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"the mask cannot be made an array ({reason(error)}); expected bool"
        ) from error
    if values.dtype.kind not in "buif":
        raise InputError(
            f"the mask is of dtype {values.dtype}; expected bool, or 0 and 1, or 0 and 255: give "
            "it as mask.astype(bool)"
        )
    size = layout.channels_last(np.broadcast_to(False, layout.shape)).shape[:2]
    if given.image and values.shape[:2] == size:
        found = of_picture(values, given.alpha, polarity)
    elif values.shape == size:
        found = of_values(values).with_polarity(polarity)
    elif values.shape == layout.shape and not given.image:
        found = _of_the_pictures_shape(layout.channels_last(values), polarity)
    elif values.ndim == 3 and values.shape[:2] == size and _is_picture(values):
        found = _of_channels(values, polarity)
    else:
        per_value = f" or {layout.shape}" if layout.channel_axis is not None else ""
        raise InputError(
            f"the mask has shape {values.shape}; expected {size}{per_value} as the image has"
        )
    return found._replace(remarks=given.remarks + found.remarks)


def _of_the_pictures_shape(values: NDArray[Any], polarity: str) -> Mask:
    painted = values.shape[2] in (3, 4) and values.dtype.kind != "b"
    if painted and not (values == values[..., :1]).all():
        if set(np.unique(values).tolist()) - {0, 1}:
            return _of_channels(values, polarity)
        remark = "the mask is 0 and 1, and not alike in all channels: each is filled by its own"
        return of_values(values)._replace(remarks=(remark,)).with_polarity(polarity)
    return of_values(values).with_polarity(polarity)


def _is_picture(values: NDArray[Any]) -> bool:
    return values.shape[2] == 1 or (values.shape[2] <= 4 and values.dtype.kind != "b")


def _of_channels(values: NDArray[Any], polarity: str) -> Mask:
    colours = 3 if values.shape[2] >= 3 else 1
    alpha = values[..., -1] if values.shape[2] > colours else None
    return of_picture(values[..., 0] if colours == 1 else values[..., :3], alpha, polarity)
