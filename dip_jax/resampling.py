"""Reflection padding, and upsampling with it, as gathers: what an accelerator does in one pass.

Both are linear along each axis and the same in every row, column and channel, so they are one
matrix per axis, of a few weights a row. An image is multiplied by it by gathering, for each pixel,
the few that it is made of, and its cotangent by the transposed matrix likewise. XLA makes one
program of the gathers of both axes, where it would put parts together one after the other.

Images are `(h, w, c)` without a batch axis, as in `convolution`.
"""

import functools
from typing import NamedTuple

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


def axis_matrix(n: int, method: str, p: int) -> NDArray[np.float32]:
    """What an axis of `n` pixels goes through: resampling, then reflection of `p` pixels.

    Args:
        n: pixels before.
        method: "nearest" or "bilinear" upsampling by 2, as in `upsampling.upsample`, or "none".
        p: pixels added at each end, fewer than there are after the resampling.

    Returns:
        `(m + 2p, n)`, where m is n or 2n.
    """
    positions = np.arange(n if method == "none" else 2 * n)
    matrix = np.zeros((positions.size, n), np.float32)
    if method == "none":
        matrix[positions, positions] = 1
    else:
        near = 0.75 if method == "bilinear" else 1.0
        np.add.at(matrix, (positions, positions // 2), near)
        beside = np.clip(positions // 2 + np.where(positions % 2, 1, -1), 0, n - 1)
        np.add.at(matrix, (positions, beside), 1 - near)
    return matrix[np.pad(positions, p, mode="reflect")]


@functools.lru_cache(maxsize=256)
def _axis_taps(n: int, method: str, p: int) -> tuple[Taps, Taps]:
    """The matrix of an axis, and its transpose."""
    matrix = axis_matrix(n, method, p)
    return _sparse(matrix), _sparse(matrix.T)


def _sparse(matrix: NDArray[np.float32]) -> Taps:
    taps = max(1, int((matrix != 0).sum(axis=1).max()))
    column = np.argsort(matrix == 0, axis=1, kind="stable")[:, :taps]
    weight = np.take_along_axis(matrix, column, axis=1)
    return Taps(column.T.astype(np.int32), weight.T)


def _along(x: Array, taps: Taps, axis: int) -> Array:
    shape = [1, 1, 1]
    shape[axis] = -1
    total = None
    for column, weight in zip(*taps, strict=True):
        picked = jnp.take(x, column, axis=axis, mode="clip")
        if not (weight == 1).all():
            picked = weight.reshape(shape) * picked
        total = picked if total is None else total + picked
    assert total is not None
    return total


def _both(x: Array, rows: Taps, columns: Taps) -> Array:
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
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
    return _both(x, _axis_taps(h, method, p)[0], _axis_taps(w, method, p)[0])


def _resample_fwd(x, method, p):
    return resample(x, method, p), None


def _resample_bwd(method, p, _, g):
    h, w = (side - 2 * p if method == "none" else side // 2 - p for side in g.shape[:2])
    return (_both(g, _axis_taps(h, method, p)[1], _axis_taps(w, method, p)[1]),)


resample.defvjp(_resample_fwd, _resample_bwd)
