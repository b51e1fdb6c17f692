"""A share of non-local means in the image that a fit gives.

A network and non-local means err differently: the one where it has begun to fit the noise, the
other where no other patch is alike. So a weighted mean of both is nearer to the clean picture than
either, for the time of a few steps. Source of the second: Buades, Coll, Morel, "A Non-Local
Algorithm for Image Denoising", CVPR 2005, section 3; here that of scikit-image. The share, the
patches and the strength were chosen on photographs of 128 pixels with noise of 25 (of 255); the
quality benchmark has what they gain.
"""

import numpy as np
from jaxtyping import Float

from dip_jax.correlated import sign_of_correlation
from dip_jax.observation import Observation

_PATCH, _DISTANCE = 5, 6  # side of a patch in pixels, and how far off it is compared
_STRENGTH = 0.5  # the filter's h over the noise's deviation
_OUTLIER = 4.0  # deviations; of white noise one value in 16,000 is farther off
_NO_NOISE = 0.25 / 255  # less is what 8 bits round off

Image = Float[np.ndarray, "h w c"]


def suitable_share(share: float, observation: Observation) -> float:
    """The share, and 0 where the damage seems to be correlated from pixel to pixel.

    Non-local means would take such damage for the picture and keep it.
    """
    if share == 0:
        return share
    y, known = _arrays(observation)
    return 0.0 if sign_of_correlation(np.where(known, y, np.nan)) else share


def with_nonlocal_means(x: Image, observation: Observation, share: float) -> Image:
    """`(1 − share)·x + share·NLM(y)`.

    Non-local means keep what a patch has in common with no other, single wrong values above all. So
    values of `y` that are unknown or more than four deviations off `x` are taken from `x` before.

    Args:
        x: the network's image, in [0, 1].
        observation: what it was fitted to.
        share: of non-local means, in [0, 1].

    Returns:
        The image, in [0, 1]; `x` itself where the share is 0 or there is no noise.
    """
    if share == 0:
        return x
    y, known = _arrays(observation)
    noise = deviation(y - x, known)
    if noise < _NO_NOISE:
        return x
    from skimage.restoration import denoise_nl_means  # here, because it takes long to import

    trusted = known & (np.abs(y - x) <= _OUTLIER * noise)
    means = denoise_nl_means(
        np.where(trusted, y, x),
        patch_size=_PATCH,
        patch_distance=_DISTANCE,
        h=_STRENGTH * noise,
        sigma=noise,
        fast_mode=True,
        channel_axis=-1,
    )
    means = means.reshape(x.shape)  # which has lost the axis of a single channel
    return np.clip((1 - share) * x + share * means, 0, 1).astype(x.dtype)


def deviation(rest: Float[np.ndarray, "h w c"], known: np.ndarray) -> float:
    """The standard deviation of normal noise by the median of its size, which outliers leave alone.

    Args:
        rest: the noise, with anything where it is not known.
        known: bool, of the same shape.
    """
    return float(np.median(np.abs(rest[known])) / 0.6745)


def _arrays(observation: Observation) -> tuple[Image, np.ndarray]:
    """`y`, and where it is known, value by value."""
    y, known = (np.asarray(array) for array in observation)
    return y, np.broadcast_to(known > 0, y.shape)
