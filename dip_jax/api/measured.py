"""The Python interface for pictures that an operator measured: their own pixels are not known.

    image = dip_jax.restore(sinogram, operators.radon(angles), shape=(128, 128))
    large = dip_jax.super_resolve(small, 4)

`denoise` explains the options that they share.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Unpack, overload

import numpy as np
from jaxtyping import Array
from PIL import Image

from dip_jax.api.array_fit import ArrayFit
from dip_jax.api.calls import called
from dip_jax.api.functions import Fitting, Options, denoise, inpaint
from dip_jax.api.info import Callback, FitInfo, Pixels
from dip_jax.api.measured_fit import (
    Measurements,
    of_picture,
    picture_of,
    prepare_measured,
    range_of,
    shape_of,
)
from dip_jax.errors import InputError, field, reason
from dip_jax.forward.operators.downsampling import downsample
from dip_jax.forward.operators.operator import Identity, Operator, as_operator
from dip_jax.pictures.arrays import Layout
from dip_jax.pictures.formats.pillow import compression_of
from dip_jax.pictures.pil_images import ImageLike
from dip_jax.pictures.values import DataRange
from dip_jax.prepare.measured import NOISES, observe_measured
from dip_jax.prepare.measuring import measuring
from dip_jax.prepare.prepared import Prepared
from dip_jax.report.progress import Progress

Given = tuple[Pixels, FitInfo]

_BEYOND = 0.5  # of an image's range: so far noise may take its pixels, where they were measured
_BEYOND_COUNTS = 8  # deviations of the noise of white: so far beyond that counts may go
_AS_MEASURED = (
    "the operator is the identity with a prior or counts: the picture is not examined for stripes "
    "and the like, and not refined by its patches, as it would be without"
)


class _Restoring(Fitting, total=False):
    known: Any
    noise: str
    prior: Callable[[Array], Array] | None
    data_range: DataRange | None


@overload
def restore(
    measured: Any,
    operator: Operator | Callable[[Array], Any],
    *,
    shape: Sequence[int],
    return_info: Literal[False] = False,
    **options: Unpack[_Restoring],
) -> Pixels: ...
@overload
def restore(
    measured: Any,
    operator: Operator | Callable[[Array], Any],
    *,
    shape: Sequence[int],
    return_info: Literal[True],
    **options: Unpack[_Restoring],
) -> Given: ...
def restore(
    measured: Any,
    operator: Operator | Callable[[Array], Any],
    *,
    shape: Sequence[int],
    known: Any = None,
    noise: str = "gaussian",
    prior: Callable[[Array], Array] | None = None,
    data_range: DataRange | None = None,
    return_info: bool = False,
    **options: Unpack[Fitting],
) -> Pixels | Given:
    """Restores an image from what was measured of it, `y = A x + noise`.

    An untrained network is fitted so that `A` of its output is what was measured, and stopped
    before it fits the noise. Then the network's image is made to agree with the measurements, as
    closely as the held-out measurements support. With the option "refine" False the result is the
    network's image. For a JPEG it is the mean of the network's image and non-local means.

    With the identity it is `denoise`, or `inpaint` if `known` is given. With a prior or counts the
    identity is an operator like any other: the picture is not examined before (stripes, noise that
    grows with brightness), not refined by its patches, and not divided if it is large, and known
    pixels do not come back exactly.

    Args:
        measured: an array, or a pytree of arrays, as `operator` gives it; real or complex. Values
            that are not finite are unknown.
        operator: `A`: any differentiable JAX function from an image of `shape`, float32, to what is
            measured; or one of `dip_jax.operators`. Those, and what `compose` and `stack` make of
            them, take a grey image as `(h, w, 1)`.
        shape: the shape of the image, `(h, w)` or `(h, w, c)`, with sides of 32 pixels or more.
        known: true where there is a measurement, in the shape of `measured`. None for everywhere.
        noise: "gaussian"; or "poisson" if `measured` are counts of photons, electrons or the like.
            They must be the counts themselves, so that `A` of the image is the expected count.
        prior: any function of the image, with black at 0 and white at 1, that is added to the data
            term, such as `operators.total_variation(0.01)`.
        data_range: the image's values of black and white. Default: 0 and 1. The result lies between
            them.
        return_info: whether to return a `FitInfo` as well.
        options: `num_steps`, `seeds`, `rng`, `criterion`, `preset`, `options`, `callback` and
            `progress`, as for `denoise`.

    Returns:
        The image, float32 of `shape`. With `return_info`, the image and a `FitInfo`, whose PSNRs
        are on a scale on which the measurements have a root mean square of 1/2.

    Raises:
        InputError: a `ValueError`, if anything given cannot be used. If `measured` has another
            shape than `A` gives, the message names both.
    """
    size, (low, high) = shape_of(shape), range_of(data_range)
    h, w, c = (*size, 1)[:3]
    if prior is not None and not callable(prior):
        raise InputError(f"prior is {prior!r}; expected a function of the image")
    if noise not in NOISES:
        raise InputError(f"noise is {noise!r}; expected {' or '.join(map(repr, NOISES))}")
    counts = noise == "poisson"
    remarks: tuple[str, ...] = ()
    if operator is Identity or isinstance(operator, Identity):
        _check_pixels(measured, (low, high), counts)
        if prior is None and not counts:
            return _of_pixels(measured, size, known, (low, high), return_info, options)
        operator, remarks = Identity(), (_AS_MEASURED,)

    def observed() -> Prepared:
        observation = observe_measured(
            measured,
            as_operator(operator, grey=len(size) == 2),
            (h, w, c),
            known=known,
            counts=counts,
            prior=None if prior is None else as_operator(prior),
            image_range=(low, high),
        )
        return Prepared(observation, remarks=remarks)

    layout = Layout(size, np.dtype(np.float32), None if len(size) == 2 else -1, (low, high))
    given = Measurements(observed, (h, w, c), np.zeros(size, np.float32), layout)
    return _given("restore", lambda: given, return_info, **options)


@overload
def super_resolve(
    image: ImageLike,
    factor: int,
    *,
    kernel: str = "lanczos2",
    return_info: Literal[False] = False,
    **options: Unpack[Options],
) -> Pixels: ...
@overload
def super_resolve(
    image: ImageLike,
    factor: int,
    *,
    kernel: str = "lanczos2",
    return_info: Literal[True],
    **options: Unpack[Options],
) -> Given: ...
def super_resolve(
    image: ImageLike,
    factor: int,
    *,
    kernel: str = "lanczos2",
    channel_axis: int | None = -1,
    data_range: DataRange | None = None,
    return_info: bool = False,
    **options: Unpack[Fitting],
) -> Pixels | Given:
    """Enlarges a picture: finds a larger picture that gives this one when it is made smaller.

    Args:
        image: as for `denoise`.
        factor: by how much each side is enlarged: a whole number from 2 on.
        kernel: the filter by which the picture was made smaller: "lanczos2", "lanczos3" (Pillow's
            LANCZOS), "bicubic" or "area".
        channel_axis: as for `denoise`.
        data_range: as for `denoise`.
        return_info: whether to return a `FitInfo` as well.
        options: as for `restore`.

    Returns:
        The picture, with sides `factor` times as long and the dtype of `image`.

    Raises:
        InputError: if anything given cannot be used.
    """

    def make() -> Measurements:
        downsample(factor, kernel)  # says what is wrong with them
        given, picture, layout = picture_of(image, channel_axis, data_range)
        how = {"factor": factor, "kernel": kernel}
        return of_picture(picture, measuring("super_resolve", how, layout), given.remarks)

    return _given("super_resolve", make, return_info, **options)


@overload
def deblur(
    image: ImageLike,
    kernel: Any,
    *,
    boundary: str = "reflect",
    return_info: Literal[False] = False,
    **options: Unpack[Options],
) -> Pixels: ...
@overload
def deblur(
    image: ImageLike,
    kernel: Any,
    *,
    boundary: str = "reflect",
    return_info: Literal[True],
    **options: Unpack[Options],
) -> Given: ...
def deblur(
    image: ImageLike,
    kernel: Any,
    *,
    boundary: str = "reflect",
    channel_axis: int | None = -1,
    data_range: DataRange | None = None,
    return_info: bool = False,
    **options: Unpack[Fitting],
) -> Pixels | Given:
    """Sharpens a picture that was blurred by a known kernel.

    Args:
        image: as for `denoise`.
        kernel: the point spread function, `(k, l)` with odd sides and no negative values, such as
            `operators.gaussian(2.0)`. The picture is the sharp one, convolved with it.
        boundary: what lies beyond the border: "reflect", "mirror", "nearest", "wrap" or "constant",
            with the meanings of `scipy.ndimage.convolve`.
        channel_axis: as for `denoise`.
        data_range: as for `denoise`.
        return_info: whether to return a `FitInfo` as well.
        options: as for `restore`.

    Returns:
        The picture, like `image`.

    Raises:
        InputError: if anything given cannot be used.
    """

    def make() -> Measurements:
        given, picture, layout = picture_of(image, channel_axis, data_range)
        how = measuring("deblur", {"kernel": kernel, "boundary": boundary}, layout)
        return of_picture(picture, how, given.remarks)

    return _given("deblur", make, return_info, **options)


@overload
def demosaic(
    raw: ImageLike,
    pattern: str = "RGGB",
    *,
    return_info: Literal[False] = False,
    **options: Unpack[Options],
) -> Pixels: ...
@overload
def demosaic(
    raw: ImageLike,
    pattern: str = "RGGB",
    *,
    return_info: Literal[True],
    **options: Unpack[Options],
) -> Given: ...
def demosaic(
    raw: ImageLike,
    pattern: str = "RGGB",
    *,
    channel_axis: int | None = None,
    data_range: DataRange | None = None,
    return_info: bool = False,
    **options: Unpack[Fitting],
) -> Pixels | Given:
    """Makes a colour picture from a camera's raw picture, which has one colour at every pixel.

    Args:
        raw: `(h, w)`; otherwise as the image of `denoise`.
        pattern: the colours of the first two pixels of the first row, then of the second: "RGGB",
            "BGGR", "GRBG" or "GBRG".
        channel_axis: None, as there are no channels.
        data_range: the values of black and white, as for `denoise`.
        return_info: whether to return a `FitInfo` as well.
        options: as for `restore`.

    Returns:
        The picture, `(h, w, 3)`, of the dtype of `raw`.

    Raises:
        InputError: if anything given cannot be used.
    """

    def make() -> Measurements:
        given, picture, layout = picture_of(raw, channel_axis, data_range)
        how = measuring("demosaic", {"pattern": pattern}, layout)
        return of_picture(picture, how, given.remarks)

    return _given("demosaic", make, return_info, **options)


@overload
def remove_jpeg(
    image: ImageLike,
    quality: Any = None,
    *,
    subsampling: str | None = None,
    return_info: Literal[False] = False,
    **options: Unpack[Options],
) -> Pixels: ...
@overload
def remove_jpeg(
    image: ImageLike,
    quality: Any = None,
    *,
    subsampling: str | None = None,
    return_info: Literal[True],
    **options: Unpack[Options],
) -> Given: ...
def remove_jpeg(
    image: ImageLike,
    quality: Any = None,
    *,
    subsampling: str | None = None,
    channel_axis: int | None = -1,
    data_range: DataRange | None = None,
    return_info: bool = False,
    **options: Unpack[Fitting],
) -> Pixels | Given:
    """Removes the traces of JPEG from a picture: blocks, ringing and false colours.

    Args:
        image: an image of Pillow that was opened from a JPEG file, and so knows how it was
            compressed. Or, with `quality`, an image as for `denoise` with one channel or three.
        quality: from 1 to 100, as Pillow counts it, or the tables of `operators.jpeg`. None: it is
            read from `image`.
        subsampling: of the chroma: "4:4:4", "4:2:2" or "4:2:0". None: it is read from `image`; for
            an array it is "4:2:0".
        channel_axis: as for `denoise`.
        data_range: as for `denoise`.
        return_info: whether to return a `FitInfo` as well.
        options: as for `restore`.

    Returns:
        The picture, like `image`.

    Raises:
        InputError: if anything given cannot be used.
    """

    def make() -> Measurements:
        known = _compression(image, quality, subsampling)
        given, picture, layout = picture_of(image, channel_axis, data_range)
        how = measuring("remove_jpeg", known, layout)
        if given.turned:
            raise InputError(
                "the image is turned by its EXIF, and its blocks lie as they were compressed; "
                "expected one that is not: turn the result, and give it without EXIF"
            )
        return of_picture(picture, how, given.remarks)

    return _given("remove_jpeg", make, return_info, **options)


def _compression(image: Any, quality: Any, subsampling: str | None) -> dict[str, Any]:
    """The tables, or the quality, and the subsampling."""
    found = compression_of(image) if isinstance(image, Image.Image) else None
    if quality is None:
        if found is None:
            raise InputError(
                "quality is None, and the image does not know how it was compressed; expected a "
                "number from 1 to 100, the tables, or an image that PIL.Image.open has read from a "
                "JPEG and that has not been changed"
            )
        quality = found.tables
    if subsampling is None:
        subsampling = "4:2:0" if found is None else found.subsampling
        if not subsampling:
            raise InputError(
                "the image's chroma is subsampled in an unusual way, or it is CMYK; expected "
                "4:4:4, 4:2:2 or 4:2:0: give subsampling"
            )
    return {"quality": quality, "subsampling": subsampling}


def _check_pixels(measured: Any, data_range: tuple[float, float], counts: bool) -> None:
    """Refuses what are no pixels of an image, or so far beyond its range as no noise takes them."""
    try:
        y = np.asarray(measured)
    except (TypeError, ValueError) as error:
        raise InputError(f"what was measured is no array: {reason(error)}") from error
    if y.dtype.kind not in "biuf":
        raise InputError(f"what was measured has dtype {y.dtype}; expected real numbers")
    low, high = data_range
    beyond = _BEYOND * (high - low) + (_BEYOND_COUNTS * np.sqrt(max(high, 0)) if counts else 0)
    finite = y[np.isfinite(y)]
    if finite.size and (finite.min() < low - beyond or finite.max() > high + beyond):
        raise InputError(
            f"what was measured goes from {finite.min():g} to {finite.max():g}, far beyond the "
            f"image's {low:g} to {high:g}; expected values near to them: give ",
            field("data_range"),
        )


def _of_pixels(
    measured: Any,
    size: tuple[int, ...],
    known: Any,
    data_range: tuple[float, float],
    return_info: bool,
    options: Mapping[str, Any],
) -> Pixels | Given:
    """What `restore` gives where the operator is the identity."""
    y = np.asarray(measured, np.float32)
    if y.shape != size:
        raise InputError(f"what was measured has shape {y.shape}, and `shape` is {size}")
    axis = None if y.ndim == 2 else -1
    how: dict[str, Any] = dict(options) | {"channel_axis": axis, "return_info": return_info}
    if data_range != (0.0, 1.0):
        how["data_range"] = data_range
    y = np.where(np.isfinite(y), np.clip(y, *data_range), y)  # noise may go beyond the range
    if known is None:
        return denoise(y, **how)
    return inpaint(y, np.asarray(known) != 0, mask_polarity="keep", **how)


def _given(
    task: str,
    make: Callable[[], Measurements],
    return_info: bool,
    *,
    callback: Callback | None = None,
    progress: bool | Progress = False,
    **options: Any,
) -> Pixels | Given:
    def prepared() -> ArrayFit:
        return prepare_measured(task, make(), **options)

    restored, info = called(task, prepared, callback, progress)
    return (restored, info) if return_info else restored
