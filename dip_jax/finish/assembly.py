"""What was made of the parts of a picture, put together.

Where parts overlap, a pixel is their mean, weighted so that a part fades out towards its border:
no seam, and each part's border, which had the least around it to go by, has the least say.
"""

import functools
import math
import mmap
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from dip_jax.finish.alone import restored_alone
from dip_jax.finish.composite import seamless
from dip_jax.finish.denoising import deviations
from dip_jax.finish.ensemble import Ending, ended, is_refined
from dip_jax.finish.smooth_filling import continued
from dip_jax.forward.observation import observe
from dip_jax.lanes.jobs import Restoration
from dip_jax.pictures.values import from_float
from dip_jax.prepare.division import Division, unknown_values
from dip_jax.prepare.parts import Part, Plan, box_around

_BAND = 256  # rows

Image = Float[np.ndarray, "h w c"]
Spread = Float[np.ndarray, "h w"]
Mask = Bool[np.ndarray, "h w"]


class Assembly:
    """A picture, or some rows of it, that are put together from its parts.

    Attributes:
        rows: those that it has, in order.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        plan: Plan,
        *,
        spread: bool,
        rows: range | None = None,
    ) -> None:
        """Nothing yet.

        Args:
            shape: of the picture, `(h, w, c)`.
            plan: which parts there are.
            spread: whether the parts have a spread over seeds.
            rows: of the picture, in order; None for all.
        """
        h, w, c = shape
        self._plan, self._shape = plan, shape
        self.rows = range(h) if rows is None else rows
        size = (len(self.rows), w)
        self._sum = _zeros((*size, c))
        self._weight = _zeros(size)
        self._spread = _zeros(size) if spread else None

    def add(
        self, part: Part, image: Image, spread: Spread | None = None, where: Mask | None = None
    ) -> None:
        """Adds what was made of a part.

        Args:
            part: which it is.
            image: of its size, on the picture's own scale, in [0, 1].
            spread: the standard deviation over seeds.
            where: the part makes the picture; None for all of it.
        """
        if not self.has(part):
            return
        h, w, _ = self._shape
        weight = part.weights(h, w, self._plan.ramp)
        if where is not None:
            weight = np.where(where, weight, np.float32(0))
        first = max(part.top, self.rows.start)
        last = min(part.top + part.height, self.rows.stop)
        here = slice(first - part.top, last - part.top)
        place = (slice(first - self.rows.start, last - self.rows.start), part.place[1])
        self._sum[place] += weight[here, :, None] * image[here]
        self._weight[place] += weight[here]
        if self._spread is not None and spread is not None:
            self._spread[place] += weight[here] * spread[here]

    def has(self, part: Part) -> bool:
        """Whether a part is in any of its rows."""
        return part.top < self.rows.stop and self.rows.start < part.top + part.height

    def image(self, rows: slice = slice(None)) -> tuple[Image, Mask]:
        """Some of its rows, and where parts have made them; elsewhere they are 0."""
        weight = self._weight[rows]
        made = weight > 0
        return self._sum[rows] / np.where(made, weight, np.float32(1))[..., None], made

    def spread(self) -> Spread | None:
        """The standard deviation over seeds, 0 where no part has made the picture."""
        if self._spread is None:
            return None
        return self._spread / np.where(self._weight > 0, self._weight, np.float32(1))


def _zeros(shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
    """Zeros that take memory only where something is written, and give it back when they go.

    Commands keep what is freed, so that what `np.zeros` gives them is written through.
    """
    room = mmap.mmap(-1, 4 * max(1, math.prod(shape)))
    return np.frombuffer(room, np.float32, math.prod(shape)).reshape(shape)


def enlarged(
    image: Image, y: Image, fill: Bool[np.ndarray, "h w k"], times: int, *, meeting: bool = True
) -> Image:
    """What was made of a reduced picture, at its full size.

    Args:
        image: what was made, in [0, 1].
        y: the picture at its full size, in [0, 1].
        fill: True where it is to be filled, for all channels (k = 1) or each.
        times: how many pixels on a side became one, by `parts.reduced`.
        meeting: whether it is corrected to meet the known pixels.
    """
    from scipy import ndimage

    h, w, _ = y.shape
    large = ndimage.zoom(image, (times, times, 1), order=3, mode="nearest", grid_mode=True)
    if not meeting:
        return np.clip(large[:h, :w], 0, 1).astype(np.float32)
    made = np.where(fill, np.clip(large[:h, :w], 0, 1), y).astype(np.float32)
    here = box_around(np.asarray(fill.any(axis=2)), 1)
    if here is None:
        return made
    observation, _ = observe(np.where(fill, np.float32(0), y)[here], fill[here])
    x = np.clip(large[:h, :w][here], 0, 1).astype(np.float32)
    made[here] = seamless(x, observation, wide=True)
    return made


class Made(NamedTuple):
    """What was made of a part.

    Attributes:
        image: of its size, on the picture's own scale, in [0, 1].
        spread: the standard deviation over seeds; None if there is one.
        refined: whether it is refined.
        figures: as in `ensemble.Ended`.
    """

    image: Image
    spread: Spread | None
    refined: bool
    figures: dict[str, dict[str, float]]


def made_of(
    part: Part,
    results: Sequence[Restoration],
    division: Division,
    how: Ending,
    clean: Image | None = None,
) -> Made:
    """What the results of the seeds of a part amount to.

    Args:
        part: which it is.
        results: one or more.
        division: what it is a part of.
        how: results become the picture.
        clean: all of the clean picture of an experiment, on its own scale; for the figures.
    """
    prepared = division.prepared(part)
    here = None if clean is None or part.reduced > 1 else clean[part.place]
    refined, noise = _of_whole(division, how)
    noise = noise if part.reduced == 1 else None
    given = ended(results, prepared, how, here, refined=refined, noise=noise)
    image, spread = prepared.to_picture(given.image), given.spread
    if part.reduced > 1:
        y, fill = division.image(part), division.fill_of(part)
        image = enlarged(image, y, fill, part.reduced, meeting=how.seamless)
        if spread is not None:
            spread = spread.repeat(part.reduced, 0).repeat(part.reduced, 1)
            spread = spread[: part.height, : part.width]
    return Made(image, spread, given.refined, given.figures)


def unfitted(division: Division, how: Ending) -> list[tuple[Part, Callable[[], Made]]]:
    """The parts of a picture that are not fitted, and what makes each.

    Args:
        division: the picture.
        how: it becomes the picture given.
    """
    alone = [(part, functools.partial(_made_alone, part, division, how)) for part in division.alone]
    smooth = [(part, functools.partial(_continued_in, part, division)) for part in division.smooth]
    return [*alone, *smooth]


def _made_alone(part: Part, division: Division, how: Ending) -> Made:
    """What is made of a part that is refined with no network."""
    prepared = division.prepared(part)
    image = restored_alone(prepared.observation, how, _of_whole(division, how)[1])
    return Made(prepared.to_picture(image), None, True, {})


def _continued_in(part: Part, division: Division) -> Made:
    """What is made of a part that is not fitted, because the picture is smooth there."""
    prepared = division.prepared(part)
    return Made(prepared.to_picture(continued(prepared.observation)), None, True, {})


_Found = tuple[bool | None, Float[np.ndarray, " c"] | None]
_FOUND: WeakKeyDictionary[Division, _Found] = WeakKeyDictionary()


def _of_whole(division: Division, how: Ending) -> _Found:
    """Of a picture in tiles, whether they are refined, and its noise: found once, for all alike."""
    if division.whole is None:
        return None, None
    if division not in _FOUND:
        observation = division.whole.observation
        refined = is_refined(how, observation, division.whole.striped)
        denoises = refined and not how.seamless
        _FOUND[division] = refined, deviations(observation) if denoises else None
    return _FOUND[division]


def put_together(assembly: Assembly, division: Division, how: Ending) -> tuple[NDArray[Any], Mask]:
    """The restored pixels, like those that were given, and where they come from parts.

    Known pixels may be kept as they came; so are regions without noise, and what no part has made.

    Args:
        assembly: of what was made of the parts.
        division: what they are parts of.
        how: results become the picture.
    """
    restored = np.array(division.before, order="C")
    judged = np.zeros(division.shape[:2], bool)
    put_in(restored, judged, assembly, division, how)
    return restored, judged


def put_in(
    restored: NDArray[Any], judged: Mask, assembly: Assembly, division: Division, how: Ending
) -> None:
    """Puts the rows of an assembly into the pixels; see `put_together`.

    Args:
        restored: the pixels as they were given, and then restored in those rows.
        judged: becomes True there where they come from parts.
        assembly: of what was made of the parts.
        division: what they are parts of.
        how: results become the picture.
    """
    layout, fill, whole = division.layout, division.fill, division.whole
    channels_last, first = layout.channels_last(restored), assembly.rows.start
    for top in assembly.rows[::_BAND]:  # a large picture once more in floats is too much
        rows = slice(top, min(top + _BAND, assembly.rows.stop))
        x, made = assembly.image(slice(rows.start - first, rows.stop - first))
        if not made.any():
            continue
        if whole is not None and whole.still is not None:
            made &= ~whole.still[rows]
        judged[rows] = made
        new = np.broadcast_to(made[..., None], x.shape)
        if how.keep_known:
            here = None if fill is None else fill[rows]
            new = new & unknown_values(division.pixels[rows], here)
        pixels = from_float(x, layout.dtype, 3, layout.data_range)
        np.copyto(channels_last[rows], pixels, where=new)


def figures_of_parts(
    figures: Sequence[dict[str, dict[str, float]]], pixels: Sequence[int]
) -> dict[str, dict[str, float]]:
    """The figures of parts taken together: PSNRs of the mean square, SSIMs of the mean.

    Args:
        figures: of each part.
        pixels: that each has.
    """
    together: dict[str, dict[str, float]] = {}
    for image in figures[0] if figures else ():
        names = set.intersection(
            *({k for k, v in one.get(image, {}).items() if v is not None} for one in figures)
        )
        together[image] = {}
        for name in sorted(names):
            values = np.array([one[image][name] for one in figures])
            if name.startswith("psnr"):
                square = np.average(10 ** (-values / 10), weights=pixels)
                together[image][name] = float(-10 * np.log10(square))
            else:
                together[image][name] = float(np.average(values, weights=pixels))
    return together
