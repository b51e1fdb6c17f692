"""What the refinement of what is filled starts from: the network's image, and a thin plate.

Across strokes, and between single missing pixels, a thin plate that is bent to the known pixels is
about as near to the picture as a network. They err in other ways, so their mean is nearer. And
after a few steps the network is far from it, and the plate is not.

The refinement trusts its pilot as far as that comes near to the known pixels. So the plate is at
each known pixel what the others say of it: else it would be right at all of them.
"""

import numpy as np
from jaxtyping import Bool, Float

from dip_jax.finish.filling import is_scattered, without
from dip_jax.finish.surface import surface
from dip_jax.forward.observation import Observation

Image = Float[np.ndarray, "h w c"]
Mask = Bool[np.ndarray, "h w"]
Known = Bool[np.ndarray, "h w k"]

_NARROW = 4.0  # pixels from the inmost pixel of a hole to the nearest known one, at most
# Of a picture what is missing, its pixels, and those of its wide holes: for more it takes long.
_SHARE, _MOST, _MOST_WIDE = 0.6, 600_000, 20_000
_PARTS = 4


def piloted(x: Image, observation: Observation, held: Known | None, *, judged: bool) -> Image:
    """The mean of the network's image and of a thin plate, where that is nearer to the picture.

    Which is so across strokes: in six photographs under text by 0.1 dB after 400 steps, and by
    0.5 dB after 60. And between single missing pixels (0.5 dB) after 60 steps, not after 600: which
    is told by whether the refinement is judged. Elsewhere, and in wide holes, it is the network's
    image as it is.

    Args:
        x: the network's image, in [0, 1].
        observation: `y`, and what is known of it; where the channels are not alike in that, it is
            the network's image.
        held: True where a value was held out of the fit, `(h, w, c)` or `(h, w, 1)`; None if none.
        judged: whether the refinement is judged by them, which the plate has not seen then.
    """
    known = np.asarray(observation.known) > 0
    missing: Mask = ~known[..., 0]
    if not (known == known[..., :1]).all() or missing.size > _MOST or missing.mean() > _SHARE:
        return x
    wide = _in_wide_holes(missing)
    if not (missing & ~wide).any() or wide.sum() > _MOST_WIDE:
        return x
    seen: Mask = ~missing
    if judged and held is not None and np.any(held):
        blind = without(held, observation)
        if is_scattered(observation, blind):
            return x
        seen = np.asarray((np.asarray(blind.known) > 0).all(axis=2))
    plate = by_the_others(np.asarray(observation.y), seen)
    return np.where(wide[..., None], x, (x + plate) / 2)


def _in_wide_holes(missing: Mask) -> Mask:
    from scipy import ndimage

    holes, count = ndimage.label(missing, np.ones((3, 3)))
    inmost = ndimage.maximum(
        ndimage.distance_transform_edt(missing), holes, np.arange(1, count + 1)
    )
    wide = np.concatenate([[False], np.asarray(inmost) > _NARROW])
    return np.asarray(wide[holes])


def by_the_others(y: Image, seen: Mask) -> Image:
    """The thin plate through pixels; at each of them, that through three quarters of the others.

    Args:
        y: the picture, in [0, 1].
        seen: which pixels it goes through.
    """
    y = np.asarray(y, np.float32)
    x, quarter = _through(y, seen), np.random.default_rng(2).integers(_PARTS, size=seen.shape)
    for part in range(_PARTS):
        away = seen & (quarter == part)
        x[away] = _through(y, seen & ~away)[away]
    return x


def _through(y: Image, seen: Mask) -> Image:
    return np.clip(surface(np.where(seen[..., None], y, np.float32(0)), ~seen), 0, 1)
