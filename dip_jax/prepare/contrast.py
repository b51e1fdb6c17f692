"""Which part of the scale of its file a picture fills."""

import numpy as np
from jaxtyping import Bool, Float

_FULL = 0.5  # a picture that fills so much of its scale is left as it is
_MARGIN = 0.05  # of what it fills, on both sides: a network does not reach its own extremes
_MARGIN_OF_PART = 0.25  # the same where a part is known: the rest may be darker or brighter
_MOST = 0.9  # of a picture is all of it
_LEAST = 500  # values, of which it can be told


def range_filled(
    y: Float[np.ndarray, "h w c"], known: Bool[np.ndarray, "h w c"], full: float = _FULL
) -> tuple[float, float] | None:
    """The part of [0, 1] that a picture fills, with a little more on both sides.

    A value counts if one beside it is no less extreme. So a single hot pixel does not decide.

    Args:
        y: the picture.
        known: where it is known; at least one value.
        full: the share of the scale that is taken for all of it.

    Returns:
        `(low, high)`; None if that is `full` or more, if all values are the same, or if few are
        known.
    """
    from scipy.ndimage import rank_filter

    if known.sum() < _LEAST:
        return None
    size = (3, 3, 1)
    low = float(rank_filter(np.where(known, y, np.inf), 1, size)[known].min())
    high = float(rank_filter(np.where(known, y, -np.inf), -2, size)[known].max())
    if not np.isfinite([low, high]).all():  # every known value stands alone
        low, high = float(y[known].min()), float(y[known].max())
    filled = high - low
    if filled >= full or filled <= 0:
        return None
    margin = (_MARGIN if known.mean() > _MOST else _MARGIN_OF_PART) * filled
    return max(0.0, low - margin), min(1.0, high + margin)
