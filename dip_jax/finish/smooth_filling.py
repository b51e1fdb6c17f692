"""Filling where a picture is smooth: what the network lacks is continued by a thin plate.

A large photograph is mostly smooth from pixel to pixel. Across a thin scratch there, the smoothest
surface through the known pixels (the biharmonic one, a thin plate that is bent to them) errs less
than a network that was fitted for some seconds. In fine detail it is the other way around. So what
the network lacks of the known pixels is continued by such a surface where that errs clearly less.

That is measured in the picture: the hole's own shape is laid over known pixels near it, filled
from around, and compared with what is there.

Source: Damelin, Hoang, "On Surface Completion and Image Inpainting by Biharmonic Functions:
Numerical Aspects", IJMMS 2018, section 2, as scikit-image has it.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from dip_jax.finish.composite import seamless
from dip_jax.finish.filling import filled
from dip_jax.forward.observation import Observation

Image = Float[np.ndarray, "h w c"]
Mask = Bool[np.ndarray, "h w"]

_MOST = 6000  # unknown pixels: for more the equations take long, and holes are not thin
_AWAY = (10, 18, 28)  # pixels that the hole's shape is moved
_TRIES = 4
_LEAST_SEEN = 0.6  # of the shape, what must come to lie on known pixels
# How many dB the surface must err less than the network: from the first of these on it has a share
# in the result, and from the second on all of it. Refinement adds more to the network's image.
_BETTER, _MUCH_BETTER = 0.5, 2.0
_LEAST = 1e-8


def filled_smoothly(x: Image, observation: Observation) -> Image:
    """As `filling.filled`, not judged, from the network's image or from one that meets the picture.

    Args:
        x: the network's image, in [0, 1].
        observation: `y`, and what is known of it; where the channels are not alike in that, it is
            the network's image.

    Returns:
        The composite, in [0, 1].
    """
    y, known = np.asarray(observation.y), np.asarray(observation.known) > 0
    if (known == known[..., :1]).all():
        known = known[..., :1]
    share = 0.0
    if known.shape[2] == 1 and 0 < (~known).sum() <= _MOST:
        share = _share(x, y, known[..., 0])
    image = filled(x, observation) if share < 1 else x
    if not share:
        return image
    lacking = _surface(np.where(known, y - x, 0), ~known[..., 0])
    met = np.where(known, y, np.clip(x + lacking, 0, 1)).astype(np.float32)
    smooth = filled(met, observation)
    return smooth if share == 1 else image + np.float32(share) * (smooth - image)


def _share(x: Image, y: Image, known: Mask) -> float:
    """How much the smooth surface is to have, from 0 to 1."""
    shapes = _moved(~known)
    if not shapes:
        return 0.0
    of_network = float(np.mean([_error_of_network(x, y, known, moved) for moved in shapes]))
    of_surface = float(np.mean([_error_of_surface(y, known, moved) for moved in shapes]))
    decibels = 10 * np.log10(max(of_network, _LEAST) / max(of_surface, _LEAST))
    return float(np.clip((decibels - _BETTER) / (_MUCH_BETTER - _BETTER), 0, 1))


def _moved(unknown: Mask) -> list[Mask]:
    """The shape of what is unknown, moved to where most of it lies on known pixels."""
    total, found = unknown.sum(), []
    for away in _AWAY:
        for rows, columns in ((0, 1), (1, 0), (1, 1), (1, -1), (0, -1), (-1, 0), (-1, -1), (-1, 1)):
            moved = _shifted(unknown, away * rows, away * columns) & ~unknown
            if moved.sum() >= _LEAST_SEEN * total:
                found.append((int(moved.sum()), moved))
    found.sort(key=lambda one: -one[0])
    return [moved for _, moved in found[:_TRIES]]


def _shifted(mask: Mask, rows: int, columns: int) -> Mask:
    h, w = mask.shape
    moved = np.zeros_like(mask)
    if abs(rows) < h and abs(columns) < w:
        target = tuple(slice(max(n, 0), size + min(n, 0)) for n, size in ((rows, h), (columns, w)))
        source = tuple(
            slice(max(-n, 0), size + min(-n, 0)) for n, size in ((rows, h), (columns, w))
        )
        moved[target] = mask[source]
    return moved


def _error_of_network(x: Image, y: Image, known: Mask, moved: Mask) -> float:
    """Of its image, as it meets the pixels around.

    It was fitted to those that it is compared with. After so few steps it meets them about as well
    as held-out ones, so that counts for little.
    """
    around = jnp.asarray((known & ~moved)[..., None], jnp.float32)
    met = seamless(jnp.asarray(x), Observation(jnp.asarray(y), around))
    return float(np.square(np.asarray(met) - y)[moved & known].mean())


def _error_of_surface(y: Image, known: Mask, moved: Mask) -> float:
    surface = _surface(np.where(known[..., None], y, 0), ~known | moved)
    return float(np.square(np.clip(surface, 0, 1) - y)[moved & known].mean())


def _surface(values: Image, unknown: Mask) -> Image:
    """The values, and where they are unknown the smoothest surface through the others."""
    from skimage.restoration import inpaint_biharmonic  # here, because it takes long to import

    # It takes values from -1 to 1 alone, and gives none beyond those that it is given.
    low, high = float(values.min()), float(values.max())
    width = max(high - low, _LEAST)
    scaled = (values - (low + high) / 2) / (4 * width) + 0.5
    found = inpaint_biharmonic(scaled, unknown, channel_axis=-1)
    return ((found - 0.5) * (4 * width) + (low + high) / 2).astype(np.float32)
