"""Reflection padding, and upsampling with it, as gathers: what an accelerator does in one pass.

A CPU does it so where an image is small.

Both are linear along each axis and the same in every row, column and channel, so they are one
matrix per axis, of a few weights a row. An image is multiplied by it by gathering, for each pixel,
the few that it is made of, and its cotangent by the transposed matrix likewise. XLA makes one
program of the gathers of both axes, where it would put parts together one after the other.

Images are `(h, w, c)` without a batch axis, as in `convolution`.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray


class Taps(NamedTuple):
    """A sparse matrix of so many rows, with at most `taps` weights in each.

    Attributes:
        column: `(taps, rows)`, where the weights are.
        weight: `(taps, rows)`; 0 where a row has fewer.
    """

    column: NDArray[np.int32]
    weight: NDArray[np.float32]


@functools.lru_cache(maxsize=256)
def axis_taps(n: int, method: str, p: int) -> tuple[Taps, Taps]:
    """What an axis of `n` pixels goes through: resampling, then reflection of `p` pixels.

    Args:
        n: pixels before.
        method: "nearest" or "bilinear" upsampling by 2, as in `upsampling.upsample`, or "none".
        p: pixels added at each end, fewer than there are after the resampling.

    Returns:
        The matrix, of m + 2p rows and n columns, where m is n or 2n, and its transpose.
    """
    position = np.pad(np.arange(n if method == "none" else 2 * n), p, mode="reflect")
    column, weights = position[None], [1.0]
    if method != "none":
        column = position[None] // 2
    if method == "bilinear":
        beside = position // 2 + np.where(position % 2, 1, -1)
        column = np.concatenate([column, np.clip(beside, 0, n - 1)[None]])
        weights = [0.75, 0.25]
    weight = np.broadcast_to(np.array(weights, np.float32)[:, None], column.shape)
    row = np.broadcast_to(np.arange(position.size), column.shape)
    return Taps(column.astype(np.int32), weight), taps_of(
        column.ravel(), row.ravel(), weight.ravel(), n
    )


def taps_of(
    row: NDArray[Any], column: NDArray[Any], weight: NDArray[np.float32], rows: int
) -> Taps:
    """Those of a matrix of so many rows that is given entry by entry."""
    order = np.argsort(row, kind="stable")
    counts = np.bincount(row, minlength=rows)
    tap = np.arange(row.size) - np.repeat(np.cumsum(counts) - counts, counts)
    taps = Taps(
        np.zeros((counts.max(), counts.size), np.int32),
        np.zeros((counts.max(), counts.size), np.float32),
    )
    taps.column[tap, row[order]] = column[order]
    taps.weight[tap, row[order]] = weight[order]
    return taps


def _along(x: Array, taps: Taps, axis: int) -> Array:
    shape = [1, 1, 1]
    shape[axis] = -1
    total = None
    for column, weight in zip(*taps, strict=True):
        picked = jnp.take(x, column, axis=axis, mode="clip")
        if not (weight == 1).all():
            picked = weight.reshape(shape).astype(picked.dtype) * picked
        total = picked if total is None else total + picked
    assert total is not None
    return total


def _both(x: Array, rows: Taps, columns: Taps) -> Array:
    wide = x if x.dtype.itemsize >= 4 else x.astype(jnp.float32)
    return _along(_along(wide, rows, 0), columns, 1).astype(x.dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def resample(x: Float[Array, "h w c"], method: str, p: int) -> Float[Array, "H W c"]:
    """Resamples an image and mirrors `p` pixels beyond each border.

    Args:
        x: the image.
        method: "nearest" or "bilinear" upsampling by 2, or "none".
        p: pixels added on each side, fewer than a side has after the resampling.
    """
    h, w, _ = x.shape
    return _both(x, axis_taps(h, method, p)[0], axis_taps(w, method, p)[0])


def _resample_fwd(x, method, p):
    return resample(x, method, p), None


def _resample_bwd(method, p, _, g):
    h, w = (side - 2 * p if method == "none" else side // 2 - p for side in g.shape[:2])
    return (_both(g, axis_taps(h, method, p)[1], axis_taps(w, method, p)[1]),)


resample.defvjp(_resample_fwd, _resample_bwd)
