"""What brings the image of a finished fit nearer to the clean picture.

A fit errs: it has begun to fit the noise, or has not yet come to what is fine. Other means err
elsewhere, and some take the network's image as what they start from: a Wiener filter (`wiener`),
and then Bayes' estimate of patches from those that are alike (`nonlocal_bayes`). In denoising that
is of the degraded picture, with a mean with non-local means before; in filling, of the known
values. On two cores it takes 3 (denoising) to 20 seconds per 100,000 pixels, and no clean picture
and no training.

Source of the non-local means: Buades, Coll, Morel, "A Non-Local Algorithm for Image Denoising",
CVPR 2005, section 3; here that of scikit-image. The numbers were chosen on photographs of 128
and 256 pixels, mostly with noise of 25 (of 255), some with 5 to 50.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from dip_jax import composite, noise_level, nonlocal_bayes, wiener
from dip_jax.forward.observation import Observation, masked_mse

Image = Float[np.ndarray, "h w c"]
Known = Bool[np.ndarray, "h w k"]
Values = Float[np.ndarray, " n"]

_NLM_SHARE = 0.25
_PATCH, _DISTANCE = 5, 6  # side of a patch in pixels, and how far off it is compared
_STRENGTH = 0.45  # the filter's h over the noise's deviation
_WIENER_SHARE = 0.4
_SIDES, _SIDES_TO_FILL = (3, 5, 7), (7, 7, 7, 7, 5)  # of the patches of Bayes' estimates, in turn
_FAR_ENOUGH, _GIVE_OR_TAKE = 1.5, 0.25  # times the Wiener filter's correction of what is filled
_TOO_FAR = 2.0
_OF_MISFIT, _LEAST_MISFIT = 0.5, 1e-3  # of the network, what counts as noise of known values
_PILOT = np.float32(np.sqrt(0.5))  # the pilot lacks some of the picture; so less counts as noise
_OUTLIER = 4.0  # deviations; of normal noise one value in 16,000 is farther off
_LEAST_NOISE = 0.4 / 255  # what rounding to 8 bits amounts to
_NOT_WHITE = 2 / 3  # if white noise is less than this share of the noise, it is not all of it
_IN_COMMON = 0.4  # least correlation of the channels' noise at which it is taken apart
_CLEAR = 3 / 255  # least noise at which that is believed to be of noise, and not of texture
_QUIET = 0.4  # least noise of a channel, of the noisiest one's
_STILL = 0.15  # the same of an axis along which the noise is not correlated
_NOTHING = 1e-6  # so that what is divided by is not 0


def denoised(x: Image, observation: Observation) -> Image:
    """The network's image, refined by three denoisers of the picture `y`.

    First `m = 3/4·x + 1/4·NLM(y)`; then 3/5 of `m` and 2/5 of `y` filtered by `wiener.filtered`,
    for which `m` is the pilot. With that as its pilot, the result is `y` filtered by
    `nonlocal_bayes.filtered`, three times, with patches of 3, 5 and then 7 pixels and with the last
    result as the pilot: the less noise a pilot has, the better it tells which large patches are
    alike.

    Single wrong values would be kept by all of them. So values of `y` that are unknown or more than
    four deviations off `x` are taken from `x` before; that serves as long as no more than a third
    of the values are wrong.

    How strong the noise is, is measured in each channel. Texture adds to that; so if white noise as
    `noise_level.white_deviation` finds it in all channels together is weaker by up to a third, the
    noise of all channels is taken to be weaker by as much. If the channels' noise is clearly
    correlated (by 0.4 or more), as in a grey picture that is stored in colours, axes along which it
    is not are treated as the channels. The noise is taken for white and for as strong in all of a
    channel: noise that is correlated from pixel to pixel, or along the rows, is kept in part, and
    where it is much stronger in one part of the picture than in another, too much of it may be kept
    there.

    Args:
        x: the network's image, in [0, 1].
        observation: what it was fitted to; something of it must be known.

    Returns:
        The refined image, in [0, 1].
    """
    y = np.asarray(observation.y)
    known = np.broadcast_to(np.asarray(observation.known) > 0, y.shape)
    trusted = known & (np.abs(y - x) <= _OUTLIER * _at_least(_noise(x, y, known), _QUIET))
    y = np.where(trusted, y, x)
    axes, weakest = _axes_of_noise(y, trusted)
    if axes is not None:
        x, y = x @ axes, y @ axes
        noise = _at_least(_noise(x, y, trusted.all(axis=2, keepdims=True)), _STILL)
    else:
        measured = _noise(x, y, trusted)
        noise = _at_least(measured, _QUIET)
        if weakest and np.array_equal(noise, measured):  # or it is not as strong in all channels
            white = noise_level.white_deviation(y / noise, trusted)
            if white is not None and _NOT_WHITE * weakest < white < weakest:
                noise *= np.float32(white / weakest)
    # In deviations of the noise, so that one strength serves all channels.
    picture = y / noise
    mean = (1 - _NLM_SHARE) * x / noise + _NLM_SHARE * _nonlocal_means(picture)
    picture, mean = jnp.asarray(picture), jnp.asarray(mean)
    pilot = (1 - _WIENER_SHARE) * mean + _WIENER_SHARE * wiener.filtered(picture, mean, _PILOT)
    for side in _SIDES:
        pilot = nonlocal_bayes.filtered(picture, pilot, 1.0, side)
    image = noise * np.asarray(pilot)
    return np.clip(image if axes is None else image @ axes.T, 0, 1).astype(x.dtype)


def _noise(x: Image, y: Image, known: Known) -> Float[np.ndarray, " c"]:
    """The deviations of the channels' noise."""
    known = np.broadcast_to(known, y.shape)
    channels = zip(*(np.moveaxis(image, -1, 0) for image in (x, y, known)), strict=True)
    return np.array([noise_level.deviation(*channel) for channel in channels], y.dtype)


