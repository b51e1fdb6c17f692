"""The Python interface: an array in, the restored array of the same shape, dtype and range out.

    restored = dip_jax.denoise(noisy)
    restored, info = dip_jax.inpaint(photo, mask, seeds=4, return_info=True)

The defaults are those of `tasks`. The commands make the same fit.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict, Unpack, overload

import numpy as np

from dip_jax.api.array_fit import prepare
from dip_jax.api.calls import called
from dip_jax.api.info import Callback, FitInfo, Pixels
from dip_jax.pictures.pil_images import ImageLike
from dip_jax.pictures.values import DataRange
from dip_jax.report.progress import Progress


class Fitting(TypedDict, total=False):
    """The options of `denoise` that do not depend on how an array holds a picture."""

    num_steps: int | None
    seeds: int | Sequence[int]
    rng: int | np.random.Generator | None
    criterion: str | None
    preset: str
    options: Mapping[str, Any] | None
    callback: Callback | None
    progress: bool | Progress


class Options(Fitting, total=False):
    """The options of `denoise`, which explains them."""

    channel_axis: int | None
    data_range: DataRange | None


class MaskedOptions(Options, total=False):
    """The options of `inpaint`, `fill_hole` and `reconstruct`; `inpaint` explains the two."""

    mask_polarity: str
    keep_known: bool


@overload
def denoise(
    image: ImageLike, *, return_info: Literal[False] = False, **options: Unpack[Options]
) -> Pixels: ...
@overload
def denoise(
    image: ImageLike, *, return_info: Literal[True], **options: Unpack[Options]
) -> tuple[Pixels, FitInfo]: ...
def denoise(
    image: ImageLike,
    *,
    num_steps: int | None = None,
    seeds: int | Sequence[int] = 1,
    rng: int | np.random.Generator | None = None,
    channel_axis: int | None = -1,
    data_range: DataRange | None = None,
    criterion: str | None = None,
    preset: str = "",
    options: Mapping[str, Any] | None = None,
    callback: Callback | None = None,
    progress: bool | Progress = False,
    return_info: bool = False,
) -> Pixels | tuple[Pixels, FitInfo]:
    """Removes noise from a picture, by the Deep Image Prior.

    An untrained network is fitted to the picture, and stopped before it fits the noise. Values that
    are NaN or infinite are unknown, and filled. The result averages similar patches of the picture
    and mixes in the network's image. Where the noise seems correlated from pixel to pixel, it is
    the network's image, mixed with the picture if the noise is weak. With the option "refine"
    False, and with the preset "paper", it is the network's image alone.

    The picture is examined before the fit. Noise that grows with brightness, offsets of columns or
    rows, regions of one value, noise that is clipped, and values that fill little of their range
    are recognised, and the fit is adapted to them. The options "adapt.brightness", "adapt.stripes",
    "adapt.still", "adapt.clipping" and "adapt.contrast" switch that off. `FitInfo.remarks` reports
    what was found. Stripes and correlated noise also give a `RuntimeWarning`, unless the progress
    is shown, which reports them.

    Args:
        image: an array `(h, w)`, or with three axes and any number of channels; sides of 32 pixels
            or more. It is not changed. Or an image of Pillow: its EXIF orientation is applied;
            palettes, CMYK, YCbCr and HSV become RGB; its alpha is kept as it is.
        num_steps: the largest number of steps. None for the default of the task (300 to 1200). A
            learning rate that changes does so over this many steps (the option "schedule.kind").
        seeds: the number of fits, each with its own random numbers, or a list of the seeds. The
            result is the mean of the fits. Each further fit takes as long as the first, and reduces
            the noise a little. A fit that diverges is left out, with a warning (`FitInfo.failed`).
        rng: the first seed, or a generator to draw it from. None is 0: the same call gives the same
            picture.
        channel_axis: the axis of the channels, if the array has three axes. A stack of grey
            pictures is not a picture: give one at a time.
        data_range: the values `(low, high)` of black and white. Default: 0 and 255 for uint8, 0 and
            65535 for uint16, 0 and 1 for floats; for other integers it must be given. The result
            has the same range.
        criterion: when to stop, and which step to take. "heldout": by pixels held out of the fit.
            "wmv": by the variance of the outputs, for noise that is correlated from pixel to pixel,
            such as JPEG blocks (with `num_steps=3000` or so). "none": the last step. None for the
            default of the task.
        preset: "" for a good result in a minute or so on a CPU, "draft" for a quick look, which has
            no network where the picture's own patches suffice, "paper" for the published setting,
            which needs an accelerator. The first time, a fit takes up to a minute more, for
            compilation.
        options: any other field of the configuration by its dotted name, such as
            `{"stop.patience": 100, "network.down": (16, 32, 64, 128, 128)}`.
        callback: called with a `FitStep` at the first, the last and every 50th step (the option
            "log_every"). If it returns True, the fit ends, and the best so far is the result.
        progress: whether to show the progress on standard error, and before it an estimate of time
            and memory.
        return_info: whether to return a `FitInfo` as well.

    Returns:
        The restored picture, with the shape and dtype of `image`. For an image of Pillow it is
        `(h, w)`, `(h, w, 3)`, or with alpha as the last channel, as `PIL.Image.fromarray` takes it.
        With `return_info`, the picture and a `FitInfo`.

    Raises:
        InputError: a `ValueError`, if anything given cannot be used, or every fit diverges.

    Source: Ulyanov, Vedaldi, Lempitsky, "Deep Image Prior", CVPR 2018.
    """
    return _restored(
        "denoise",
        image,
        None,
        num_steps=num_steps,
        criterion=criterion,
        options=options,
        seeds=seeds,
        rng=rng,
        channel_axis=channel_axis,
        data_range=data_range,
        preset=preset,
        callback=callback,
        progress=progress,
        return_info=return_info,
    )


@overload
def inpaint(
    image: ImageLike,
    mask: ImageLike | None = None,
    *,
    return_info: Literal[False] = False,
    **options: Unpack[MaskedOptions],
) -> Pixels: ...
@overload
def inpaint(
    image: ImageLike,
    mask: ImageLike | None = None,
    *,
    return_info: Literal[True],
    **options: Unpack[MaskedOptions],
) -> tuple[Pixels, FitInfo]: ...
def inpaint(  # noqa: D417 (the others are explained by `denoise`)
    image: ImageLike,
    mask: ImageLike | None = None,
    *,
    mask_polarity: str = "fill",
    keep_known: bool = True,
    num_steps: int | None = None,
    seeds: int | Sequence[int] = 1,
    rng: int | np.random.Generator | None = None,
    channel_axis: int | None = -1,
    data_range: DataRange | None = None,
    criterion: str | None = None,
    preset: str = "",
    options: Mapping[str, Any] | None = None,
    callback: Callback | None = None,
    progress: bool | Progress = False,
    return_info: bool = False,
) -> Pixels | tuple[Pixels, FitInfo]:
    """Fills thin damage, such as overlaid text and scratches (the task `text_inpaint`).

    Args:
        image: as for `denoise`, which also explains the options that are not listed here.
        mask: True or white where the picture is to be filled. An array `(h, w)` of bool or of two
            values; the greater means white. Or a bool array with the shape of `image`, for every
            value by itself. Or a drawn mask, as an image of Pillow or its array: soft
            edges, strokes in colour, and strokes on transparency are understood, and `progress`
            shows how. A mask with too many greys is refused. None, if `image` is an image of Pillow
            with alpha: then its wholly transparent pixels are filled, and the result has no alpha.
        mask_polarity: "fill", or "keep" for a mask that is true where the picture is good.
        keep_known: True: known pixels come back exactly as they are. Filled pixels are corrected to
            meet them without a seam, and refined. With the option "refine" False they are only
            corrected; with "seamless" False they are the network's as they are. False: all of the
            result is the network's.

    Returns:
        As `denoise` does.

    Raises:
        InputError: if anything given cannot be used.
    """
    return _restored(
        "text_inpaint",
        image,
        mask,
        num_steps=num_steps,
        criterion=criterion,
        options=options,
        mask_polarity=mask_polarity,
        keep_known=keep_known,
        seeds=seeds,
        rng=rng,
        channel_axis=channel_axis,
        data_range=data_range,
        preset=preset,
        callback=callback,
        progress=progress,
        return_info=return_info,
    )


@overload
def fill_hole(
    image: ImageLike,
    mask: ImageLike | None = None,
    *,
    return_info: Literal[False] = False,
    **options: Unpack[MaskedOptions],
) -> Pixels: ...
@overload
def fill_hole(
    image: ImageLike,
    mask: ImageLike | None = None,
    *,
    return_info: Literal[True],
    **options: Unpack[MaskedOptions],
) -> tuple[Pixels, FitInfo]: ...
def fill_hole(  # noqa: D417 (the others are explained by `denoise`)
    image: ImageLike,
    mask: ImageLike | None = None,
    *,
    mask_polarity: str = "fill",
    keep_known: bool = True,
    num_steps: int | None = None,
    seeds: int | Sequence[int] = 1,
    rng: int | np.random.Generator | None = None,
    channel_axis: int | None = -1,
    data_range: DataRange | None = None,
    criterion: str | None = None,
    preset: str = "",
    options: Mapping[str, Any] | None = None,
    callback: Callback | None = None,
    progress: bool | Progress = False,
    return_info: bool = False,
) -> Pixels | tuple[Pixels, FitInfo]:
    """Fills holes: regions of which nothing is known (the task `hole_fill`).

    Args:
        image: as for `denoise`.
        mask: as for `inpaint`. `denoise` and `inpaint` explain the options.

    Returns:
        As `denoise` does.

    Raises:
        InputError: if anything given cannot be used.
    """
    return _restored(
        "hole_fill",
        image,
        mask,
        num_steps=num_steps,
        criterion=criterion,
        options=options,
        mask_polarity=mask_polarity,
        keep_known=keep_known,
        seeds=seeds,
        rng=rng,
        channel_axis=channel_axis,
        data_range=data_range,
        preset=preset,
        callback=callback,
        progress=progress,
        return_info=return_info,
    )


@overload
def reconstruct(
    image: ImageLike,
    mask: ImageLike | None = None,
    *,
    return_info: Literal[False] = False,
    **options: Unpack[MaskedOptions],
) -> Pixels: ...
@overload
def reconstruct(
    image: ImageLike,
    mask: ImageLike | None = None,
    *,
    return_info: Literal[True],
    **options: Unpack[MaskedOptions],
) -> tuple[Pixels, FitInfo]: ...
def reconstruct(  # noqa: D417 (the others are explained by `denoise`)
    image: ImageLike,
    mask: ImageLike | None = None,
    *,
    mask_polarity: str = "fill",
    keep_known: bool = True,
    num_steps: int | None = None,
    seeds: int | Sequence[int] = 1,
    rng: int | np.random.Generator | None = None,
    channel_axis: int | None = -1,
    data_range: DataRange | None = None,
    criterion: str | None = None,
    preset: str = "",
    options: Mapping[str, Any] | None = None,
    callback: Callback | None = None,
    progress: bool | Progress = False,
    return_info: bool = False,
) -> Pixels | tuple[Pixels, FitInfo]:
    """Fills in pixels that are missing at random (the task `reconstruct`).

    Args:
        image: as for `denoise`.
        mask: as for `inpaint`. `denoise` and `inpaint` explain the options.

    Returns:
        As `denoise` does.

    Raises:
        InputError: if anything given cannot be used.
    """
    return _restored(
        "reconstruct",
        image,
        mask,
        num_steps=num_steps,
        criterion=criterion,
        options=options,
        mask_polarity=mask_polarity,
        keep_known=keep_known,
        seeds=seeds,
        rng=rng,
        channel_axis=channel_axis,
        data_range=data_range,
        preset=preset,
        callback=callback,
        progress=progress,
        return_info=return_info,
    )


def _restored(
    task: str,
    image: ImageLike,
    mask: ImageLike | None,
    *,
    callback: Callback | None,
    progress: bool | Progress,
    return_info: bool,
    **options: Any,
) -> Pixels | tuple[Pixels, FitInfo]:
    made = functools.partial(prepare, task, image, mask, **options)
    restored, info = called(task, made, callback, progress)
    return (restored, info) if return_info else restored
