"""Is the damage of a picture correlated from pixel to pixel, as JPEG blocks and blurred noise are?

Pixels held out of a fit tell when to stop only if their noise says nothing about that of their
neighbours. These measures look for signs that it does. The thresholds were chosen on the
photographs of `samples.SAMPLES`, 128 to 512 pixels wide, clean, with white noise of 10 to 50 (of
255), with blurred noise, and as JPEG of quality 10 to 95. Images are `(h, w, c)` in [0, 1].
"""

import dataclasses
from collections.abc import Collection

import numpy as np
from jaxtyping import Float

from dip_jax.prepare.noise_level import blocks

_BLOCK = 8  # of JPEG
_BAND, _AT_ONCE = 1024, 2**14  # rows and patches that are looked at in one go
_VISIBLE_BLOCKS = 0.165  # JPEG of quality 95 has up to 0.13, of quality 40 from 0.19 on
_PATCH = 12
_CLEAN = 3 / 255  # in the flattest patches; a clean photograph has 0.4 to 1.6 of 255
_CORRELATED = 0.35  # white noise has up to 0.26 where some texture is left in the patches
_STRONG = 9 / 255  # in the flattest patches: then it is noise, and texture has little part in it
_STRONG_CORRELATED = 0.25  # white noise that is as strong has up to 0.15
_ALONG_LINES = 0.45  # the same in one direction alone: up to 0.33
_SOME_PATCHES, _MANY_PATCHES = 60, 300


def sign_of_correlation(x: Float[np.ndarray, "h w c"], stripes: Collection[int] = ()) -> str | None:
    """What speaks for correlated damage, in words, or None.

    Args:
        x: the degraded image; values that are not finite are left out.
        stripes: along which axes it had stripes: what is left of these, below each other (1, of
            columns) or side by side (0, of rows), is no sign.
    """
    grey = x.mean(axis=-1, dtype=np.float64)
    if min(grey.shape) < 4 * _BLOCK:
        return None
    if blockiness(grey) > _VISIBLE_BLOCKS:
        return "has blocks of 8 pixels, as JPEG leaves them"
    noise = flat_noise(grey)
    if noise is None or noise.deviation < _CLEAN:
        return None
    both = ((1, noise.below), (0, noise.beside))
    seen = {axis: correlation for axis, correlation in both if axis not in stripes}
    if not seen:
        return None
    mean = sum(seen.values()) / len(seen)
    strong = noise.deviation >= _STRONG and noise.patches >= _SOME_PATCHES
    enough = _STRONG_CORRELATED if strong else _CORRELATED
    if mean < enough and max(seen.values()) < _ALONG_LINES:
        return None
    # Where the flattest patches differ much from the others, it may be texture and not noise.
    if noise.contrast > (3.5 if strong or noise.patches >= _MANY_PATCHES else 1.7):
        return None
    if min(seen.values()) >= max(seen.values()) / 2:
        return "has noise that is correlated from pixel to pixel"
    lines = "columns" if max(seen, key=seen.__getitem__) else "rows"
    return f"has noise that is correlated along its {lines}"


def has_blocks(x: Float[np.ndarray, "h w c"]) -> bool:
    """Whether a picture has blocks of 8 pixels, as JPEG leaves them."""
    grey = x.mean(axis=-1, dtype=np.float64)
    return min(grey.shape) >= 4 * _BLOCK and blockiness(grey) > _VISIBLE_BLOCKS


def blockiness(grey: Float[np.ndarray, "h w"]) -> float:
    """How much more often the step between two pixels is a local maximum at the edges of blocks.

    Of the eight places that the grid of blocks may have, the one with the most is taken, and the
    mean of the others subtracted: 0 without blocks, at most 1. The mean of both directions.
    """
    total = 0.0
    for picture in (grey, grey.T):
        h, w = picture.shape
        peaks = np.zeros(w - 3, np.int64)
        for top in range(0, h, _BAND):
            step = np.abs(np.diff(picture[top : top + _BAND], axis=1))
            peak = (step[:, 1:-1] > step[:, :-2]) & (step[:, 1:-1] > step[:, 2:])
            peaks += peak.sum(axis=0)
        place = np.arange(w - 3) % _BLOCK
        shares = np.array(
            [peaks[place == i].sum() / (h * (place == i).sum()) for i in range(_BLOCK)]
        )
        total += shares.max() - np.delete(shares, shares.argmax()).mean()
    return float(total / 2)


@dataclasses.dataclass(frozen=True)
class FlatNoise:
    """What is left in the flattest patches of a picture without their smooth part.

    Attributes:
        deviation: its standard deviation.
        below: the correlation of values one below the other; 0 for white noise.
        beside: the same of values side by side.
        contrast: how many times as much the median patch has.
        patches: in the picture.
    """

    deviation: float
    below: float
    beside: float
    contrast: float
    patches: int

    @property
    def correlation(self) -> float:
        """Of neighbours, the mean of both directions."""
        return (self.below + self.beside) / 2


def flat_noise(grey: Float[np.ndarray, "h w"]) -> FlatNoise | None:
    """The noise in the flattest tenth of the patches, less a quadratic; None if there are too few.

    Patches with clipped or unknown values are left out.
    """
    n = _PATCH
    patches = blocks(grey, n)
    finite = np.isfinite(grey)
    if not finite.any():  # every pixel lacks a channel, as in a mosaic
        return None
    least = grey.min(where=finite, initial=np.inf) + 1e-6
    most = grey.max(where=finite, initial=-np.inf) - 1e-6
    # Some after the other: a large picture has no room for all that is made of them.
    some = [slice(i, i + _AT_ONCE) for i in range(0, len(patches), _AT_ONCE)]
    good = []
    for here in some:
        with np.errstate(invalid="ignore"):
            clipped = (patches[here] <= least) | (patches[here] >= most)
        good.append(np.isfinite(patches[here]).all(axis=1) & (clipped.mean(axis=1) < 0.05))
    patches = patches[np.concatenate(good)] if good else patches
    if len(patches) < 8:
        return None
    rows, columns = (axis.ravel() for axis in np.mgrid[-1 : 1 : n * 1j, -1 : 1 : n * 1j])
    terms = [np.ones(n * n), rows, columns, rows * columns, rows**2, columns**2]
    smooth = np.linalg.qr(np.stack(terms, axis=1))[0]
    some = [slice(i, i + _AT_ONCE) for i in range(0, len(patches), _AT_ONCE)]

    def rest_of(here: slice) -> Float[np.ndarray, "patches pixels"]:
        return patches[here] - (patches[here] @ smooth) @ smooth.T

    variance = np.concatenate([np.mean(rest_of(here) ** 2, axis=1) for here in some])
    flattest = np.argsort(variance)[: max(6, len(variance) // 10)]
    mean = variance[flattest].mean()
    if mean <= 0:
        return None
    rest = np.empty((len(flattest), n * n))
    for here in some:
        inside = (flattest >= here.start) & (flattest < here.stop)
        rest[inside] = rest_of(here)[flattest[inside] - here.start]
    squares = rest.reshape(-1, n, n)
    below = (squares[:, 1:] * squares[:, :-1]).mean()
    beside = (squares[:, :, 1:] * squares[:, :, :-1]).mean()
    low = max(float(np.quantile(variance, 0.05)), 1e-12)
    return FlatNoise(
        deviation=float(np.sqrt(mean)),
        below=float(below / mean),
        beside=float(beside / mean),
        contrast=float(np.sqrt(np.median(variance) / low)),
        patches=len(variance),
    )
