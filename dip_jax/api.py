"""The Python interface: an array in, the restored array of the same shape, dtype and range out.

    restored = dip_jax.denoise(noisy)
    restored, info = dip_jax.inpaint(photo, mask, seeds=4, return_info=True)

The defaults are those of `tasks`, and the fit is the one that the command lines run.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict, Unpack, overload

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

from dip_jax import images, tasks
from dip_jax.arrays import DataRange, Layout, read_array, read_mask_array
from dip_jax.ensembles import figures_of_means, uncertainty
from dip_jax.errors import InputError
from dip_jax.observation import observe
from dip_jax.overrides import override
from dip_jax.progress import Progress, make_progress
from dip_jax.restoring import Log, Restoration, restore

Pixels = NDArray[Any]


@dataclasses.dataclass(frozen=True)
class FitStep:
    """What a callback sees.

    Attributes:
        seed: that is being fitted.
        step: steps made with it so far.
        num_steps: the largest number of steps with it.
        row: the figures of this step; PSNRs in dB, such as `psnr_heldout_avg` and
            `psnr_observed_avg`.
    """

    seed: int
    step: int
    num_steps: int
    row: Mapping[str, float]
    _preview: Callable[[], Pixels] = dataclasses.field(repr=False)

    @functools.cached_property
    def preview(self) -> Pixels:
        """The moving average of the outputs, like the image that was given."""
        return self._preview()


Callback = Callable[[FitStep], Any]


@dataclasses.dataclass(frozen=True)
class FitInfo:
    """How a picture was restored.

    Attributes:
        figures: PSNRs in dB and SSIMs: of the output ("out") and the moving average ("avg") of one
            seed at its chosen step, or of their means over seeds and of the result ("mean").
        chosen_steps: for each seed, the step that its picture comes from, counted from 1.
        uncertainty: the standard deviation over seeds, `(h, w)` in the image's values; 0 where
            known pixels were kept; None for one seed.
        history: for each seed the figures of every logged step, one after the other.
        steps: made, over all seeds.
        seconds: spent on them, compilation included.
        stop_reason: "criterion", "num_steps", "diverged" (the fit kept falling apart, and the best
            before that was taken) or "asked" (the callback ended it).
        results: of each seed, in [0, 1], with nothing put back.
        config: every option that was in force.
    """

    figures: dict[str, dict[str, float]]
    chosen_steps: dict[int, int]
    uncertainty: Float[np.ndarray, "h w"] | None
    history: list[dict[str, Any]] = dataclasses.field(repr=False)
    steps: int
    seconds: float
    stop_reason: str
    results: tuple[Restoration, ...] = dataclasses.field(repr=False)
    config: dict[str, Any] = dataclasses.field(repr=False)


class Options(TypedDict, total=False):
    """The options of `denoise`, which explains them."""

    num_steps: int | None
    seeds: int | Sequence[int]
    rng: int | np.random.Generator | None
    channel_axis: int | None
    data_range: DataRange | None
    criterion: str | None
    preset: str
    options: Mapping[str, Any] | None
    callback: Callback | None
    progress: bool | Progress


class MaskedOptions(Options, total=False):
    """The options of `inpaint`, `fill_hole` and `reconstruct`; `inpaint` explains the two."""

    mask_polarity: str
    keep_known: bool


@overload
def denoise(
    image: ArrayLike, *, return_info: Literal[False] = False, **options: Unpack[Options]
) -> Pixels: ...
@overload
def denoise(
    image: ArrayLike, *, return_info: Literal[True], **options: Unpack[Options]
) -> tuple[Pixels, FitInfo]: ...
def denoise(
    image: ArrayLike,
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
    are NaN or infinite are taken as unknown, and filled.

    Args:
        image: `(h, w)`, or three axes with any number of channels; sides of 32 pixels or more. It
            is not changed.
        num_steps: the largest number of steps; None for the default of the task (some 1000).
        seeds: how many fits, each with its own random numbers, the result is the mean of; or the
            seeds themselves. Each takes the same time again, and a little noise away.
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
        preset: "" for a good result in minutes on a CPU, "quick" for a look in less, "paper" for
            the published setting, which wants an accelerator.
        options: any other field of `tasks.defaults(task)` by its dotted name, such as
            `{"stop.patience": 100, "network.down": (16, 32, 64, 128, 128)}`.
        callback: called with a `FitStep` at the first, the last and every 50th step (`log_every`);
            if it returns True, the fit ends, and the best so far is the result.
        progress: whether to show on standard error how far it is.
        return_info: whether to return a `FitInfo` as well.

    Returns:
        The restored picture, of the shape and dtype of `image`; with `return_info`, it and the
        figures, the uncertainty and the history.

    Raises:
        InputError: a `ValueError`, if anything given cannot be used.

    Source: Ulyanov, Vedaldi, Lempitsky, "Deep Image Prior", CVPR 2018.
    """
    return _restored(
        "denoise",
        image,
        None,
        _changes(num_steps, criterion, options),
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
    image: ArrayLike,
    mask: ArrayLike,
    *,
    return_info: Literal[False] = False,
    **options: Unpack[MaskedOptions],
) -> Pixels: ...
@overload
def inpaint(
    image: ArrayLike,
    mask: ArrayLike,
    *,
    return_info: Literal[True],
    **options: Unpack[MaskedOptions],
) -> tuple[Pixels, FitInfo]: ...
def inpaint(  # noqa: D417 (the others are explained by `denoise`)
    image: ArrayLike,
    mask: ArrayLike,
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
        mask: True where the picture is to be filled: bool, or 0 and 1, or 0 and 255; `(h, w)`, or
            of the shape of `image` for every value by itself.
        mask_polarity: "fill", or "keep" for a mask that is true where the picture is good.
        keep_known: whether known pixels come back exactly as they are. If not, all of the result
            comes from the network.

    Returns:
        As `denoise` does.

    Raises:
        InputError: if anything given cannot be used.
    """
    return _restored(
        "text_inpaint",
        image,
        mask,
        _changes(num_steps, criterion, options),
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
    image: ArrayLike,
    mask: ArrayLike,
    *,
    return_info: Literal[False] = False,
    **options: Unpack[MaskedOptions],
) -> Pixels: ...
@overload
def fill_hole(
    image: ArrayLike,
    mask: ArrayLike,
    *,
    return_info: Literal[True],
    **options: Unpack[MaskedOptions],
) -> tuple[Pixels, FitInfo]: ...
def fill_hole(  # noqa: D417 (the others are explained by `denoise`)
    image: ArrayLike,
    mask: ArrayLike,
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
        _changes(num_steps, criterion, options),
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
    image: ArrayLike,
    mask: ArrayLike,
    *,
    return_info: Literal[False] = False,
    **options: Unpack[MaskedOptions],
) -> Pixels: ...
@overload
def reconstruct(
    image: ArrayLike,
    mask: ArrayLike,
    *,
    return_info: Literal[True],
    **options: Unpack[MaskedOptions],
) -> tuple[Pixels, FitInfo]: ...
def reconstruct(  # noqa: D417 (the others are explained by `denoise`)
    image: ArrayLike,
    mask: ArrayLike,
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
        _changes(num_steps, criterion, options),
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


# Fields that arguments stand for, or that only a run with a work directory knows.
_NOT_OPTIONS = (
    *("task", "preset", "image", "mask", "mask_polarity", "clean", "degrade", "seed", "seeds"),
    *("keep_known", "preview_every", "checkpoint_every", "data_range"),
)


def _changes(
    num_steps: int | None, criterion: str | None, options: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The fields that differ from the task's defaults, by their dotted names."""
    if not isinstance(options, Mapping | None):
        raise InputError(f"options is {options!r}; expected a dict such as {{'log_every': 10}}")
    changes = dict(options or {})
    for name in changes:
        if name in _NOT_OPTIONS or str(name).startswith(("sample.", "damage.")):
            raise InputError(f"{name!r} cannot be set by options; see the function's arguments")
    if num_steps is not None:
        changes["num_steps"] = int(num_steps) if isinstance(num_steps, np.integer) else num_steps
    if criterion is not None:
        changes["stop.criterion"] = criterion
    if changes.get("stop.criterion") == "oracle":
        raise InputError(
            "criterion is 'oracle', which needs the clean picture; expected heldout, wmv or none"
        )
    return changes


def _restored(
    task: str,
    image: ArrayLike,
    mask: ArrayLike | None,
    changes: dict[str, Any],
    *,
    mask_polarity: str = "fill",
    keep_known: bool = True,
    seeds: int | Sequence[int],
    rng: int | np.random.Generator | None,
    channel_axis: int | None,
    data_range: DataRange | None,
    preset: str,
    callback: Callback | None,
    progress: bool | Progress,
    return_info: bool,
) -> Pixels | tuple[Pixels, FitInfo]:
    if callback is not None and not callable(callback):
        raise InputError(f"callback is {callback!r}; expected a function of a FitStep")
    before, layout = read_array(image, channel_axis, data_range)
    seeds = _seeds(seeds, rng)
    config = override(tasks.defaults(task, preset), changes)
    config |= {"seed": seeds[0], "seeds": len(seeds)}
    try:
        settings, criterion = tasks.fit_settings(config), tasks.criterion(config)
    except InputError as error:
        raise InputError(str(error).replace("config.", "")) from None
    y = layout.image(before)
    finite = np.isfinite(y)
    fill = np.zeros(y.shape[:2], bool)
    if mask is not None:
        fill = read_mask_array(mask, layout, mask_polarity)
        if finite.all():
            images.check_mask(fill)
    known = finite & ~(fill if fill.ndim == 3 else fill[..., None])
    _check_known(known, layout)
    observation, _ = observe(y, fill)

    show: Progress | None = None
    if progress:
        show = make_progress(task) if isinstance(progress, bool) else progress
    watching = _Watching(layout, config["num_steps"], callback, show)
    try:
        if show is not None:
            show.start(config["num_steps"] * len(seeds))
        results = restore(
            observation,
            seeds=seeds,
            settings=settings,
            criterion=criterion,
            num_steps=config["num_steps"],
            log_every=config["log_every"],
            at_once=config["lanes"]["at_once"],
            form=config["lanes"]["form"],
            say=watching.say,
            on_log=watching,
        )
    finally:
        if show is not None:
            show.stop()

    restored = layout.pixels(np.mean([result.x for result in results], axis=0))
    if mask is not None and keep_known:
        restored = np.where(layout.like_array(known), before, restored)
    if not return_info:
        return restored
    unsure = ~known.all(axis=-1) if mask is not None and keep_known else None
    asked = any(result.stop_reason == "asked" for result in results)
    longest = max(results, key=lambda result: result.steps)
    return restored, FitInfo(
        figures=results[0].figures
        if len(results) == 1
        else figures_of_means(results, observation, None),
        chosen_steps={result.seed: result.chosen_step for result in results},
        uncertainty=uncertainty(results, unsure) * (layout.high - layout.low)
        if len(results) > 1
        else None,
        history=watching.history,
        steps=sum(result.steps for result in results),
        seconds=sum(result.seconds for result in results),
        stop_reason="asked" if asked else longest.stop_reason,
        results=tuple(results),
        config=config,
    )


def _seeds(seeds: int | Sequence[int], rng: int | np.random.Generator | None) -> list[int]:
    if isinstance(seeds, int | np.integer) and not isinstance(seeds, bool):
        if seeds < 1:
            raise InputError(f"seeds is {seeds}; expected 1 or more, or the seeds themselves")
        last = tasks.LAST_SEED - int(seeds) + 1
        if isinstance(rng, np.random.Generator):
            first = int(rng.integers(last, endpoint=True))
        elif rng is None:
            first = 0
        elif isinstance(rng, int | np.integer) and not isinstance(rng, bool):
            first = int(rng)
        else:
            raise InputError(
                f"rng is {rng!r}; expected a whole number, a numpy.random.Generator or None"
            )
        if not 0 <= first <= last:
            raise InputError(f"rng is {rng}; expected a number from 0 to {last}")
        return list(range(first, first + int(seeds)))
    if rng is not None:
        raise InputError("rng and a list of seeds are given; expected one of them")
    try:
        chosen = [int(seed) for seed in seeds]  # type: ignore[union-attr]
        whole = not isinstance(seeds, str | bytes) and all(
            seed == given
            for seed, given in zip(chosen, seeds, strict=True)  # type: ignore[arg-type]
        )
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole:
        raise InputError(f"seeds is {seeds!r}; expected how many, or a list of whole numbers")
    inside = all(0 <= seed <= tasks.LAST_SEED for seed in chosen)
    if not chosen or not inside or len(set(chosen)) < len(chosen):
        raise InputError(
            f"seeds is {seeds!r}; expected different numbers from 0 to {tasks.LAST_SEED}, one or "
            "more"
        )
    return chosen


def _check_known(known: np.ndarray, layout: Layout) -> None:
    channels = known.any(axis=(0, 1))
    if channels.all():
        return
    if not channels.any():
        raise InputError(
            "no value of the image is known: the mask fills all that is finite. Mark only what is "
            "to be filled, or try the other mask_polarity"
        )
    raise InputError(
        f"no value of channel {int(np.argmin(channels))} is known; expected some in every channel: "
        "leave that channel out"
    )


class _Watching:
    """Keeps the history, moves the bar, and asks the callback."""

    def __init__(
        self,
        layout: Layout,
        num_steps: int,
        callback: Callback | None,
        progress: Progress | None,
    ) -> None:
        self.history: list[dict[str, Any]] = []
        self._layout, self._num_steps = layout, num_steps
        self._callback, self._progress = callback, progress
        self._steps: dict[int, int] = {}

    def say(self, text: str) -> None:
        if self._progress is not None:
            self._progress.message(text)

    def __call__(self, log: Log) -> bool:
        self.history.append({"seed": log.seed} | log.row)
        self._steps[log.seed] = log.step
        if self._progress is not None:
            self._progress.update(sum(self._steps.values()), log.row)
        if self._callback is None:
            return False
        step = FitStep(
            log.seed,
            log.step,
            self._num_steps,
            dict(log.row),
            lambda: self._layout.pixels(log.x_avg()),
        )
        return bool(self._callback(step))
