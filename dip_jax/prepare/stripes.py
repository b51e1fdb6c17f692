"""Offsets that whole columns or rows of a picture have, as sensors and scanners leave them.

A column's offset is in every band of rows, and what the picture itself shows there is not: so the
bands' second differences along the rows, each a median, agree where there are stripes. A single
line from top to bottom does not make them so: what is far off the others counts as little more.
Fences, blinds and cloth do, but not at random: of what they show, few frequencies have the most.
And they are often stronger than a sensor's offsets.

The numbers were chosen on photographs of `samples.SAMPLES`, 64 to 256 pixels wide, clean, with
noise, with stripes of 3 to 30 (of 255), and with patterns from top to bottom. In those without
stripes the bands' correlation was at most 0.24 where the offsets were above 1. Of stripes, 15 % of
the frequencies had 0.37 to 0.60 of the power, of patterns mostly 0.75 and more.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

_BANDS = 6
_ROWS = 4  # least in a band
_AGREE, _OF_SHORT = 0.45, 0.75  # least correlation of the bands; where they are short
_SHORT = 100  # pixels; lines of text are as long
_USABLE = 0.2  # least share of a channel that is known, and not clipped
_VISIBLE = 1.5 / 255  # least deviation of the offsets
_STRONGEST = 32 / 255  # largest one
_FEW, _THE_MOST = 0.15, 0.62  # of the frequencies; of the power: then it is a pattern
_LOW = np.pi / 4  # frequencies that are not looked at, in which a picture shows
_FAR = 3.0  # deviations by medians; what is farther off counts as so far
_OF_NORMAL = 0.6745
_SECOND, _FIRST = 6.0, 2.0  # variance of the differences of values of variance 1
_ALIKE = 0.8  # correlation from which on the channels' offsets are the same


@dataclasses.dataclass(frozen=True, eq=False)
class Stripes:
    """Offsets of columns or rows.

    Attributes:
        axis: 1 if every column has an offset, 0 if every row has.
        offsets: of each column or row and channel, `(n, c)`, of mean 0.
        deviation: of them, estimated.
    """

    axis: int
    offsets: Float[np.ndarray, "n c"]
    deviation: float

    def image(self) -> Float[np.ndarray, "h w c"]:
        """To be subtracted from the picture: `(1, w, c)` or `(h, 1, c)`."""
        return np.expand_dims(self.offsets, 1 - self.axis).astype(np.float32)


def stripes(
    y: Float[np.ndarray, "h w c"], known: Bool[np.ndarray, "h w c"], axis: int
) -> Stripes | None:
    """The offsets along an axis; None if there is no sign of them.

    Args:
        y: the picture.
        known: where it is known, and not clipped or constant.
        axis: 1 to look for columns, 0 for rows.
    """
    h, w, c = y.shape
    rows, columns = (h, w) if axis else (w, h)
    if rows < _BANDS * _ROWS or columns < 16:
        return None

    def channel(k: int) -> Float[np.ndarray, "rows columns 1"]:
        one = np.where(known[..., k], y[..., k], np.float32(np.nan)).astype(np.float64)
        return (one if axis else one.T)[..., None]

    usable = np.array([(known[..., k] & np.isfinite(y[..., k])).mean() > _USABLE for k in range(c)])
    if not usable.any():
        return None
    # One channel after the other: a large picture has no room for all.
    which = [int(k) for k in np.flatnonzero(usable)]
    grey = channel(which[0])
    for k in which[1:]:
        grey += channel(k)
    grey /= len(which)
    if not _are_seen(grey) or _is_a_pattern(grey):
        return None
    common = _have_one_cause(channel(k) for k in which)
    found = [_offsets(one[..., 0]) for one in ([grey] if common else map(channel, which))]
    offsets = np.zeros((columns, c))
    offsets[:, usable] = np.stack([offset for offset, _ in found], axis=1)
    deviation = float(np.sqrt(np.mean([variance for _, variance in found])))
    if deviation > _STRONGEST:
        return None
    return Stripes(axis, offsets, deviation)


def _medians(values: Float[np.ndarray, "h n"]) -> Float[np.ndarray, " n"]:
    """Of each column, 0 where nothing is known."""
    some = np.isfinite(values).any(axis=0)
    return np.where(some, np.nanmedian(np.where(some, values, 0), axis=0), 0)


def _bands(image: Float[np.ndarray, "h w"], order: int) -> Float[np.ndarray, "bands n"]:
    """Of the differences along the rows, in each band their medians, of mean 0."""
    bands = np.array_split(image, _BANDS)
    found = np.stack([_medians(np.diff(band, n=order, axis=1)) for band in bands])
    return found - found.mean(axis=1, keepdims=True)


def _second_differences(image: Float[np.ndarray, "h w 1"]) -> Float[np.ndarray, "bands n"]:
    found = _bands(image[..., 0], 2)
    size = np.median(np.abs(found), axis=1, keepdims=True) / _OF_NORMAL
    return np.clip(found, -_FAR * size, _FAR * size)


def _are_seen(grey: Float[np.ndarray, "h w 1"]) -> bool:
    found = _second_differences(grey)
    covariance = found @ found.T / found.shape[1]
    size = np.sqrt(np.diag(covariance)) + 1e-12
    pairs = np.triu_indices(_BANDS, 1)
    agreement = np.median((covariance / np.outer(size, size))[pairs])
    variance = np.median(covariance[pairs]) / _SECOND
    least = _AGREE if grey.shape[0] > _SHORT else _OF_SHORT
    return bool(agreement > least and variance > _VISIBLE**2)


def _is_a_pattern(grey: Float[np.ndarray, "h w 1"]) -> bool:
    """Whether few frequencies have the most of what all bands show."""
    seen = _second_differences(grey).mean(axis=0)
    power = np.abs(np.fft.rfft(seen * np.hanning(seen.size))) ** 2
    frequency = np.linspace(0, np.pi, power.size)
    high = frequency > _LOW
    # Of values, and not of their second differences.
    power = np.sort(power[high] / (2 - 2 * np.cos(frequency[high])) ** 2)
    few = int(np.ceil(_FEW * power.size))
    return bool(power[-few:].sum() > _THE_MOST * power.sum())


def _have_one_cause(channels) -> bool:
    """Whether the channels have the same offsets."""
    found = np.stack([_second_differences(channel).mean(axis=0) for channel in channels])
    if len(found) == 1:
        return True
    return bool(np.corrcoef(found)[np.triu_indices(len(found), 1)].min() > _ALIKE)


def _offsets(image: Float[np.ndarray, "h w"]) -> tuple[Float[np.ndarray, " w"], float]:
    """The most likely offsets and their variance.

    They are `o`, independent and of one variance, given that the picture changes from column to
    column by what is as independent: `(Dᵀ D / v + I / s) o = Dᵀ m / v` with the differences `D`,
    their medians `m`, the variance `s` of the offsets and `v` of the rest of `m`.
    """
    from scipy.linalg import solveh_banded

    second = _bands(image, 2)
    covariance = second @ second.T / second.shape[1]
    s = max(float(np.median(covariance[np.triu_indices(_BANDS, 1)])) / _SECOND, 1e-9)
    m = _medians(np.diff(image, axis=1))
    within = float(np.mean(np.var(_bands(image, 1), axis=0))) / _BANDS
    v = max(float(np.mean(np.square(m))) - _FIRST * s, within, 1e-9)
    n = image.shape[1]
    diagonal = np.full(n, 2 / v + 1 / s)
    diagonal[[0, -1]] = 1 / v + 1 / s
    beside = np.full(n, -1 / v)
    right = np.concatenate([[0], m]) - np.concatenate([m, [0]])
    o = solveh_banded(np.stack([beside, diagonal]), right / v)
    return o - o.mean(), s
