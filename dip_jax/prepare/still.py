"""Where a noisy picture has no noise: in regions of one value, such as bars and what is clipped."""

import numpy as np
from jaxtyping import Bool, Float

_SIDE = 5  # of a square of equal values in pixels; with noise there is none, not even if rounded
_LEFT = 0.3  # the share of a channel that must be left: drawings and pages of text are mostly flat
_NEAR = 17  # side of a square around an unknown value, in which known ones say what it is
_BAND = 512  # rows that are looked at in one go: a large picture has no room for all
_REACH = max(2 * (_SIDE // 2), _NEAR // 2)  # rows that have a say in what a row is


def still(y: Float[np.ndarray, "h w c"]) -> Bool[np.ndarray, "h w c"]:
    """True at values of squares of 5 x 5 in which a channel has one value only.

    Nothing is, where that would leave little of a channel: then it is no noisy picture with some
    regions that have no noise. Nor is anything near an unknown value, which is filled by it. A
    channel that has one value in all of the picture has no say.

    Args:
        y: the picture; a value that is not finite is like no other.
    """
    h, w, c = y.shape
    found = np.zeros(y.shape, bool)
    if min(h, w) < _SIDE:
        return found
    known, left = np.zeros(c, np.int64), np.zeros(c, np.int64)
    least, most = np.full(c, np.inf), np.full(c, -np.inf)
    for top in range(0, h, _BAND):
        first, last = max(top - _REACH, 0), min(top + _BAND + _REACH, h)
        rows = slice(top, min(top + _BAND, h))
        here = _found(y[first:last])[rows.start - first : rows.stop - first]
        finite = np.isfinite(y[rows])
        known += finite.sum(axis=(0, 1))
        left += (finite & ~here).sum(axis=(0, 1))
        least = np.minimum(least, y[rows].min(axis=(0, 1), where=finite, initial=np.inf))
        most = np.maximum(most, y[rows].max(axis=(0, 1), where=finite, initial=-np.inf))
        found[rows] = here
    of_one_value = most <= least  # or none
    little = (left < _LEFT * known) & ~of_one_value
    if little.any() or of_one_value.all():
        return np.zeros(y.shape, bool)
    return found


def _found(y: Float[np.ndarray, "h w c"]) -> Bool[np.ndarray, "h w c"]:
    """`still`, however much that is."""
    from scipy.ndimage import binary_dilation, maximum_filter, minimum_filter

    finite = np.isfinite(y)
    size = (_SIDE, _SIDE, 1)
    # What lies beyond the edge is the mirror of what is inside.
    most, least = (f(np.where(finite, y, 0), size) for f in (maximum_filter, minimum_filter))
    whole = minimum_filter(finite, size)
    inside = whole & (most == least)
    found = binary_dilation(inside, np.ones(size, bool)) & finite
    near = maximum_filter(~finite.all(axis=2), _NEAR)
    return found & ~near[..., None]
