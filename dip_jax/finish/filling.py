"""What is filled is brought nearer to the clean picture by the known values around it.

A fit may not have come to what is fine. A Wiener filter (`wiener`) and then Bayes' estimate of
patches from those that are alike (`nonlocal_bayes`), both of the known values, take the network's
image as what they start from (after a few steps its mean with a thin plate, `pilot`). On two cores
that takes 20 seconds per 100,000 pixels, and no clean picture and no training. The numbers were
chosen on photographs of 128 and 256 pixels.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from dip_jax.finish import composite, nonlocal_bayes, wiener
from dip_jax.finish.surface import MOST, alike_in_channels, surface
from dip_jax.forward.data_term import masked_mse
from dip_jax.forward.observation import Observation

Image = Float[np.ndarray, "h w c"]
Known = Bool[np.ndarray, "h w k"]
Values = Float[np.ndarray, " n"]
# Side of the patches of Bayes' estimates, in turn, and the stride from one to the next.
_PASSES = ((7, 4), (7, 4), (7, 4), (7, 4), (5, 2))
_FAR_ENOUGH, _GIVE_OR_TAKE = 1.5, 0.25  # times the Wiener filter's correction of what is filled
_TOO_FAR = 2.0
_OF_MISFIT, _LEAST_MISFIT = 0.5, 1e-3  # of the network, what counts as noise of known values
# Single pixels that are missing lie so near to known ones, in pixels, on average and each of them,
# at most; two thirds missing at random do. And of a missing pixel's eight neighbours as many are
# missing as of all pixels, but for chance; in strokes and holes far more are.
_NEAR, _NEAR_EACH, _BY_CHANCE = 1.2, 5.0, 1.25


def filled(x: Image, observation: Observation, held: Known | None = None) -> Image:
    """The known values of `y`, and between them the network's image, corrected by them twice.

    What is corrected is `x` as it meets the known values (`composite.seamless`). First by the
    difference that `wiener.filled` makes to it, with `x` itself as its pilot, for it has little of
    their noise. That goes in the right direction, but mostly not far enough: 1.5 times the
    difference is added. Then by the difference that some passes of `nonlocal_bayes.filled` make,
    with patches of 7 and at last of 5 pixels, each with the last result as its pilot, which brings
    what is known farther into a hole; half of the root mean square of what the network is off the
    known values counts as their noise.

    Held-out values tell how much each should be in this picture, from 0 to 2 times: all of it is
    done before as if they were unknown, which takes as long again. They say little where they are
    few, and of the inside of large holes.

    Where single pixels are missing all over, held-out ones are like them. There the result is
    compared with a thin plate as well, which is bent to what `x` is off the known values, and has a
    share in the end as large as brings it nearest to the held-out ones: mostly none, but fine
    smooth ridges go on in it better than in anything else.

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

    made_blind = jnp.asarray(_corrected(image, blind, judge))
    times = iter(found)
    made = _corrected(image, observation, lambda *_: next(times))
    known = np.asarray(observation.known) > 0
    alike = alike_in_channels(known) and alike_in_channels(held)
    if not alike or not is_scattered(~known[..., 0]):
        return made
    share = np.float32(np.clip(judge(made_blind, jnp.asarray(_bent(image, blind)), 0.0), 0, 1))
    if not share:
        return made
    bent = made + share * (_bent(image, observation) - made)
    return np.where(known, made, bent)


def is_scattered(missing: Bool[np.ndarray, "h w"]) -> bool:
    """Whether single pixels are missing all over, and so held-out ones are like them.

    Args:
        missing: True where a pixel is.
    """
    from scipy import ndimage

    if not missing.any() or missing.all() or missing.size > MOST:
        return False
    distance = ndimage.distance_transform_edt(missing)
    if distance[missing].mean() > _NEAR or distance.max() > _NEAR_EACH:
        return False
    around = np.ones((3, 3))
    around[1, 1] = 0
    inside = ndimage.convolve(np.ones(missing.shape), around, mode="constant")
    neighbours = ndimage.convolve(missing.astype(float), around, mode="constant")
    return bool(neighbours[missing].sum() <= _BY_CHANCE * missing.mean() * inside[missing].sum())


def _bent(x: Array, observation: Observation) -> Image:
    """`x`, and added to it the thin plate through what it is off the known values; in [0, 1]."""
    known, off = np.asarray(observation.known)[..., :1] > 0, np.asarray(observation.y - x)
    plate = surface(np.where(known, off, np.float32(0)), ~known[..., 0])
    return np.clip(np.asarray(x) + plate, 0, 1)


def _corrected(
    x: Array, observation: Observation, times: Callable[[Array, Array, float], float]
) -> Image:
    """What is filled, corrected twice, and each time by `times(start, end, expected)` of it."""
    y, known = observation.y, observation.known

    def put_in(image):
        return jnp.where(known > 0, y, jnp.clip(image, 0, 1))

    def towards(start, end, expected):
        share = float(np.clip(times(start, end, expected), 0, _TOO_FAR))
        return start + np.float32(share) * (end - start)

    met = composite.seamless(x, observation)
    composed = towards(met, wiener.filled(x, met, y, known), _FAR_ENOUGH)
    # `fmax` also where nothing is known, and the mean is not a number.
    noise = jnp.fmax(_OF_MISFIT * jnp.sqrt(masked_mse(x, y, known)), _LEAST_MISFIT)
    estimate = start = put_in(composed)
    for side, stride in _PASSES:
        estimate = put_in(nonlocal_bayes.filled(y, known, estimate, noise, side, stride))
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
