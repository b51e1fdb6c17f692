"""Noise that is clipped: what lies beyond the end of the scale is estimated.

Where a picture is nearly black or white, its noise goes beyond the scale and is cut off there. What
is left of it is not centred: its mean is too bright in the dark, by up to 0.4 of its deviation, and
every denoiser keeps that. So each clipped value `y = a` becomes what it was on average before it
was clipped, given an estimate `v` of the picture,

    E[v + n | v + n < a] = v - σ φ(z) / Φ(-z),   z = (v - a) / σ,   n ~ N(0, σ²)

and the noise is centred again. `v` is at first found by non-local means, and by the inverse of the
mean of clipped noise, `E[max(v + n, a)] = a + σ (z Φ(z) + φ(z))`; then by non-local means of what
became of the clipped values. The bright end is the same with the signs changed.

Source: of the means, Foi, "Clipped noisy images: Heteroskedastic modeling and practical denoising",
Signal Processing 89 (2009), section 2; of what stands in for clipped values, the first of the two
steps of Dempster, Laird, Rubin, "Maximum Likelihood from Incomplete Data via the EM Algorithm",
JRSS B 39 (1977), section 4.2.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import ndtr, ndtri

from dip_jax.prepare import noise_level
from dip_jax.prepare.contrast import extremes
from dip_jax.prepare.nonlocal_means import REACH, nonlocal_means
from dip_jax.prepare.parts import box_around

Image = Float[np.ndarray, "h w c"]
Known = Bool[np.ndarray, "h w c"]
Values = Float[np.ndarray, "*shape"]

_BLOCK = 8  # side of a block in pixels
_SOME, _MOST = 0.08, 0.6  # shares of a block that are clipped, from which the noise can be told
_KNOWN, _BLOCKS = 3 / 4, 8  # least share of a block that is known, and least number of them
_QUARTILE = 0.25  # texture makes the noise seem stronger in most of them
_AROUND = 7  # side in pixels of the square whose mean says how far off the scale's end a value is
_FAR = 2.2  # deviations, from which on noise is not clipped
_LEAST_FREE = 0.02  # of the picture, so that its noise can be told from what is not clipped
_LEAST = 3 / 255  # noise that is worth it: below, a mean is off by no more than a level of 8 bits
_BESIDE = 0.5  # least values beside those that are clipped, of these
# What the quietest blocks have of the noise: less in a picture that has none, more where all of it
# is drawn.
_QUIET, _LOUD, _FREE_BLOCKS = 0.65, 1.4, 6
_NO_NOISE = 0.6  # least white noise, of what seems to be noise; else that is texture
_WIDE = 4.0  # deviations that the scale has at least
_ROUNDS = 2
_NEAR = 3  # side in pixels of the square whose median is no farther inside
_REACH = 3.0  # deviations inside of the scale, from which on noise does not reach its end
_BAND = 512  # rows that are made up at once
_MARGIN = _ROUNDS * REACH  # pixels around them that have a say in them
_ROWS, _PIXELS = 32, 2**21  # of a large picture bands of so many rows tell, so many pixels in all
_TABLE = np.linspace(-3.0, 9.0, 2401)


class Unclipped(NamedTuple):
    """A picture whose clipped noise is made up for.

    Attributes:
        y: the picture, beyond its range where it was clipped.
        share: of its values, those that are no longer what they were.
        low: in each channel, the value at which noise was clipped in the dark; else -inf.
        high: the same in the bright; else inf. What the picture shows lies between.
    """

    y: Image
    share: float
    low: Float[np.ndarray, " c"]
    high: Float[np.ndarray, " c"]


def unclipped(y: Image, known: Known) -> Unclipped | None:
    """The picture, with what its clipped values were on average before they were clipped.

    The ends of the scale are the least and the greatest value of each channel, if as many values
    are there as of clipped noise, and as many beside them, in at least eight blocks of 8 x 8. How
    strong the noise is, is measured where it is not clipped, and by how much of it is clipped; the
    weaker of the two counts, for texture makes both seem stronger, and sensors have less noise in
    the dark. An area of which all is clipped is taken to be at the end of the scale, and not
    beyond.

    Args:
        y: the noisy picture, float32 of any range.
        known: where it is known and noisy.

    Returns:
        What became of it; None if no noise is seen to be clipped, or if it is too weak (less than
        3/255) or too strong (more than a quarter of the range) to be made up for.
    """
    some = _some_rows(y.shape)
    seen, noisy = y[some], known[some]
    channels = [k for k in range(y.shape[2]) if noisy[..., k].any()]
    middle = np.zeros(y.shape[2], y.dtype)
    for k in channels:
        middle[k] = np.median(seen[..., k][noisy[..., k]])
    seen = np.where(noisy, seen, middle)
    levels = [
        _levels(seen[..., k], noisy[..., k], *extremes(y[..., k], known[..., k]))
        if k in channels
        else _Levels(1.0, -np.inf, np.inf)
        for k in range(y.shape[2])
    ]
    noise, low, high = (np.array(values, y.dtype) for values in zip(*levels, strict=True))
    if np.isinf(low).all() and np.isinf(high).all():
        return None
    whole, count = y.copy(), 0
    for top in range(0, y.shape[0], _BAND):
        bottom = min(top + _BAND, y.shape[0])
        first = max(top - _MARGIN, 0)
        around = slice(first, bottom + _MARGIN)
        # In deviations of the noise.
        picture = np.where(known[around], y[around], middle) / noise
        picture, there = _made_up(picture, known[around], low / noise, high / noise)
        inside = slice(top - first, bottom - first)
        np.copyto(whole[top:bottom], (picture * noise)[inside], where=there[inside])
        count += int(there[inside].sum())
    return Unclipped(whole, count / y.size, low, high)


def _made_up(
    picture: Image, known: Known, low: Float[np.ndarray, " c"], high: Float[np.ndarray, " c"]
) -> tuple[Image, Known]:
    """What stands in for the clipped values of a picture with noise of deviation 1, and where."""
    from scipy.ndimage import median_filter

    at_low, at_high = known & (picture <= low), known & (picture >= high)
    if not (at_low.any() or at_high.any()):
        return picture, at_low
    near = median_filter(picture, (_NEAR, _NEAR, 1))  # or single wrong values are taken for it
    at_low &= near < low + _REACH
    at_high &= near > high - _REACH
    box = box_around(np.asarray((at_low | at_high).any(axis=2)), _MARGIN)
    there = np.zeros(picture.shape, bool)
    if box is None:
        return picture, there
    found, ends = picture[box], (at_low[box], at_high[box])
    for turn in range(_ROUNDS):
        image = nonlocal_means(found)
        inside = [image - low, high - image]
        if not turn:
            inside = [_before_clipping(z) for z in inside]
        below, above = (at & (z < _REACH) for at, z in zip(ends, inside, strict=True))
        found = np.where(below, low - _beyond(inside[0]), found)
        found = np.where(above, high + _beyond(inside[1]), found).astype(picture.dtype)
    there[box] = below | above
    whole = picture.copy()
    whole[box] = found
    return whole, there


def _before_clipping(z: Values) -> Values:
    """How far inside of the scale a picture is, in deviations, of the mean of its clipped noise."""
    return np.interp(z, _TABLE * ndtr(_TABLE) + _normal(_TABLE), _TABLE, right=np.inf)


def _beyond(z: Values) -> Values:
    """How far outside noise was on average that is clipped, of a picture that is z inside."""
    z = np.clip(z, 0, _TABLE[-1])
    return _normal(z) / ndtr(-z) - z


def _normal(z: Values) -> Values:
    return np.exp(-np.square(z) / 2) / math.sqrt(2 * math.pi)


class _Levels(NamedTuple):
    """Of a channel the deviation of its noise, and the ends at which that is clipped, or infinity.

    The deviation is 1 where it is not known.
    """

    noise: float
    low: float
    high: float


def _levels(
    y: Float[np.ndarray, "h w"], known: Bool[np.ndarray, "h w"], low: float, high: float
) -> _Levels:
    """The noise of a channel, and at which of its ends it is clipped.

    Args:
        y: some of its rows.
        known: where they are known.
        low: its least value.
        high: its greatest value.
    """
    free = _free(y, known, low, high)
    ends = [_blocks_at(inside, known) for inside in (y - low, high - y)]
    found = [None if blocks is None else _by_share(*blocks) for blocks in ends]
    noise = min((value for value in (*found, free) if value is not None), default=0.0)
    none = _Levels(free or 1.0, -np.inf, np.inf)
    if noise < _LEAST or high - low < _WIDE * noise:
        return none
    white = noise_level.white_deviation(y[..., None], known[..., None])
    if white is not None and white < max(_NO_NOISE * noise, _LEAST):
        return none
    quietest = _quietest(y, known, low, high)
    loudest = _LOUD * max(noise, free or 0.0)
    if quietest is not None and not _QUIET * noise < quietest < loudest:
        return none
    are = [blocks is not None and _has_neighbours(*blocks, noise) for blocks in ends]
    if not any(are):
        return none
    return _Levels(noise, low if are[0] else -np.inf, high if are[1] else np.inf)


def _blocks_at(
    inside: Float[np.ndarray, "h w"], known: Bool[np.ndarray, "h w"]
) -> tuple[Float[np.ndarray, "blocks values"], Bool[np.ndarray, "blocks values"]] | None:
    """The blocks in which some values are clipped, but not most; None if there are few.

    Args:
        inside: how far values are inside of the scale; 0 where clipped.
        known: where they are known.
    """
    values, seen = (noise_level.blocks(part, _BLOCK) for part in (inside, known))
    share = (seen & (values <= 0)).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    tell = (seen.mean(axis=1) >= _KNOWN) & (share >= _SOME) & (share <= _MOST)
    return None if tell.sum() < _BLOCKS else (values[tell], seen[tell])


def _by_share(
    values: Float[np.ndarray, "blocks values"], seen: Bool[np.ndarray, "blocks values"]
) -> float:
    """The noise's deviation, by the share of each block's values that are clipped and their mean.

    If a share `Φ(-z)` of them is, the mean is `σ (z Φ(z) + φ(z))` above the end of the scale.

    Args:
        values: how far they are inside of the scale.
        seen: where they are known.
    """
    count = seen.sum(axis=1)
    share = (seen & (values <= 0)).sum(axis=1) / count
    z = -ndtri(share)
    mean = np.where(seen, values, 0).sum(axis=1) / count
    return float(np.quantile(mean / (z * ndtr(z) + _normal(z)), _QUARTILE))


def _has_neighbours(
    values: Float[np.ndarray, "blocks values"],
    seen: Bool[np.ndarray, "blocks values"],
    noise: float,
) -> bool:
    """Whether there are as many values beside those that are clipped as noise would have.

    Within one deviation: for of a picture at the end of the scale there are 0.68 times as many, and
    more of one that is inside. Wrong values, ink and blown highlights stand at the end alone.
    """
    beside = (seen & (values > 0) & (values <= noise)).sum()
    return bool(beside > _BESIDE * (seen & (values <= 0)).sum())


def _quietest(
    y: Float[np.ndarray, "h w"], known: Bool[np.ndarray, "h w"], low: float, high: float
) -> float | None:
    """The noise of the quietest tenth of the blocks with nothing clipped; None if there are few."""
    free = known & (y > low) & (y < high)
    whole = noise_level.blocks(noise_level.second_differences_known(free), _BLOCK).all(axis=1)
    if whole.sum() < _FREE_BLOCKS:
        return None
    seen = noise_level.blocks(noise_level.second_differences(y), _BLOCK)[whole]
    square = np.square(seen).mean(axis=1)
    return float(np.sqrt(np.quantile(square, 0.1)))


def _free(
    y: Float[np.ndarray, "h w"], known: Bool[np.ndarray, "h w"], low: float, high: float
) -> float | None:
    """The noise's deviation where it is not clipped; None if it is nearly everywhere."""
    from scipy.ndimage import uniform_filter

    around = uniform_filter(np.where(known, y, (low + high) / 2), _AROUND)
    whole = noise_level.second_differences_known(known)
    differences = np.abs(noise_level.second_differences(y))
    noise = 0.0
    for _ in range(2):  # how far off is far enough, is found with it
        margin = _FAR * noise
        inside = (around > low + margin) & (around < high - margin)
        some = whole & inside[1:, 1:]
        if some.sum() < _LEAST_FREE * y.size:
            return None
        noise = noise_level.middle(differences[some])
    return noise


def _some_rows(shape: tuple[int, ...]) -> slice | Int[np.ndarray, " rows"]:
    """Rows that tell what the noise is like: all, or of a large picture bands all over it."""
    h, w = shape[:2]
    bands = max(1, h // _ROWS)
    kept = min(bands, max(1, _PIXELS // (w * _ROWS)))
    if kept == bands:
        return slice(None)
    starts = np.linspace(0, h - _ROWS, kept).astype(int)
    return (starts[:, None] + np.arange(_ROWS)).ravel()
