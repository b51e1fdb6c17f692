"""The tasks whose picture was measured of another: by which operator, and of which size that was.

Each takes a picture in an array or a file, and gives one of the size that the operator was used on.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dip_jax.errors import InputError, field
from dip_jax.forward.operators.blurring import blur, gaussian
from dip_jax.forward.operators.downsampling import downsample
from dip_jax.forward.operators.jpeg import jpeg
from dip_jax.forward.operators.mosaicing import Bayer, bayer
from dip_jax.forward.operators.operator import Operator, Shape
from dip_jax.forward.operators.tomography import radon
from dip_jax.pictures.arrays import Layout
from dip_jax.pictures.picture import Picture

Fields = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Measuring:
    """How a picture was measured.

    Attributes:
        operator: of the other picture.
        shape: of that, as an image `(h, w, c)`.
        layout: of that, as an array like the picture.
        remark: what a person should know of it, in a line.
        values: what of the measurements is 0 and 1 in the picture, where they are not values of an
            image; else None.
    """

    operator: Operator
    shape: Shape
    layout: Layout
    remark: str
    values: tuple[float, float] | None = None


def measuring(task: str, how: Fields, layout: Layout) -> Measuring:
    """How the picture of a task was measured.

    Args:
        task: one of `KINDS`.
        how: what the task needs to know: the fields of `config.operator`, with arrays in place of
            what stands for them there.
        layout: of the picture.

    Raises:
        InputError: if a field cannot be used, or the picture is of a kind that cannot be.
    """
    return _KINDS[task](how, layout)


def _super_resolve(how: Fields, layout: Layout) -> Measuring:
    operator = downsample(how["factor"], how["kernel"])
    h, w, c = _image_shape(layout)
    h, w = h * operator.factor, w * operator.factor
    remark = (
        f"{operator.factor} times the size, {w} x {h} pixels, made smaller by {operator.kernel}"
    )
    return Measuring(operator, (h, w, c), resized(layout, h, w), remark)


def _deblur(how: Fields, layout: Layout) -> Measuring:
    kernel = how["kernel"]
    if kernel is None and "sigma" in how:
        kernel = gaussian(how["sigma"])
    operator = blur(kernel, how["boundary"])
    if how["boundary"] == "valid":
        raise InputError(
            field("operator.boundary"),
            " is 'valid', of which a picture would be larger than what was given; expected another",
        )
    k, width = operator.kernel.shape
    remark = f"blurred by a kernel of {width} x {k} pixels"
    if how["kernel"] is None and "sigma" in how:
        remark = f"blurred by a Gaussian with a deviation of {how['sigma']:g} pixels"
    return Measuring(operator, _image_shape(layout), layout, remark)


def _demosaic(how: Fields, layout: Layout) -> Measuring:
    operator = bayer(how["pattern"])
    h, w, c = _image_shape(layout)
    if c != 1:
        raise InputError(
            f"the raw picture has shape {layout.shape}; expected (h, w), one value at every pixel"
        )
    remark = f"one colour at every pixel, in the pattern {operator.pattern}"
    return Measuring(operator, (h, w, 3), resized(layout, h, w, channels=3), remark)


def _remove_jpeg(how: Fields, layout: Layout) -> Measuring:
    operator = jpeg(how["quality"], how["subsampling"])
    shape = _image_shape(layout)
    if shape[2] not in (1, 3):
        raise InputError(f"the image has {shape[2]} channels; expected 1 or 3, as JPEG has")
    coarsest = float(np.max(np.asarray(operator.tables)[0]))
    remark = (
        f"compressed as JPEG, with steps of {np.asarray(operator.tables)[0, 0, 0]:g} to "
        f"{coarsest:g} of the luma, chroma {operator.subsampling}"
    )
    return Measuring(operator, shape, layout, remark)


def _tomography(how: Fields, layout: Layout) -> Measuring:
    h, w, c = _image_shape(layout)
    if c != 1:
        raise InputError(
            f"the sinogram has shape {layout.shape}; expected (detectors, views), one value each"
        )
    degrees = how["degrees"]
    if not (np.isfinite(degrees) and degrees > 0):
        raise InputError(field("operator.degrees"), f" is {degrees}; expected a number above 0")
    operator = radon(np.linspace(0, degrees, w, endpoint=False))
    white = float(how["white"])
    found = Layout((h, h), np.dtype(np.float32), None, (0.0, white))
    low = 0.0 if layout.data_range is None else float(layout.data_range[0])
    remark = (
        f"{w} views of {h} detectors over {degrees:g} degrees; white is a density of {white:.4g} a "
        "pixel"
    )
    return Measuring(operator, (h, h, 1), found, remark, (low, low + layout.width))


_KINDS: dict[str, Callable[[Fields, Layout], Measuring]] = {
    "super_resolve": _super_resolve,
    "deblur": _deblur,
    "demosaic": _demosaic,
    "remove_jpeg": _remove_jpeg,
    "tomography": _tomography,
}


def _image_shape(layout: Layout) -> Shape:
    if layout.channel_axis is None:
        h, w = layout.shape
        return h, w, 1
    sides = [n for i, n in enumerate(layout.shape) if i != layout.channel_axis % 3]
    return sides[0], sides[1], layout.shape[layout.channel_axis]


def resized(layout: Layout, h: int, w: int, channels: int | None = None) -> Layout:
    """The layout of a picture of another size, or with channels where there were none."""
    if channels is not None:
        return dataclasses.replace(layout, shape=(h, w, channels), channel_axis=-1)
    shape = [h, w]
    if layout.channel_axis is not None:
        shape.insert(layout.channel_axis % 3, layout.shape[layout.channel_axis])
    return dataclasses.replace(layout, shape=tuple(shape))


def like(picture: Picture, how: Measuring) -> Picture:
    """What of a picture's file goes with the one that is found: alpha and resolution of its size.

    Args:
        picture: that was measured.
        how: it was.
    """
    (h, w), (height, width) = picture.pixels.shape[:2], how.shape[:2]
    alpha, resolution = picture.alpha, picture.resolution
    if (h, w) != (height, width):
        alpha = None if alpha is None else of_size(alpha, height, width)
        if resolution is not None and resolution.unit != "none":
            x, y = resolution.x * width / w, resolution.y * height / h
            resolution = resolution._replace(x=x, y=y)
    pixels = np.zeros(how.layout.shape, how.layout.dtype)
    if isinstance(how.operator, Bayer):  # the values that are kept
        pixels += picture.pixels.reshape(h, w, 1)
    return dataclasses.replace(
        picture,
        pixels=pixels,
        alpha=alpha,
        resolution=resolution,
        compression=None,
        data_range=how.layout.data_range,
    )


def of_size(alpha: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """An alpha, enlarged by bilinear interpolation."""
    sides = (height / alpha.shape[0], width / alpha.shape[1])
    values = alpha.astype(np.float64)
    enlarged = ndimage.zoom(values, sides, order=1, grid_mode=True, mode="nearest")
    return (enlarged if alpha.dtype.kind == "f" else np.rint(enlarged)).astype(alpha.dtype)
