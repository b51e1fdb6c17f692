"""A share of non-local means in the image that a fit gives.

A network and non-local means err differently: the one where it has begun to fit the noise, the
other where no patch is alike. So a weighted mean of both can be nearer to the clean picture than
either, for the time of a few steps. Source of the second: Buades, Coll, Morel, "A Non-Local
Algorithm for Image Denoising", CVPR 2005, section 3; here that of scikit-image. Patches and
strength were chosen on photographs of 128 pixels with noise of 25 (of 255).
"""

import numpy as np
from jaxtyping import Bool, Float

from dip_jax.observation import Observation

Image = Float[np.ndarray, "h w c"]
Known = Bool[np.ndarray, "h w c"]

_PATCH, _DISTANCE = 5, 6  # side of a patch in pixels, and how far off it is compared
_STRENGTH = 0.45  # the filter's h over the noise's deviation
_OUTLIER = 4.0  # deviations; of normal noise one value in 16,000 is farther off
_LEAST_NOISE = 0.4 / 255  # what rounding to 8 bits amounts to
_FITTED = 1.5  # how much larger than what a network leaves the noise may be; more is texture
_QUIET = 0.4  # a channel's noise counts as no smaller part of the noisiest one's
_OF_NORMAL = 0.6745  # the median of the size of standard normal noise


def with_nonlocal_means(x: Image, observation: Observation, share: float) -> Image:
    """`(1 − share)·x + share·NLM(y)`.

    Non-local means keep what a patch has in common with no other, single wrong values above all. So
    values of `y` that are unknown or more than four deviations off `x` are taken from `x` before;
    that serves as long as fewer than half of the values are wrong. Noise that is correlated from
    pixel to pixel they would keep.

    Args:
        x: the network's image, in [0, 1].
        observation: what it was fitted to; something of it must be known.
        share: of non-local means, in [0, 1].

    Returns:
        The image, in [0, 1]; `x` itself where the share is 0.
    """
    if share == 0:
        return x
    y = np.asarray(observation.y)
    known = np.broadcast_to(np.asarray(observation.known) > 0, y.shape)
    noise = np.array(
        [deviation(*channel) for channel in zip(*map(_channels, (x, y, known)), strict=True)]
    )
    noise = np.maximum(noise, max(_LEAST_NOISE, _QUIET * noise.max())).astype(y.dtype)
    trusted = known & (np.abs(y - x) <= _OUTLIER * noise)
    from skimage.restoration import denoise_nl_means  # here, because it takes long to import

    means = denoise_nl_means(
        np.where(trusted, y, x) / noise,  # so that one strength serves all channels
        patch_size=_PATCH,
        patch_distance=_DISTANCE,
        h=_STRENGTH,
        sigma=1.0,
        fast_mode=True,
        channel_axis=-1,
    )
    means = noise * means.reshape(x.shape)  # which has lost the axis of a single channel
    return np.clip((1 - share) * x + share * means, 0, 1).astype(x.dtype)


def deviation(
    x: Float[np.ndarray, "h w"], y: Float[np.ndarray, "h w"], known: Bool[np.ndarray, "h w"]
) -> float:
    """The standard deviation of the noise in one channel, by medians, which outliers leave alone.

    It is that of `y − x`, which lacks the noise that the network has fitted; so if it is larger,
    that of the second differences `y[i, j] − y[i, j+1] − y[i+1, j] + y[i+1, j+1]`, which a picture
    leaves nearly alone where it is smooth, but at most half as much again. The known values alone
    have a say; 0 if there are none.
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


def _channels(image: np.ndarray) -> np.ndarray:
    return np.moveaxis(image, -1, 0)