def _at_least(noise: Float[np.ndarray, " c"], share: float) -> Float[np.ndarray, " c"]:
    """The deviations, none of them less than so much of the largest one."""
    return np.maximum(noise, noise.dtype.type(max(_LEAST_NOISE, share * noise.max())))


def _axes_of_noise(y: Image, noisy: Known) -> tuple[Float[np.ndarray, "c c"] | None, float]:
    """Along which the channels' noise is not correlated.

    The grain of a scanned photograph is much the same in all channels, and a grey picture that is
    stored in colours has the same noise in all of them.

    Returns:
        The axes as columns, if the noise is clearly correlated between the channels; else None. And
        with each channel's noise scaled to a deviation of 1, the least deviation along any axis: 1
        if the channels' noise is independent, less the more it is correlated; 0 if all of it is in
        common, or if there is too little to see.
    """
    covariance = noise_level.noise_covariance(y, noisy)
    if covariance is None:
        return None, 0.0
    deviations = np.maximum(np.sqrt(np.diag(covariance)), _NOTHING)
    correlation = covariance / np.outer(deviations, deviations)
    off_diagonal = correlation[np.triu_indices(len(deviations), 1)]
    clear = off_diagonal.size and deviations.mean() > _CLEAR
    in_common = clear and off_diagonal.mean() > _IN_COMMON
    axes = np.linalg.eigh(covariance)[1].astype(y.dtype) if in_common else None
    return axes, float(np.sqrt(max(np.linalg.eigvalsh(correlation)[0], 0)))


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


def filled(x: Image, observation: Observation, held: Known | None = None) -> Image:
    """The known values of `y`, and between them the network's image, corrected by them twice.

    What is corrected is `x` as it meets the known values (`composite.seamless`). First by the
    difference that `wiener.filled` makes to it, with `x` itself as its pilot, for it has little of
    their noise. That goes in the right direction, but mostly not far enough: 1.5 times the
    difference is added. Then by the difference that five passes of `nonlocal_bayes.filled` make,
    with patches of 7 and at last of 5 pixels, each with the last result as its pilot, which brings
    what is known farther into a hole; half of the root mean square of what the network is off the
    known values counts as their noise.

    Held-out values tell how much each should be in this picture, from 0 to 2 times: all of it is
    done before as if they were unknown. They say little where they are few, and of the inside of
    large holes.

    A network that has not learnt what the picture is about, as after a few steps, is no pilot, and
    then it does harm.

    Args:
        x: the network's image, in [0, 1].
        observation: `y`, and what is known of it.
        held: True where a value was held out of the fit, `(h, w, c)` or `(h, w, 1)`; None if none.

    Returns:
        The composite, in [0, 1].
    """
    image = jnp.asarray(x)
    if held is None or not np.any(held):
        return _corrected(image, observation, lambda start, end, expected: expected)
    blind = observation._replace(known=jnp.where(jnp.asarray(held), 0, observation.known))
    judged = np.broadcast_to((np.asarray(observation.known) > 0) & held, observation.y.shape)
    seen = np.asarray(observation.y)[judged]
    found: list[float] = []

    def judge(start: Array, end: Array, expected: float) -> float:
        found.append(
            _nearest(
                seen,
                np.asarray(start)[judged],
                np.asarray(end)[judged],
                expected=expected,
                give_or_take=_GIVE_OR_TAKE,
            )
        )
        return found[-1]

    _corrected(image, blind, judge)
    times = iter(found)
    return _corrected(image, observation, lambda *_: next(times))


def _corrected(
    x: Array, observation: Observation, times: Callable[[Array, Array, float], float]
) -> Image:
    """What is filled, corrected twice, and each time by `times(start, end, expected)` of it."""
    y, known = observation

    def put_in(image):
        return jnp.where(known > 0, y, jnp.clip(image, 0, 1))

    def towards(start, end, expected):
        share = float(np.clip(times(start, end, expected), 0, _TOO_FAR))
        return start + np.float32(share) * (end - start)

    met = composite.seamless(x, observation)
    composed = towards(met, wiener.filled(x, met, *observation), _FAR_ENOUGH)
    # `fmax` also where nothing is known, and the mean is not a number.
    noise = jnp.fmax(_OF_MISFIT * jnp.sqrt(masked_mse(x, y, known)), _LEAST_MISFIT)
    estimate = start = put_in(composed)
    for side in _SIDES_TO_FILL:
        estimate = put_in(nonlocal_bayes.filled(y, known, estimate, noise, side))
    return np.asarray(put_in(towards(start, estimate, 1.0)))


def _nearest(
    y: Values, start: Values, end: Values, *, expected: float, give_or_take: float
) -> float:
    """How far from `start` towards `end` it is nearest to `y`, from 0 to 1 and beyond.

    By least squares; `expected`, give or take so much, counts as a measurement as well.

    Args:
        y: values that neither of the two has seen.
        start: 0 of the way.
        end: 1 of it.
        expected: the answer where there are no values.
        give_or_take: how far from it the answer may well be.
    """
    way, off = end - start, y - start
    weight = np.square(off).mean() / give_or_take**2 if off.size else 0.0
    if not weight + way @ way:
        return expected
    return float((way @ off + weight * expected) / (way @ way + weight))
