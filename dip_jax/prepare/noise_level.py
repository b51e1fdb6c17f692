"""How strong the noise of a picture is, by what the picture itself tells.

Images are `(h, w, c)`, of any range.
"""

import math

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy.lib.stride_tricks import sliding_window_view

_FITTED = 1.5  # how much larger than what a network leaves the noise may be; more is texture
_TEXTURED = 1.5  # the same over that of the flattest blocks
_OF_NORMAL = 0.6745  # the median of the size of standard normal noise
_BLOCK, _BLOCKS = 8, 6  # side of a block in pixels, and how many say enough
_PATCH = 5  # side of a patch in pixels
_NUMBERS = 20_000_000  # in the patches that are looked at, which bounds time and memory
_PER_VALUE = 20  # so many patches for each value of one, or their covariance says too little


def deviation(
    x: Float[np.ndarray, "h w"], y: Float[np.ndarray, "h w"], known: Bool[np.ndarray, "h w"]
) -> float:
    """The standard deviation of the noise in one channel, by medians, which outliers leave alone.

    It is that of `y − x`, which lacks the noise that has been fitted; so if it is larger,
    that of the second differences, in which a picture leaves nothing where it is smooth, but at
    most half as much again. The known values alone have a say; 0 if there are none.

    Args:
        x: an image of it with less noise: the network's, or one of medians.
        y: the noisy picture.
        known: where `y` is known.
    """
    if not known.any():
        return 0.0
    left = middle(np.abs(y - x)[known])
    whole = second_differences_known(known)
    if not whole.any():
        return left
    own = middle(np.abs(second_differences(y)[whole]))
    return min(max(left, own), _FITTED * left)


def roughly(
    y: Float[np.ndarray, "h w c"],
    known: Bool[np.ndarray, "h w c"],
    flat: Float[np.ndarray, "c c"] | None,
) -> float:
    """The standard deviation of the noise, quickly, and with some of the texture in it.

    That of the second differences by their median, the mean of the channels; but at most half as
    much again as in the flattest blocks, where there are enough of these.

    Args:
        y: the noisy picture.
        known: where it is known.
        flat: the `noise_covariance` of these.
    """
    whole = second_differences_known(known)
    differences = np.abs(second_differences(y))
    found = [middle(one[there]) for one, there in _channels(differences, whole) if there.any()]
    if not found:
        return 0.0
    everywhere = float(np.mean(found))
    if flat is None:
        return everywhere
    return min(everywhere, _TEXTURED * float(np.sqrt(np.diag(flat).mean())))


def _channels(*images):
    return zip(*(np.moveaxis(image, 2, 0) for image in images), strict=True)


def middle(sizes: Float[np.ndarray, " n"]) -> float:
    """The deviation of normal noise by the median of its size, with no steps from value to value.

    The median of noise that is rounded is a whole number of levels, which can be off by 3 % in 8
    bits. So it is the mean of the middle fifth, which is as robust.

    Args:
        sizes: absolute values of noise, in any order; at least one.
    """
    low, high = math.floor(0.4 * (sizes.size - 1)), math.ceil(0.6 * (sizes.size - 1))
    ordered = np.partition(sizes, (low, high))
    return float(ordered[low : high + 1].mean(dtype=np.float64)) / _OF_NORMAL


