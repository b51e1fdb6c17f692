"""The Python interface: an array in, the restored array of the same shape, dtype and range out.

    restored = dip_jax.denoise(noisy)
    restored, info = dip_jax.inpaint(photo, mask, seeds=4, return_info=True)

The defaults are those of `tasks`, and the fit is the one of every command line.
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
    """The options of `denoise` that have nothing to do with how an array holds a picture."""

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
    are NaN or infinite are taken as unknown, and filled. The result is made of the picture's
    patches that are alike, in which the network's image has a share (`denoising.denoised`). Where
    the noise seems correlated from pixel to pixel it is that image, with a share of the picture if
    its noise is weak; with the option "refine" False, as with the preset "paper", that image alone.

    Noise that grows with brightness, offsets of columns or rows, regions of one value and values
    that fill little of their range are seen before the fit, and it allows for them
    (`prepare.prepared`; the options "adapt.brightness", "adapt.stripes", "adapt.still" and
    "adapt.contrast"). `FitInfo.remarks` says so; stripes and correlated noise are a
    `RuntimeWarning`, unless the progress is shown and says it.

    Args:
        image: `(h, w)`, or three axes with any number of channels; sides of 32 pixels or more. It
            is not changed. Or an image of Pillow, which is taken upright, and palettes, CMYK,
            YCbCr and HSV as RGB; its alpha goes past the fit.
        num_steps: the largest number of steps; None for the default of the task (400 to
            1200). The learning rate rises and falls over as many (the option "schedule.kind").
        seeds: how many fits, each with its own random numbers, the result is the mean of; or the
            seeds themselves. Each takes the same time again, and a little noise away. One that
            falls apart is left out, with a warning (`FitInfo.failed`).
        rng: an integer from which the seeds count up, or a generator to draw it from. None is 0, so
            that the same call gives the same picture.
        channel_axis: of three axes, the one that counts the channels. A stack of grey pictures is
            not a picture: give one at a time.
        data_range: the values `(low, high)` of black and white. By default 0 and 255 or 65535 for
            uint8 and uint16, and 0 and 1 for floats; for other integers it must be given. The
            result is in it.
        criterion: when to stop and which step to take: "heldout" by pixels held out of the fit;
            "wmv" by how calm the output is, for noise that is correlated from pixel to pixel, such
            as JPEG blocks (with `num_steps=3000` or so); "none" the last step. None for the default
            of the task.
        preset: "" for a good result in a minute or so on a CPU, "draft" for a look in seconds,
            "paper" for the published setting, which wants an accelerator.
        options: any other field of `tasks.defaults(task)` by its dotted name, such as
            `{"stop.patience": 100, "network.down": (16, 32, 64, 128, 128)}`.
        callback: called with a `FitStep` at the first, the last and every 50th step (`log_every`);
            if it returns True, the fit ends, and the best so far is the result.
        progress: whether to show on standard error how far it is, and before that about how long it
            will take and how much memory.
        return_info: whether to return a `FitInfo` as well.

    Returns:
        The restored picture, of the shape and dtype of `image`; for an image of Pillow `(h, w)`,
        `(h, w, 3)`, or with its alpha as the last channel, as `PIL.Image.fromarray` takes it. With
        `return_info`, it and the figures, the uncertainty and the history.

    Raises:
        InputError: a `ValueError`, if anything given cannot be used, or every seed falls apart.

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
        image: as for `denoise`, which explains the options that are not below.
        mask: True or white where the picture is to be filled: bool, or any two values, of which the
            greater is white; `(h, w)`, or, if bool, of the shape of `image` for every value by
            itself. Or any drawn mask, an image of Pillow or its array, with soft edges, painted in
            colours or on transparency: `progress` shows how it is taken. What has too many greys
            for a mask is refused. None if `image` is an image of Pillow with alpha: then what is
            wholly transparent is filled, and the result has no alpha.
        mask_polarity: "fill", or "keep" for a mask that is true where the picture is good.
        keep_known: whether known pixels come back exactly as they are, and what is filled is
            corrected to meet them without a seam and refined (`filling.filled`; the option
            "refine", False, only corrects it, as `composite.seamless` does, and "seamless", False,
            pastes it in as it is). If not, all of the result comes from the network.

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
    """Fills holes, regions of which nothing is known (the task `hole_fill`).

    Args:
        image: as for `denoise`.
        mask: as for `inpaint`, which with `denoise` explains the options.

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
    """Rebuilds a picture from a part of its pixels, lost at random (the task `reconstruct`).

    Args:
        image: as for `denoise`.
        mask: as for `inpaint`, which with `denoise` explains the options.

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
