"""How strong the noise of a picture is, by what the picture itself tells.

Images are `(h, w, c)`, of any range.
"""

import numpy as np
from jaxtyping import Bool, Float
from numpy.lib.stride_tricks import sliding_window_view

_FITTED = 1.5  # how much larger than what a network leaves the noise may be; more is texture
_OF_NORMAL = 0.6745  # the median of the size of standard normal noise
_PATCH = 5  # side in pixels
_NUMBERS = 20_000_000  # in the patches that are looked at, which bounds time and memory
_PER_VALUE = 20  # so many patches for each value of one, or their covariance says too little


def deviation(
    x: Float[np.ndarray, "h w"], y: Float[np.ndarray, "h w"], known: Bool[np.ndarray, "h w"]
) -> float:
    """The standard deviation of the noise in one channel, by medians, which outliers leave alone.

    It is that of `y − x`, which lacks the noise that the network has fitted; so if it is larger,
    that of the second differences `y[i, j] − y[i, j+1] − y[i+1, j] + y[i+1, j+1]`, which a picture
    leaves nearly alone where it is smooth, but at most half as much again. The known values alone
    have a say; 0 if there are none.

    Args:
        x: the network's image.
        y: the noisy picture.
        known: where `y` is known.
    """
    if not known.any():
        return 0.0
    left = float(np.median(np.abs(y - x)[known])) / _OF_NORMAL
    differences = (y[1:, 1:] - y[1:, :-1] - y[:-1, 1:] + y[:-1, :-1]) / 2
    whole = known[1:, 1:] & known[1:, :-1] & known[:-1, 1:] & known[:-1, :-1]
    if not whole.any():
        return left
    own = float(np.median(np.abs(differences[whole]))) / _OF_NORMAL
    return min(max(left, own), _FITTED * left)


def white_deviation(
    y: Float[np.ndarray, "h w c"], noisy: Bool[np.ndarray, "h w c"]
) -> float | None:
    """The standard deviation of white noise that is as strong in all channels.

    The patches of a picture vary in a few directions of the many that there are, while its white
    noise is equally strong in all. So the smallest eigenvalues of their covariance are its
    variance: the largest are left out until the mean of the others is no more than their median.

    Of noise that is not white, or not as strong in all channels, it finds less than there is.

    Source: Chen, Zhu, Heng, "An Efficient Statistical Method for Image Noise Level Estimation",
    ICCV 2015, algorithm 1, with smaller patches and all channels in one.

    Args:
        y: the noisy picture.
        noisy: False where a value of it has no noise, having been put there.

    Returns:
        The deviation; None if the picture is too small for it to be found.
    """
    h, w, channels = y.shape
    values = _PATCH**2 * channels
    count = max(h - _PATCH + 1, 0) * max(w - _PATCH + 1, 0)
    apart = -(-count * values // _NUMBERS)  # of the rows of patches, one in so many
    if not noisy.any() or count < _PER_VALUE * values * max(apart, 1):
        return None
    patches = sliding_window_view(y.astype(np.float64), (_PATCH, _PATCH), axis=(0, 1))[::apart]
    spread = np.linalg.eigvalsh(np.cov(patches.reshape(-1, values), rowvar=False))  # ascending
    kept = values
    while spread[:kept].mean() > np.median(spread[:kept]):
        kept -= 1
    # A value without noise takes its share of it from the mean.
    return float(np.sqrt(max(spread[:kept].mean(), 0) / noisy.mean()))
