"""What brings the image of a finished fit nearer to the clean picture.

A fit errs: it has begun to fit the noise, or has not yet come to what is fine. Other means err
elsewhere, and some take the network's image as what they start from. In denoising that is a mean
with non-local means and then with a Wiener filter, both of the degraded picture; in filling, a
Wiener filter that corrects what is filled (`wiener.filled`). All of it takes the time of a few
steps of the fit, and no clean picture and no training.

Source of the non-local means: Buades, Coll, Morel, "A Non-Local Algorithm for Image Denoising",
CVPR 2005, section 3; here that of scikit-image. The numbers were chosen on photographs of 128
pixels with noise of 25 (of 255).
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from dip_jax import composite, wiener
from dip_jax.observation import Observation

Image = Float[np.ndarray, "h w c"]
Known = Bool[np.ndarray, "h w k"]
Values = Float[np.ndarray, " n"]

_NLM_SHARE = 0.25
_PATCH, _DISTANCE = 5, 6  # side of a patch in pixels, and how far off it is compared
_STRENGTH = 0.45  # the filter's h over the noise's deviation
_PASSES = 2  # of the Wiener filter; in each the last one's mean is the pilot
_LEAST_SHARE, _OF_THE_BEST = 0.2, 0.4  # of the filter's result, and of what held-out values say
_EXPECTED, _WEIGHT = 0.5, 4.0  # what they say where there are none, as if by so many
_PILOT = np.float32(np.sqrt(0.5))  # the pilot lacks some of the picture; so less counts as noise
_OUTLIER = 4.0  # deviations; of normal noise one value in 16,000 is farther off
_LEAST_NOISE = 0.4 / 255  # what rounding to 8 bits amounts to
_FITTED = 1.5  # how much larger than what a network leaves the noise may be; more is texture
_QUIET = 0.4  # a channel's noise counts as no smaller part of the noisiest one's
_OF_NORMAL = 0.6745  # the median of the size of standard normal noise


def denoised(x: Image, observation: Observation, held: Known | None = None) -> Image:
    """The network's image, refined by two denoisers of the picture `y`.

    First `m = 3/4·x + 1/4·NLM(y)`; then, twice, a mean `m + a·(w − m)`, where `w` is `y` filtered
    by `wiener.filtered`, for which `m` is the pilot, and in the second pass the first one's mean.

    How large the share a should be differs from picture to picture: much where the network has not
    come to what is fine, little where there are but smooth parts and edges. Held-out values tell:
    all of it is done a second time without them, and then `y` at them has noise that nothing else
    has. The share with which the mean would be nearest to it there is too large, as the network is
    worse at these values and the filter knows less; so a = 0.2 + 0.4 of it. Without any, a = 0.4.

    Single wrong values would be kept by both. So values of `y` that are unknown or more than four
    deviations off `x` are taken from `x` before; that serves as long as no more than a third of the
    values are wrong. The noise is taken for white and for as strong in all of a channel: noise that
    is correlated, as from pixel to pixel or along the rows, is kept in part, and where it is much
    stronger in one part of the picture than in another, too much of it may be kept there.

    Args:
        x: the network's image, in [0, 1].
        observation: what it was fitted to; something of it must be known.
        held: True where a value was held out of the fit, `(h, w, c)` or `(h, w, 1)`; None if none.

    Returns:
        The refined image, in [0, 1].
    """
    y = np.asarray(observation.y)
    known = np.broadcast_to(np.asarray(observation.known) > 0, y.shape)
    noise = np.array(
        [deviation(*channel) for channel in zip(*map(_channels, (x, y, known)), strict=True)]
    )
    noise = np.maximum(noise, max(_LEAST_NOISE, _QUIET * noise.max())).astype(y.dtype)
    trusted = known & (np.abs(y - x) <= _OUTLIER * noise)
    # In deviations of the noise, so that one strength serves all channels.
    y, x = y / noise, x / noise
    judged = trusted & (False if held is None else held)
    pictures = [np.where(trusted, y, x)]
    if judged.any():
        pictures.append(np.where(judged, x, pictures[0]))
    means = [(1 - _NLM_SHARE) * x + _NLM_SHARE * _nonlocal_means(picture) for picture in pictures]
    pilots = means
    for _ in range(_PASSES):
        kept = [
            np.asarray(wiener.filtered(jnp.asarray(picture), jnp.asarray(pilot), _PILOT))
            for picture, pilot in zip(pictures, pilots, strict=True)
        ]
        share = _share(y[judged], means[-1][judged], kept[-1][judged])
        pilots = [mean + share * (k - mean) for mean, k in zip(means, kept, strict=True)]
    return np.clip(noise * pilots[0], 0, 1).astype(x.dtype)


def _share(y: Values, mean: Values, kept: Values) -> np.float32:
    """How much of `kept` there should be in its mean with `mean`, by values `y` with own noise."""
    apart = kept - mean
    best = (apart @ (y - mean) + _WEIGHT * _EXPECTED) / (apart @ apart + _WEIGHT)
    return np.float32(np.clip(_LEAST_SHARE + _OF_THE_BEST * best, 0, 1))


def _nonlocal_means(picture: Image) -> Image:
    """Of a picture with noise of deviation 1."""
    from skimage.restoration import denoise_nl_means  # here, because it takes long to import

    means = denoise_nl_means(
        picture,
        patch_size=_PATCH,
        patch_distance=_DISTANCE,
        h=_STRENGTH,
        sigma=1.0,
        fast_mode=True,
        channel_axis=-1,
    )
    return means.reshape(picture.shape)  # it has lost the axis of a single channel


def filled(x: Image, observation: Observation) -> Image:
    """The known values of `y`, and between them what `wiener.filled` makes of the network's image.

    That starts from `x` as it is corrected to meet the known values (`composite.seamless`), and
    `x` itself is its pilot, for it has little of their noise. A network that has not learnt what
    the picture is about, as after a few steps, is no pilot, and then it does harm.

    Args:
        x: the network's image, in [0, 1].
        observation: `y`, and what is known of it.

    Returns:
        The composite, in [0, 1].
    """
    image = jnp.asarray(x)
    met = composite.seamless(image, observation)
    return np.asarray(wiener.filled(image, met, *observation))


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