def noise_covariance(
    y: Float[np.ndarray, "h w c"], noisy: Bool[np.ndarray, "h w c"]
) -> Float[np.ndarray, "c c"] | None:
    """The covariance of the channels' noise, where the picture has least texture.

    For the channels have texture in common as well. It is that of the mixed second differences in
    the flattest tenth of the blocks of 8 x 8 of them: up to 40 % less than in the whole picture,
    but correlated as there.

    Args:
        y: the noisy picture.
        noisy: False where a value of it has no noise, having been put there.

    Returns:
        The covariance; None if there are too few blocks.
    """
    differences = second_differences(y)
    # A channel without any difference is clipped there.
    whole = np.all(second_differences_known(noisy) & (differences != 0), axis=2)
    seen, some = (
        blocks(values, _BLOCK) for values in (differences * whole[..., None], whole[..., None])
    )
    counts = some.sum(axis=(1, 2))
    enough = counts >= _BLOCK**2 // 4
    if enough.sum() < _BLOCKS:
        return None
    seen, counts = seen[enough], counts[enough]
    energy = np.square(seen).sum(axis=(1, 2), dtype=np.float64) / counts
    flattest = np.argsort(energy, kind="stable")[: max(_BLOCKS, len(energy) // 10)]
    values = seen[flattest].reshape(-1, y.shape[2]).astype(np.float64)
    return values.T @ values / counts[flattest].sum()


def blocks(values: Shaped[np.ndarray, "h w *c"], side: int) -> Shaped[np.ndarray, "blocks n *c"]:
    """The squares of so many pixels a side, side by side; what is left at the end has none."""
    h, w = (length // side for length in values.shape[:2])
    rest = values.shape[2:]
    cut = values[: h * side, : w * side].reshape(h, side, w, side, *rest)
    return cut.swapaxes(1, 2).reshape(h * w, side**2, *rest)


def second_differences(y: Float[np.ndarray, "h w *c"]) -> Float[np.ndarray, "h-1 w-1 *c"]:
    """The mixed ones `(y[i, j] − y[i, j+1] − y[i+1, j] + y[i+1, j+1]) / 2`; noise as in `y`."""
    return (y[1:, 1:] - y[1:, :-1] - y[:-1, 1:] + y[:-1, :-1]) / 2


def second_differences_known(known: Bool[np.ndarray, "h w *c"]) -> Bool[np.ndarray, "h-1 w-1 *c"]:
    """Where all four values of a second difference are."""
    return known[1:, 1:] & known[1:, :-1] & known[:-1, 1:] & known[:-1, :-1]


def white_deviation(
    y: Float[np.ndarray, "h w c"], noisy: Bool[np.ndarray, "h w c"]
) -> float | None:
    """The standard deviation of white noise that is as strong in all channels.

    The patches of a picture vary in a few directions of the many that there are, while its white
    noise is equally strong in all. So the smallest eigenvalues of their covariance are its
    variance: the largest are left out until the mean of the others is no more than their median.

    That holds of noise of which no two channels have a part in common, and which is equally strong
    in all of them. Where they have, it finds that of the axis along which there is least; of other
    noise it mostly finds less than there is; and in a picture of nothing but fine texture it finds
    noise that there is not.

    Source: Chen, Zhu, Heng, "An Efficient Statistical Method for Image Noise Level Estimation",
    ICCV 2015, algorithm 1; with smaller patches, of a large picture with some of them, and with the
    mean no more than the median as the end of the search.

    Args:
        y: the noisy picture.
        noisy: False where a value of it has no noise, having been put there.

    Returns:
        The deviation; None if the picture is too small for it to be found, or has more than 40
        channels.
    """
    h, w, channels = y.shape
    values = _PATCH**2 * channels
    count = max(h - _PATCH + 1, 0) * max(w - _PATCH + 1, 0)
    step = -(-count * values // _NUMBERS)  # of the rows of patches, one in so many
    if not noisy.any() or count < _PER_VALUE * values * max(step, 1):
        return None
    patches = sliding_window_view(y.astype(np.float64), (_PATCH, _PATCH), axis=(0, 1))[::step]
    eigenvalues = np.linalg.eigvalsh(np.cov(patches.reshape(-1, values), rowvar=False))  # ascending
    kept = values
    while eigenvalues[:kept].mean() > np.median(eigenvalues[:kept]):
        kept -= 1
    # A value without noise takes its share of it from the mean.
    return float(np.sqrt(max(eigenvalues[:kept].mean(), 0) / noisy.mean()))
