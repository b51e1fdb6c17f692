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

Image = Float[np.ndarray, "h w c"]
Known = Bool[np.ndarray, "h w c"]
Values = Float[np.ndarray, "*shape"]

_BLOCK = 8  # side of a block in pixels
_SOME, _MOST = 0.08, 0.6  # shares of a block that are clipped, from which the noise can be told
_KNOWN, _BLOCKS = 3 / 4, 8  # least share of a block that is known, and least number of them
_NOT_ALONE = 1 / 2  # of as many as there should be beside those that are clipped
_CLEAR = 0.5  # deviations inside of the scale, from which on these are more than a level or two
_QUARTILE = 0.25  # texture makes the noise seem stronger in most of them
_AROUND = 7  # side in pixels of the square whose mean says how far off the scale's end a value is
_FAR = 2.2  # deviations, from which on noise is not clipped
_LEAST_FREE = 0.02  # of the picture, so that its noise can be told from what is not clipped
_LEAST = 3 / 255  # noise that is worth it: below, a mean is off by no more than a level of 8 bits
_NO_NOISE = 0.6  # least white noise, of what seems to be noise; else that is texture
_WIDE = 4.0  # deviations that the scale has at least
_PATCH, _DISTANCE, _STRENGTH = 5, 6, 0.45  # of non-local means, as in `finish.denoising`
_ROUNDS = 2
_NEAR = 3  # side in pixels of the square whose median is no farther inside
_REACH = 3.0  # deviations inside of the scale, from which on noise does not reach its end
_BAND, _MARGIN = 512, 16  # rows that are made up at once, and those that have a say in them
_ROWS, _PIXELS = 64, 2**21  # of a large picture bands of so many rows tell, so many pixels in all
_TABLE = np.linspace(-3.0, 9.0, 2401)


def unclipped(y: Image, known: Known) -> tuple[Image, float] | None:
    """The picture, with what its clipped values were on average before they were clipped.

    The ends of the scale are the least and the greatest value of each channel, if so many values
    are there as of clipped noise, in at least eight blocks of 8 x 8. How strong the noise is, is
    measured where it is not clipped, and by how much of it is clipped; the weaker of the two
    counts, for of all noise none is weaker than it seems, and sensors have less of it in the dark.

    Args:
        y: the noisy picture, of any range.
        known: where it is known and noisy.

    Returns:
        The picture, beyond its range where it was clipped, and the share of the values that were;
        None if there is no noise that is clipped.
    """
    some = _some_rows(y.shape)
    seen, noisy = y[some], known[some]
    if not noisy.any(axis=(0, 1)).all():
        return None
    channels = range(y.shape[2])
    ends = [_ends(y[..., k], known[..., k]) for k in channels]
    levels = [_levels(seen[..., k], noisy[..., k], *ends[k]) for k in channels]
    found = [level for level in levels if level is not None]
    if not found:
        return None
    white = noise_level.white_deviation(np.where(noisy, seen, 0), noisy)
    if white is not None and white < max(_NO_NOISE * max(one.noise for one in found), _LEAST):
        return None
    scale = np.array([1.0 if level is None else level.noise for level in levels], y.dtype)
    free = _Levels(1.0, -np.inf, np.inf)
    low, high = (
        np.array([getattr(level or free, end) for level in levels], y.dtype) / scale
        for end in ("low", "high")
    )
    middle = [np.median(seen[..., k][noisy[..., k]]) for k in channels]
    whole, count = y.copy(), 0
    for top in range(0, y.shape[0], _BAND):
        first = max(top - _MARGIN, 0)
        rows = slice(top, min(top + _BAND, y.shape[0]))
        around = slice(first, top + _BAND + _MARGIN)
        inside = slice(rows.start - first, rows.stop - first)
        # In deviations of the noise.
        picture = np.where(known[around], y[around], np.array(middle, y.dtype)) / scale
        picture, there = _made_up(picture, known[around], low, high)
        np.copyto(whole[rows], (picture * scale)[inside], where=there[inside])
        count += int(there[inside].sum())
    return whole, count / y.size


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
    for turn in range(_ROUNDS):
        image = _nonlocal_means(picture)
        inside = [image - low, high - image]
        if not turn:
            inside = [_before_clipping(z) for z in inside]
        below, above = (at & (z < _REACH) for at, z in zip((at_low, at_high), inside, strict=True))
        picture = np.where(below, low - _beyond(inside[0]), picture)
        picture = np.where(above, high + _beyond(inside[1]), picture).astype(picture.dtype)
    return picture, below | above


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
    """Of a channel with clipped noise its deviation, and its ends; infinite where it is free."""

    noise: float
    low: float
    high: float


