"""Where a noisy picture has no noise: in regions of one value, such as bars and what is clipped."""

import numpy as np
from jaxtyping import Bool, Float

_SIDE = 5  # of a square of equal values in pixels; with noise there is none, not even if rounded
_LEFT = 0.02  # the share of the values that must be left, and so many of them
_AT_LEAST = 256


def still(y: Float[np.ndarray, "h w c"]) -> Bool[np.ndarray, "h w c"]:
    """True at values of squares of 5 x 5 in which a channel has one value only.

    Nothing is, where that would leave next to nothing of a channel: then it is no noisy picture
    with some regions that have no noise.

    Args:
        y: the picture; a value that is not finite is like no other.
    """
    from scipy.ndimage import binary_dilation, maximum_filter, minimum_filter

    h, w, _ = y.shape
    if min(h, w) < _SIDE:
        return np.zeros(y.shape, bool)
    finite = np.isfinite(y)
    size = (_SIDE, _SIDE, 1)
    # What lies beyond the edge is the mirror of what is inside.
    most, least = (f(np.where(finite, y, 0), size) for f in (maximum_filter, minimum_filter))
    whole = minimum_filter(finite, size)
    inside = whole & (most == least)
    found = binary_dilation(inside, np.ones(size, bool)) & finite
    left = (finite & ~found).sum(axis=(0, 1))
    if (left < np.maximum(_AT_LEAST, _LEFT * finite.sum(axis=(0, 1)))).any():
        return np.zeros(y.shape, bool)
    return found
