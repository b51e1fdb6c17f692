"""What is filled is brought nearer to the clean picture by the known values around it.

A fit may not have come to what is fine. A Wiener filter (`wiener`) and then Bayes' estimate of
patches from those that are alike (`nonlocal_bayes`), both of the known values, take the network's
image as what they start from (after a few steps its mean with a thin plate, `pilot`). On two cores
that takes 20 seconds per 100,000 pixels, or 40 where the network's image has a rival, and no clean
picture and no training. The numbers were chosen on photographs of 128 and 256 pixels.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from dip_jax.finish import composite, nonlocal_bayes, wiener
from dip_jax.finish.pilot import by_the_others
from dip_jax.finish.surface import MOST, alike_in_channels, surface
from dip_jax.forward.data_term import masked_mse
from dip_jax.forward.observation import Observation

Image = Float[np.ndarray, "h w c"]
Known = Bool[np.ndarray, "h w k"]
Values = Float[np.ndarray, " n"]
# What is filled as if the held-out values were unknown, and by all that is known.
_Made = tuple[Image, Callable[[], Image]]
# Side of the patches of Bayes' estimates, in turn, and the stride from one to the next.
_PASSES = ((7, 4), (7, 4), (7, 4), (7, 4), (5, 2))
# Times the two corrections of what is filled, from a network's image and from a thin plate.
_FAR_ENOUGH, _FROM_PLATE, _GIVE_OR_TAKE = (1.5, 1.0), (0.65, 1.15), 0.25
_TOO_FAR = 2.0
_OF_MISFIT, _LEAST_MISFIT = 0.5, 1e-3  # of the network, what counts as noise of known values
# Single pixels that are missing lie so near to known ones, in pixels, on average and each of them,
# at most; two thirds missing at random do. And of a missing pixel's eight neighbours as many are
# missing as of all pixels, but for chance; in strokes and holes far more are.
_NEAR, _NEAR_EACH, _BY_CHANCE = 1.2, 5.0, 1.25
_INSIDE, _MORE = 4.0, 0.1  # pixels from the nearest known one; how many more are missing there
_LARGE = 100_000  # pixels of a picture in which a network has not come far in its steps
# How much more than all errors it counts that shares are 1 together; and what is too small for one.
_TOGETHER, _NO_SHARE = 100.0, 0.02


def filled(
    x: Image, observation: Observation, held: Known | None = None, *, alone: bool = False
) -> Image:
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
    few, and of the inside of holes: where of what is missing a tenth more than of them lies
    more than four pixels inside, they are not asked, which on six photographs is as good on
    average, and takes half of the time. Without them a plate is corrected 0.65 and 1.15 times, on
    five photographs as good as with them.

    Where single pixels are missing all over, held-out ones are like them. There the result is
    compared with a thin plate as well, which is bent to what `x` is off the known values, and has a
    share in the end as large as brings it nearest to the held-out ones: mostly none, but fine
    smooth ridges go on in it better than in anything else. And where the picture is large, so that
    a network has not come far, with what all of this makes of a thin plate in place of `x`: in
    three photographs of 512² pixels that has 0.2 to all of the result, which gains 0.14 to 0.26 dB.

    A network that has not learnt what the picture is about, as after a few steps, is no pilot, and
    then it does harm.

    Args:
        x: the network's image, in [0, 1].
        observation: `y`, and what is known of it.
        held: True where a value was held out of the fit, `(h, w, c)` or `(h, w, 1)`; None if none.
        alone: whether `x` is no network's image, but such a plate itself.

    Returns:
        The composite, in [0, 1].
    """
    image = jnp.asarray(x)
    far_enough = _FROM_PLATE if alone else _FAR_ENOUGH
    if held is None or not np.any(held) or _are_inside(observation, held):
        return _corrected(image, observation, far_enough, lambda start, end, expected: expected)
    blind = observation._replace(known=jnp.where(jnp.asarray(held), 0, observation.known))
    judged = np.broadcast_to((np.asarray(observation.known) > 0) & held, observation.y.shape)
    seen = np.asarray(observation.y)[judged]

    def judge(start: Array, end: Array, expected: float) -> float:
        return _nearest(
            seen,
            np.asarray(start)[judged],
            np.asarray(end)[judged],
            expected=expected,
            give_or_take=_GIVE_OR_TAKE,
        )

    def corrected(pilot: Array, far_enough: tuple[float, float]) -> _Made:
        found: list[float] = []

        def judge_and_keep(start: Array, end: Array, expected: float) -> float:
            found.append(judge(start, end, expected))
            return found[-1]

        made_blind = _corrected(pilot, blind, far_enough, judge_and_keep)
        times = iter(found)
        return made_blind, lambda: _corrected(
            pilot, observation, far_enough, lambda *_: next(times)
        )

    made, known = [corrected(image, far_enough)], np.asarray(observation.known) > 0
    if alike_in_channels(held) and is_scattered(~known):
        made.append(_bent_by_both(image, blind, observation))
        if not alone and _is_large(known):
            plate = by_the_others(np.asarray(observation.y), (known & ~held)[..., 0])
            made.append(corrected(jnp.asarray(plate), _FROM_PLATE))
            made.append(_bent_by_both(jnp.asarray(plate), blind, observation))
    shares = _shares(np.stack([np.asarray(one[0])[judged] - seen for one in made]))
    mean = sum(np.float32(s) * one[1]() for s, one in zip(shares, made, strict=True) if s)
    return np.where(known, np.asarray(observation.y), mean)