def _levels(
    y: Float[np.ndarray, "h w"], known: Bool[np.ndarray, "h w"], low: float, high: float
) -> _Levels | None:
    """The noise and the ends of the scale of a channel; None if it has no noise that is clipped.

    Args:
        y: some of its rows.
        known: where they are known.
        low: its least value.
        high: its greatest value.
    """
    by_ends = [_by_share(inside, known) for inside in (y - low, high - y)]
    if all(noise is None for noise in by_ends):
        return None
    free = _free(y, known, low, high)
    noise = min(value for value in (*by_ends, free) if value is not None)
    if noise < _LEAST or high - low < _WIDE * noise:
        return None
    return _Levels(
        noise,
        -np.inf if by_ends[0] is None else low,
        np.inf if by_ends[1] is None else high,
    )


def _by_share(inside: Float[np.ndarray, "h w"], known: Bool[np.ndarray, "h w"]) -> float | None:
    """The noise's deviation, by the share of each block's values that are clipped and their mean.

    If a share `Φ(-z)` of them is, the mean is `σ (z Φ(z) + φ(z))` above the end of the scale.

    Args:
        inside: how far values are inside of the scale; 0 where clipped.
        known: where they are known.
    """
    h, w = (side // _BLOCK * _BLOCK for side in inside.shape)

    def blocks(values):
        cut = values[:h, :w].reshape(h // _BLOCK, _BLOCK, w // _BLOCK, _BLOCK)
        return cut.swapaxes(1, 2).reshape(-1, _BLOCK**2)

    seen = blocks(known)
    values, count = blocks(np.where(known, inside, 0)), np.maximum(seen.sum(axis=1), 1)
    share, mean = (seen & (values <= 0)).sum(axis=1) / count, values.sum(axis=1) / count
    tell = (seen.mean(axis=1) >= _KNOWN) & (share >= _SOME) & (share <= _MOST)
    if tell.sum() < _BLOCKS:
        return None
    seen, values, count, share = seen[tell], values[tell], count[tell], share[tell]
    z = -ndtri(share)
    deviations = mean[tell] / (z * ndtr(z) + _normal(z))
    # Wrong values stand at the end alone, with none in the first half of the way to the others.
    clear = z > _CLEAR
    beside = seen & (values > 0) & (values < (z * deviations / 2)[:, None])
    expected = count * (ndtr(-z / 2) - share)
    if beside[clear].sum() < _NOT_ALONE * expected[clear].sum():
        return None
    return float(np.quantile(deviations, _QUARTILE))


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


def _nonlocal_means(picture: Image) -> Image:
    """Of a picture with noise of deviation 1."""
    from skimage.restoration import denoise_nl_means  # here, because it takes long to import

    means = denoise_nl_means(
        picture,
        patch_size=_PATCH,
        patch_distance=_DISTANCE,
        h=_STRENGTH,
        sigma=1.0,
        fast_mode=True,
        channel_axis=-1,
    )
    return means.reshape(picture.shape)  # it has lost the axis of a single channel


def _some_rows(shape: tuple[int, ...]) -> slice | Int[np.ndarray, " rows"]:
    """Rows that tell what the noise is like: all, or of a large picture bands all over it."""
    h, w = shape[:2]
    bands = max(1, h // _ROWS)
    kept = min(bands, max(1, _PIXELS // (w * _ROWS)))
    if kept == bands:
        return slice(None)
    starts = np.linspace(0, h - _ROWS, kept).astype(int)
    return (starts[:, None] + np.arange(_ROWS)).ravel()


def _ends(y: Float[np.ndarray, "h w"], known: Bool[np.ndarray, "h w"]) -> tuple[float, float]:
    """The least and the greatest known value."""
    return (
        float(y.min(where=known, initial=np.inf)),
        float(y.max(where=known, initial=-np.inf)),
    )
