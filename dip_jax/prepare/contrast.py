"""Which part of the scale of its file a picture fills."""

import numpy as np
from jaxtyping import Bool, Float

_FULL = 0.5  # a picture that fills so much of its scale is left as it is
_MARGIN = 0.05  # of what it fills, on both sides: a network does not reach its own extremes
_MARGIN_OF_PART = 0.25  # the same where a part is known: the rest may be darker or brighter
_MOST = 0.9  # of a picture is all of it
_LEAST = 500  # values, of which it can be told
_FEW = 0.002  # the share of values, at both ends, that may be anything
_LITTLE = 0.1  # of the scale, so that it is worth a word


def range_filled(
    y: Float[np.ndarray, "h w c"], known: Bool[np.ndarray, "h w c"], full: float = _FULL
) -> tuple[float, float] | None:
    """The part of [0, 1] that a picture fills, with a little more on both sides.

    Args:
        y: the picture.
        known: where it is known; at least one value.
        full: the share of the scale that is taken for all of it.

    Returns:
        `(low, high)`; None if that is `full` or more, if all values are the same, or if few are
        known.
    """
    if known.sum() < _LEAST:
        return None
    low, high = extremes(y, known)
    filled = high - low
    if filled >= full or filled <= 0:
        return None
    margin = (_MARGIN if known.mean() > _MOST else _MARGIN_OF_PART) * filled
    return max(0.0, low - margin), min(1.0, high + margin)


def extremes(y: Float[np.ndarray, "*s"], known: Bool[np.ndarray, "*s"]) -> tuple[float, float]:
    """The least and the greatest known value; infinite if there is none."""
    low, high = y.min(where=known, initial=np.inf), y.max(where=known, initial=-np.inf)
    return float(low), float(high)


def range_of_most(
    y: Float[np.ndarray, "h w c"], known: Bool[np.ndarray, "h w c"]
) -> tuple[float, float] | None:
    """The part of [0, 1] that all but a few values fill; None if that is about all of it.

    The few may be stars or hot pixels: nothing tells, so a picture is not fitted by the others.
    """
    if known.sum() < _LEAST:
        return None
    low, high = np.quantile(y[known], [_FEW, 1 - _FEW])
    return (float(low), float(high)) if 0 < high - low < _LITTLE else None
