"""Where a noisy picture has no noise: in regions of one value, such as bars and what is clipped."""

import numpy as np
from jaxtyping import Bool, Float

_SIDE = 5  # of a square of equal values in pixels; with noise there is none, not even if rounded
_LEFT = 0.3  # the share of a channel that must be left: drawings and pages of text are mostly flat
_NEAR = 17  # side of a square around an unknown value, in which known ones say what it is


def still(y: Float[np.ndarray, "h w c"]) -> Bool[np.ndarray, "h w c"]:
    """True at values of squares of 5 x 5 in which a channel has one value only.

    Nothing is, where that would leave little of a channel: then it is no noisy picture with some
    regions that have no noise. Nor is anything near an unknown value, which is filled by it. A
    channel that has one value in all of the picture has no say.

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
    near = maximum_filter(~finite.all(axis=2), _NEAR)
    found &= ~near[..., None]
    known = finite.sum(axis=(0, 1))
    left = (finite & ~found).sum(axis=(0, 1))
    of_one_value = np.array(
        [known[k] == 0 or np.ptp(y[..., k][finite[..., k]]) == 0 for k in range(y.shape[2])]
    )
    little = (left < _LEFT * known) & ~of_one_value
    if little.any() or of_one_value.all():
        return np.zeros(y.shape, bool)
    return found
