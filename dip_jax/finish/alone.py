"""A picture restored by its own patches, with no network.

The refinement takes an image that it starts from. Mostly that is a network's; here it is a thin
plate through the known pixels, or in denoising what non-local means make of the picture. Where
single pixels or thin strokes are missing, or noise is strong and white, the result is about as good
as with a network, in a small part of the time.
"""

import numpy as np
from jaxtyping import Bool, Float

from dip_jax.finish.denoising import AROUND_ONE, LEAST_NOISE, denoised, deviations
from dip_jax.finish.ensemble import Ending, is_refined
from dip_jax.finish.filling import filled
from dip_jax.finish.pilot import by_the_others, is_narrow
from dip_jax.forward.model import Measured
from dip_jax.forward.observation import Observation
from dip_jax.prepare.nonlocal_means import nonlocal_means
from dip_jax.prepare.prepared import Prepared

Image = Float[np.ndarray, "h w c"]
Known = Bool[np.ndarray, "h w k"]

_JUDGING = 0.05  # of the known pixels, how many are held out
_WRONG = 6.0  # deviations of the noise that a value is off the median of its neighbours


def suffices(prepared: Prepared, how: Ending) -> bool:
    """Whether a picture is one that its patches restore without a network.

    In filling, where the gaps are narrow (`pilot.is_narrow`): inside a wide hole there is nothing
    but what a network makes of it. In denoising, where the result is refined, which it is not where
    noise is correlated, for patches would take that for the picture; and where no value is missing.

    Args:
        prepared: the picture.
        how: it becomes the picture given.
    """
    observation = prepared.observation
    if isinstance(observation.forward, Measured) or not how.refine:
        return False
    known = np.asarray(observation.known) > 0
    if how.seamless:
        return is_narrow(known)
    there = known if prepared.still is None else known | prepared.still[..., None]
    return bool(there.all()) and is_refined(how, observation, prepared.striped)


def restored_alone(
    observation: Observation, how: Ending, noise: Float[np.ndarray, " c"] | None = None
) -> Image:
    """A picture, refined with no network's image.

    Args:
        observation: `y`, and what is known of it; of a picture for which it `suffices`.
        how: it becomes the picture given. In filling, where it is judged, one known pixel in twenty
            is held out to tell how far the refinement should go. In denoising single wrong values
            are kept in detail where the noise is below 22 of 255 and they are rarer in flat parts.
        noise: the deviations of its noise, where they were measured in a larger picture.

    Returns:
        The image, in [0, 1]; in filling with the known values in it.
    """
    y = np.asarray(observation.y)
    if how.seamless:
        known = np.asarray(observation.known) > 0
        held = _some(known) if how.judged else None
        seen = known if held is None else known & ~held
        return filled(by_the_others(y, seen[..., 0]), observation, held, alone=True)
    if noise is None:
        noise = deviations(observation)
    x = _without_wrong_values(y, np.maximum(noise, LEAST_NOISE).astype(y.dtype))
    return denoised(x, observation, alone=True, measured=noise)


def _some(known: Known) -> Bool[np.ndarray, "h w 1"]:
    return known[..., :1] & (np.random.default_rng(1).random((*known.shape[:2], 1)) < _JUDGING)


def _without_wrong_values(y: Image, noise: Float[np.ndarray, " c"]) -> Image:
    """Non-local means of the picture, in which single values have no say that are far off others.

    Else they would be in these means as well, and not be found by being far off them.
    """
    from scipy.ndimage import median_filter

    median = median_filter(y, footprint=AROUND_ONE)
    y = np.where(np.abs(y - median) > _WRONG * noise, median, y)
    return np.clip(nonlocal_means(y / noise) * noise, 0, 1).astype(y.dtype)
