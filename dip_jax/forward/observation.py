"""What was observed of a picture: `y`, which of its values are known, and how it came about.

Images are `(h, w, c)` float32 in [0, 1]. `known` is 1 where a value of `y` was observed and 0 where
it was not, `(h, w, 1)` or `(h, w, c)`. Where an operator measured the picture (`model.Measured`),
`y` is what it gave, and `known` has an array for each of its arrays. The data term (`data_term`) is
a mean over the known values; everything that a fit leaves out of it, the padding, the damage and
the held-out values, is simply not known to it.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dip_jax.forward.model import PICTURE, Forward, Measured


class Observation(NamedTuple):
    """A degraded image, or what was measured of one.

    Attributes:
        y: the image, `(h, w, c)` float32 in [0, 1], or a measurement; finite everywhere.
        known: 1 where `y` is known, else 0; `(h, w, 1)` or `(h, w, c)` float32.
        forward: how `y` came about.
    """

    y: Any
    known: Any
    forward: Forward = PICTURE

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the image, `(h, w, c)`."""
        return self.forward.shape if isinstance(self.forward, Measured) else self.y.shape


def observe(y, fill=None) -> tuple[Observation, int]:
    """Makes an observation of an image and a mask; values that are not finite become unknown.

    Args:
        y: `(h, w, c)` in [0, 1].
        fill: bool, True where the picture is to be filled, `(h, w)`, or `(h, w, c)` for single
            values; None where all of it is known.

    Returns:
        The observation, and how many values were NaN or infinite.
    """
    y = np.asarray(y, np.float32)
    finite = np.isfinite(y)
    count = int(y.size - finite.sum())
    known = ~np.zeros(y.shape[:2], bool) if fill is None else ~np.asarray(fill)
    known = known[..., None] if known.ndim == 2 else known
    if count:
        y, known = np.where(finite, y, np.float32(0)), known & finite
    return Observation(jnp.asarray(y), jnp.asarray(known, jnp.float32)), count


def with_gaps(observation: Observation) -> Float[np.ndarray, "h w c"]:
    """`y`, with NaN where it is not known."""
    y, known = np.asarray(observation.y), np.asarray(observation.known)
    return np.where(known > 0, y, np.nan)


def pad(x: Float[Array, "h w c"], h: int, w: int, mode: str = "edge") -> Float[Array, "H W c"]:
    """Enlarges an image to `h` rows and `w` columns, at the bottom and at the right.

    Args:
        x: no larger than the result.
        h: rows of the result.
        w: columns of the result.
        mode: "edge" repeats the last pixel, "zero" gives zeros (for masks: unknown).
    """
    widths = ((0, h - x.shape[0]), (0, w - x.shape[1]), (0, 0))
    return jnp.pad(x, widths, mode="edge" if mode == "edge" else "constant")


def hold_out(
    key: Array, known: Float[Array, "h w k"], share: float, block: int = 1
) -> tuple[Float[Array, "h w k"], Float[Array, "h w k"]]:
    """Splits the known values at random into those that are fitted and those that only judge.

    Args:
        key: the PRNG key.
        known: 1 known, 0 unknown; with one channel whole pixels are held out, with c channels
            each value for itself.
        share: the share of the known values to hold out, from 0 up to but not including 1.
        block: the side in pixels of the squares that are held out together; 1 for single values.

    Returns:
        `(fit, held)`, whose sum is `known`. With single values the count is `share` of the known
        ones, rounded, and at least one if `share` is positive; with larger blocks it is so on
        average.
    """
    if share == 0:
        return known, jnp.zeros_like(known)
    h, w, k = known.shape
    cells = (-(-h // block), -(-w // block), k)
    score = jax.random.uniform(key, cells)
    if block > 1:
        score = jnp.repeat(jnp.repeat(score, block, axis=0), block, axis=1)[:h, :w]
    score = jnp.where(known > 0, score, 2.0).ravel()
    total = jnp.sum(known)
    wanted = jnp.clip(jnp.round(share * total), 1, jnp.maximum(1, total - 1)).astype(jnp.int32)
    threshold = jnp.sort(score)[wanted - 1]
    held = (score <= threshold).reshape(known.shape) & (known > 0)
    return jnp.where(held, 0.0, known), held.astype(known.dtype)


def hold_out_measured(key: Array, known: Any, share: float) -> tuple[Any, Any]:
    """Splits the known measurements at random, as `hold_out` does the values of a picture.

    Args:
        key: the PRNG key.
        known: 1 known, 0 unknown; an array, or a tree of them, of each of which the share is taken.
            Of one with a single known value nothing is.
        share: the share of the known values to hold out, from 0 up to but not including 1.
    """
    leaves, structure = jax.tree.flatten(known)
    keys = [key] if len(leaves) == 1 else list(jax.random.split(key, len(leaves)))
    parts = [_hold_out_of(k, leaf, share) for k, leaf in zip(keys, leaves, strict=True)]
    fit, held = zip(*parts, strict=True)
    return jax.tree.unflatten(structure, fit), jax.tree.unflatten(structure, held)


def _hold_out_of(key, known, share):
    if share == 0:
        return known, jnp.zeros_like(known)
    score = jnp.where(known > 0, jax.random.uniform(key, known.shape), 2.0)
    count = jnp.sum((known > 0).astype(jnp.float32))
    wanted = jnp.clip(jnp.round(share * count), 1, jnp.maximum(1, count - 1)).astype(jnp.int32)
    threshold = jnp.sort(score.ravel())[wanted - 1]
    held = jnp.where((score <= threshold) & (count > 1), known, 0.0)
    return known - held, held
