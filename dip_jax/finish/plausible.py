"""What a network made inside a wide hole, tried against the smooth surface through the picture.

Nothing holds a network inside a wide hole. Mostly it goes on there with what is around; but it may
also make a blob of another colour, where all around is flat. No known pixel tells.

The smooth surface through the known pixels has no detail, but never a blob. How much it errs is
measured around, on each side of the hole (`surface`). Two guesses are about as far apart as both
together err. So where the network's image is farther from the surface than that errs nearly
anywhere around, it is the network that errs, and the surface takes its place.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from dip_jax.finish.composite import seamless
from dip_jax.finish.surface import alike_in_channels, beside, error_of_surface, filled_in
from dip_jax.forward.observation import Observation

Image = Float[np.ndarray, "h w c"]
Mask = Bool[np.ndarray, "h w"]

_WIDE = 6.0  # pixels from the inmost pixel of a hole to the nearest known one: 12 wide, or 11
_MOST = 6000  # pixels of a hole: for more the surface takes long, and tells little
_AWAY = (10, 18, 28, 40, 60)  # pixels that the hole's shape is moved, or as few as will do
_FEWEST = 3  # sides of a hole that must have room for its shape
_BUT = 1  # of the sides of a hole, how many are left out because the surface errs there most
# How many times the surface's mean squared error the network's must be: from the first of these on
# the surface has a share, and from the second on it takes all of the hole. They and the sides were
# chosen on 110 holes in six photographs.
_WORSE, _MUCH_WORSE = 1.0, 1.15
_LEAST = 1e-8


def plausible(x: Image, observation: Observation) -> Image:
    """The network's image, and instead of it the smooth surface where it cannot be the picture.

    Args:
        x: the network's image, in [0, 1].
        observation: `y`, and what is known of it; where the channels are not alike in that, the
            network's image stays as it is.

    Returns:
        `x`, changed alone in wide holes with known pixels all around, so that what
        `composite.seamless` makes of them is the surface.
    """
    from scipy import ndimage

    known = np.asarray(observation.known) > 0
    unknown = ~known[..., 0]
    if not alike_in_channels(known):
        return x
    holes, count = ndimage.label(unknown, np.ones((3, 3)))
    inmost = ndimage.distance_transform_edt(unknown)
    numbers = np.arange(1, count + 1)
    wide = np.asarray(ndimage.maximum(inmost, holes, numbers)) >= _WIDE
    wide &= np.bincount(holes.ravel(), minlength=count + 1)[1:] <= _MOST
    for side in (holes[0], holes[-1], holes[:, 0], holes[:, -1]):
        wide[side[side > 0] - 1] = False  # beyond the border there is nothing to go by
    if not wide.any():
        return x
    # What is added to meet the known pixels depends on them alone; half way, none of it is clipped.
    half = np.where(unknown[..., None], np.float32(0.5), np.asarray(x))
    raw = x + np.asarray(seamless(jnp.asarray(half), observation)) - np.float32(0.5)
    met = np.where(unknown[..., None], np.clip(raw, 0, 1), np.asarray(observation.y))
    places = ndimage.find_objects(holes)
    image = np.array(x)
    for number in numbers[wide]:
        here = tuple(
            slice(max(side.start - max(_AWAY), 0), side.stop + max(_AWAY))
            for side in places[number - 1]
        )
        hole = holes[here] == number
        there, share = _tried(met[here], hole, unknown[here])
        if share:
            image[here][hole] += np.float32(share) * (there - raw[here])[hole]
    return image


def _tried(met: Image, hole: Mask, unknown: Mask) -> tuple[Image, float]:
    """The surface in one hole, and how much of the network's image there it is to replace.

    Args:
        met: the picture around the hole, filled by the network.
        hole: its pixels.
        unknown: those of all holes.
    """
    there = filled_in(met, hole)
    shapes = beside(hole, unknown, _AWAY)
    if len(shapes) < _FEWEST:
        return there, 0.0
    errors = sorted(error_of_surface(met, hole, one) for one in shapes)
    of_surface = max(errors[-1 - _BUT], _LEAST)
    of_network = float(np.square(there - met)[hole].mean()) - of_surface
    share = (of_network / of_surface - _WORSE) / (_MUCH_WORSE - _WORSE)
    return there, float(np.clip(share, 0, 1))
