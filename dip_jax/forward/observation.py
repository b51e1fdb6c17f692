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

KINDS = ("squares", "rows", "columns")
"""What is held out of a fit together."""


class Observation(NamedTuple):
    """A degraded image, or what was measured of one.

    Attributes:
        y: the image, `(h, w, c)` float32 in [0, 1], or beyond where noise was clipped (see
            `prepare.clipping`); or a measurement; finite everywhere.
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


def observe(y, fill=None, *, on_device: bool = True) -> tuple[Observation, int]:
    """Makes an observation of an image and a mask; values that are not finite become unknown.

    Args:
        y: `(h, w, c)` in [0, 1].
        fill: bool, True where the picture is to be filled, `(h, w)`, or `(h, w, c)` for single
            values; None where all of it is known.
        on_device: whether it has arrays of JAX; else of NumPy, `y` itself where it can be, as of a
            large picture that is fitted in parts.

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
    if not on_device:
        return Observation(y, known.astype(np.float32)), count
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
    key: Array, known: Float[Array, "*s"], share: float, block: int = 1, kind: str = "squares"
) -> tuple[Float[Array, "*s"], Float[Array, "*s"]]:
    """Splits the known values at random into those that are fitted and those that only judge.

    Args:
        key: the PRNG key.
        known: 1 known, 0 unknown, `(h, w, k)` or a measurement with any axes. With one channel
            whole pixels are held out, with c channels each value for itself.
        share: the share of the known values to hold out, from 0 up to but not including 1.
        block: the side of what is held out together; 1 for single values, rows or columns.
        kind: one of `KINDS`: "squares" of the first two axes; or whole "rows", `block` of them side
            by side, or "columns". With one axis they are all the same.

    Returns:
        `(fit, held)`, whose sum is `known`. With single values the count is `share` of the known
        ones, rounded, and at least one if `share` is positive; otherwise it is so on average.
    """
    if share == 0:
        return known, jnp.zeros_like(known)
    score = _repeated(jax.random.uniform(key, _cells(known.shape, block, kind)), known.shape, block)
    score = jnp.where(known > 0, score, 2.0).ravel()
    count = jnp.sum((known > 0).astype(jnp.float32))
    wanted = jnp.clip(jnp.round(share * count), 1, jnp.maximum(1, count - 1)).astype(jnp.int32)
    threshold = jnp.sort(score)[wanted - 1]
    held = (score <= threshold).reshape(known.shape) & (known > 0)
    return jnp.where(held, 0.0, known), held.astype(known.dtype)


def _cells(shape: tuple[int, ...], block: int, kind: str) -> tuple[int, ...]:
    """How many there are along every axis of what is held out together."""
    cells = [-(-n // block) if axis < 2 else n for axis, n in enumerate(shape)]
    if kind != "squares" and len(shape) > 1:
        cells[1 if kind == "rows" else 0] = 1
    return tuple(cells)


def _repeated(score: Array, shape: tuple[int, ...], block: int) -> Array:
    """The scores of cells, for every value of them."""
    for axis, (cells, n) in enumerate(zip(score.shape, shape, strict=True)):
        if cells != n:
            repeated = jnp.repeat(score, n if cells == 1 else block, axis=axis)
            score = jax.lax.slice_in_dim(repeated, 0, n, axis=axis)
    return score


def hold_out_measured(
    key: Array, known: Any, share: float, block: int = 1, kind: str = "squares"
) -> tuple[Any, Any]:
    """Splits the known measurements at random, as `hold_out` does the values of a picture.

    Args:
        key: the PRNG key.
        known: 1 known, 0 unknown; an array, or a tree of them, of each of which the share is taken.
            Of one of which that would be all, such as a single known value, nothing is.
        share: the share of the known values to hold out, from 0 up to but not including 1.
        block: as for `hold_out`.
        kind: as there.
    """
    leaves, structure = jax.tree.flatten(known)
    keys = [key] if len(leaves) == 1 else list(jax.random.split(key, len(leaves)))
    parts = [
        _some_left(leaf, *hold_out(k, leaf, share, block, kind))
        for k, leaf in zip(keys, leaves, strict=True)
    ]
    fit, held = zip(*parts, strict=True)
    return jax.tree.unflatten(structure, fit), jax.tree.unflatten(structure, held)


def _some_left(known: Array, fit: Array, held: Array) -> tuple[Array, Array]:
    left = jnp.any(fit > 0)
    return jnp.where(left, fit, known), jnp.where(left, held, 0.0)
