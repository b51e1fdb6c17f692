"""The fit of what an operator measured: from what a person gives to what runs."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dip_jax.api.array_fit import ArrayFit
from dip_jax.api.info import Pixels
from dip_jax.api.options import changes_of, seeds_of
from dip_jax.errors import InputError, field
from dip_jax.forward.operators.operator import Shape
from dip_jax.lanes import our_jax
from dip_jax.lanes.jobs import check_size
from dip_jax.pictures.arrays import Layout, read_array
from dip_jax.pictures.picture import Picture
from dip_jax.pictures.pil_images import Opened, opened
from dip_jax.pictures.values import DataRange, check_data_range
from dip_jax.prepare.measured import measured_of
from dip_jax.prepare.measuring import Measuring, like
from dip_jax.prepare.prepared import Prepared
from dip_jax.settings import build, estimates, tasks
from dip_jax.settings.ending import ending
from dip_jax.settings.fields import override


@dataclasses.dataclass(frozen=True, eq=False)
class Measurements:
    """What was measured, and how.

    Attributes:
        prepare: gives what is fitted, or raises `InputError`.
        shape: of the image, `(h, w, c)`.
        before: an array like the one that is given back; values of it may be kept.
        layout: of that.
        alpha: goes past the fit, `(h, w)`.
        remarks: how what was given has been taken.
    """

    prepare: Callable[[], Prepared]
    shape: Shape
    before: Pixels
    layout: Layout
    alpha: Pixels | None = None
    remarks: tuple[str, ...] = ()


def of_picture(picture: Picture, how: Measuring, remarks: tuple[str, ...] = ()) -> Measurements:
    """What a picture is of the one that it was measured of.

    Args:
        picture: that was measured.
        how: it was.
        remarks: how it has been taken.
    """
    other = like(picture, how)
    y = picture.layout.image(picture.pixels)
    return Measurements(
        functools.partial(measured_of, y, how),
        how.shape,
        other.pixels,
        how.layout,
        other.alpha,
        remarks,
    )


@our_jax.as_needed()
def prepare_measured(
    task: str,
    given: Measurements,
    *,
    num_steps: int | None = None,
    seeds: int | Sequence[int] = 1,
    rng: int | np.random.Generator | None = None,
    criterion: str | None = None,
    preset: str = "",
    options: Mapping[str, Any] | None = None,
    operator: Mapping[str, Any] | None = None,
) -> ArrayFit:
    """Checks everything, and gives the fit.

    Args:
        task: one of `tasks.MEASURED`.
        given: what was measured.
        num_steps: this and what follows is as for `denoise`.
        seeds: as there.
        rng: as there.
        criterion: as there.
        preset: as there.
        options: as there.
        operator: what the configuration is to tell of it.

    Raises:
        InputError: if anything given cannot be used.
    """
    chosen = seeds_of(seeds, rng)
    for name in options or {}:
        if str(name).startswith("operator."):
            raise InputError(f"{name!r} is not set among the others: it is given as ", field(name))
        of_filling = name in ("seamless", "refine_judged")
        if (
            name == "refine_alone"
            or (of_filling and tasks.task_named(task).refinement != "filling")
            or str(name).startswith("adapt.")
        ):
            raise InputError(
                f"{str(name)!r} is for pictures whose own pixels are known: leave it out"
            )
    config = override(tasks.defaults(task, preset), changes_of(num_steps, criterion, options))
    config |= {"degrade": "none", "seed": 0, "seeds": len(chosen)}
    config["data_range"] = given.layout.data_range or ()
    config |= {"operator": dict(operator)} if operator else {}
    check_size(*given.shape[:2], build.fit_settings(config))
    estimates.check_memory_of_shape(config, given.shape, False)
    return ArrayFit(
        task=task,
        before=given.before,
        layout=given.layout,
        prepared=given.prepare(),
        how=ending(config),
        config=config,
        seeds=chosen,
        alpha=given.alpha,
        remarks=given.remarks,
    )


def picture_of(
    image: Any, channel_axis: int | None, data_range: DataRange | None
) -> tuple[Opened, Picture, Layout]:
    """A picture that was measured of another, with its channels last, and the layout that it had.

    Raises:
        InputError: if it is no picture.
    """
    given = opened(image, "the image")
    before, layout = read_array(given.array, -1 if given.image else channel_axis, data_range)
    pixels = before if layout.channel_axis is None else layout.channels_last(before)
    return given, Picture(pixels, given.alpha, data_range=layout.data_range), layout


def shape_of(shape: Any) -> tuple[int, ...]:
    """The shape of an image as a person gives it, `(h, w)` or `(h, w, c)`.

    Raises:
        InputError: if it is none.
    """
    try:
        found = tuple(int(n) for n in shape)
        whole = all(n == given and n > 0 for n, given in zip(found, shape, strict=True))
    except (TypeError, ValueError):
        whole, found = False, ()
    if not whole or len(found) not in (2, 3):
        raise InputError(f"shape is {shape!r}; expected that of the image, (h, w) or (h, w, c)")
    return found


def range_of(data_range: Any) -> tuple[float, float]:
    """The image's values of black and white; by default 0 and 1.

    Raises:
        InputError: if they are none.
    """
    if data_range is None:
        return 0.0, 1.0
    check_data_range(data_range)
    low, high = data_range
    return float(low), float(high)