def _are_inside(observation: Observation, held: Known) -> bool:
    """Whether more of what is missing than of the held-out values lies inside holes.

    Single pixels that are missing all over lie as far from known ones as those that are held out,
    however many there are. A pixel of which one channel is known is not missing here.
    """
    from scipy import ndimage

    missing = np.asarray((np.asarray(observation.known) <= 0).all(axis=2))
    out = np.asarray(held.any(axis=2)) & ~missing

    def inside(of: Bool[np.ndarray, "h w"], unseen: Bool[np.ndarray, "h w"]) -> float:
        distance = ndimage.distance_transform_edt(unseen)
        return float((distance[of] > _INSIDE).mean()) if of.any() else 0.0

    return inside(missing, missing) - inside(out, missing | out) > _MORE


def _bent_by_both(x: Array, blind: Observation, observation: Observation) -> _Made:
    return _bent(x, blind), lambda: _bent(x, observation)


def _shares(errors: Float[np.ndarray, "k n"]) -> Float[np.ndarray, " k"]:
    """The shares, from 0 to 1 and together 1, with which the mean of some images errs the least.

    That all of it is the first image's, give or take so much, counts as a measurement as well.

    Source: Breiman, "Stacked Regressions", Machine Learning 24 (1996), section 3.

    Args:
        errors: of each image at held-out values.
    """
    from scipy.optimize import nnls

    count, least = len(errors), np.sqrt(np.square(errors[0]).mean())
    if count == 1 or not least:
        return np.eye(count)[0]
    doubt = least / _GIVE_OR_TAKE * np.eye(count)[1:]
    together = _TOGETHER * np.linalg.norm(errors) * np.ones((1, count))
    rows = np.concatenate([errors.T, doubt, together])
    shares, _ = nnls(rows, np.append(np.zeros(len(rows) - 1), together[0, 0]))
    shares = np.where(shares < _NO_SHARE, 0, shares)
    return np.asarray(shares / shares.sum())


def is_large_and_scattered(missing: Known) -> bool:
    """Whether single pixels are missing all over a picture that a network has not come far in.

    Args:
        missing: True where a value is.
    """
    return _is_large(missing) and is_scattered(missing)


def _is_large(values: Known) -> bool:
    return values[..., 0].size > _LARGE


def is_scattered(values: Known) -> bool:
    """Whether single pixels are missing all over, and so held-out ones are like them.

    Args:
        values: True where one is missing.
    """
    from scipy import ndimage

    missing: Bool[np.ndarray, "h w"] = values[..., 0]
    if not alike_in_channels(values):
        return False
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
    x: Array,
    observation: Observation,
    far_enough: tuple[float, float],
    times: Callable[[Array, Array, float], float],
) -> Image:
    """What is filled, corrected twice, and each time by `times(start, end, expected)` of it."""
    y, known = observation.y, observation.known

    def put_in(image):
        return jnp.where(known > 0, y, jnp.clip(image, 0, 1))

    def towards(start, end, expected):
        share = float(np.clip(times(start, end, expected), 0, _TOO_FAR))
        return start + np.float32(share) * (end - start)

    met = composite.seamless(x, observation)
    composed = towards(met, wiener.filled(x, met, y, known), far_enough[0])
    # `fmax` also where nothing is known, and the mean is not a number.
    noise = jnp.fmax(_OF_MISFIT * jnp.sqrt(masked_mse(x, y, known)), _LEAST_MISFIT)
    estimate = start = put_in(composed)
    for side, stride in _PASSES:
        estimate = put_in(nonlocal_bayes.filled(y, known, estimate, noise, side, stride))
    return np.asarray(put_in(towards(start, estimate, far_enough[1])))


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
