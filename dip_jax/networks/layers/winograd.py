"""A 3×3 correlation with a half or a quarter of the multiplications: Winograd's F(m×m, 3×3).

Every tile of m×m outputs, m = 2 or 4, is seen through a window of n = m + 2 pixels a side. With the
fixed matrices A, B and G of `_TRANSFORMS`,

    y = Aᵀ [ (G · kernel · Gᵀ) ⊙ (Bᵀ · window · B) ] A,

where ⊙ acts on each of the n² positions alone; over all tiles and channels it is n² matrix
products. Per output and channel pair there are n²/m² multiplications in place of 9: 4 for m = 2,
2.25 for m = 4. It is the same function up to rounding: for m = 2 about that of the direct form, for
m = 4 some ten times as much, which is still less than 1e-5 of the values. Source: Lavin, Gray,
"Fast Algorithms for Convolutional Neural Networks", CVPR 2016, sections 4.1 and 4.3. The gradients
are the transposes of the three linear maps, and reuse the same products.

Images are `(h, w, c)`, float32 or float64, without a batch axis; an unpadded correlation.
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

Matrix = tuple[tuple[float, ...], ...]


class _Transforms(NamedTuple):
    """The matrices of one tile size: Bᵀ `(n, n)`, Aᵀ `(m, n)`, G `(n, 3)`."""

    b_t: Matrix
    a_t: Matrix
    g: Matrix


_TRANSFORMS = {
    2: _Transforms(
        b_t=((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
        a_t=((1, 1, 1, 0), (0, 1, -1, -1)),
        g=((1, 0, 0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0, 0, 1)),
    ),
    4: _Transforms(
        b_t=(
            (4, 0, -5, 0, 1, 0),
            (0, -4, -4, 1, 1, 0),
            (0, 4, -4, -1, 1, 0),
            (0, -2, -1, 2, 1, 0),
            (0, 2, -1, -2, 1, 0),
            (0, 4, 0, -5, 0, 1),
        ),
        a_t=((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1)),
        g=(
            (1 / 4, 0, 0),
            (-1 / 6, -1 / 6, -1 / 6),
            (-1 / 6, 1 / 6, -1 / 6),
            (1 / 24, 1 / 12, 1 / 6),
            (1 / 24, -1 / 12, 1 / 6),
            (0, 0, 1),
        ),
    ),
}


def correlate(
    x: Float[Array, "h+2 w+2 c_in"], kernel: Float[Array, "3 3 c_in c_out"], tile: int
) -> Float[Array, "h w c_out"]:
    """The unpadded correlation; h and w must be multiples of `tile`, which is 2 or 4."""
    n, h, w = tile + 2, x.shape[0] - 2, x.shape[1] - 2
    products = _matmul(_windows(x, tile), _transformed(kernel, tile), ((2,), (1,)))
    return _outputs([row.reshape(n, h // tile, w // tile, -1) for row in products], tile)


def gradients(
    x: Float[Array, "h+2 w+2 c_in"],
    kernel: Float[Array, "3 3 c_in c_out"],
    g: Float[Array, "h w c_out"],
    tile: int,
) -> tuple[Float[Array, "h+2 w+2 c_in"], Float[Array, "3 3 c_in c_out"]]:
    """The gradients of `sum(g · correlate(x, kernel, tile))` with respect to `x` and `kernel`."""
    n, (h, w, _), c_in = tile + 2, g.shape, x.shape[2]
    rows = _outputs_transposed(g, tile)
    d_windows = _matmul(rows, _transformed(kernel, tile), ((2,), (2,)))
    d_kernel = jnp.stack(_matmul(_windows(x, tile), rows, ((1,), (1,))))
    d_x = _windows_transposed([d.reshape(n, h // tile, w // tile, c_in) for d in d_windows], tile)
    matrix = _kernel_matrix(tile, g.dtype)
    return d_x, jnp.einsum("ia,jb,ijcd->abcd", matrix, matrix, d_kernel)


def _matmul(rows, others, contracted):
    """One batched product for each row of positions: a row is made in one pass over memory."""
    return [
        lax.dot_general(a, b, (contracted, ((0,), (0,)))) for a, b in zip(rows, others, strict=True)
    ]


def _kernel_matrix(tile, dtype):
    return np.array(_TRANSFORMS[tile].g, dtype)


def _transformed(kernel, tile):
    """G · kernel · Gᵀ, as n rows of `(n, c_in, c_out)`."""
    matrix = _kernel_matrix(tile, kernel.dtype)
    return list(jnp.einsum("ia,jb,abcd->ijcd", matrix, matrix, kernel))


def _transposed(matrix):
    return tuple(zip(*matrix, strict=True))


def _apply(matrix, parts):
    """A small matrix times a list of images; the barrier keeps what is read often."""
    return lax.optimization_barrier([_row(weights, parts) for weights in matrix])


def _row(weights, parts):
    return functools.reduce(
        jnp.add, (_times(w, part) for w, part in zip(weights, parts, strict=True) if w)
    )


def _times(weight, part):
    return part if weight == 1 else -part if weight == -1 else weight * part


def _positions(matrix, parts):
    """A small matrix times a list of images `(h, w, c)`, as one array `(n, h·w, c)`."""
    products = jnp.stack([_row(weights, parts) for weights in matrix])
    return products.reshape(len(matrix), -1, parts[0].shape[2])


def _windows(x, tile):
    """Bᵀ · window · B of all windows, as n rows of `(n, tiles, c)`."""
    n, b_t = tile + 2, _TRANSFORMS[tile].b_t
    h, w = (x.shape[0] - 2) // tile, (x.shape[1] - 2) // tile
    rows = _apply(b_t, [x[i : i + tile * (h - 1) + 1 : tile] for i in range(n)])
    return [
        _positions(b_t, [row[:, j : j + tile * (w - 1) + 1 : tile] for j in range(n)])
        for row in rows
    ]


def _windows_transposed(d, tile):
    """Rows of `(n, h, w, c)` to an image `(m·h + 2, m·w + 2, c)`: overlapping windows are added."""
    rows = lax.optimization_barrier([_overlapped(part, tile, 1) for part in d])
    return _overlapped(rows, tile, 0)


def _overlapped(d, tile, axis):
    """Along one axis, B times the window's n, each at its pixel of the window."""
    before, after = [(0, 0)] * 3, [(0, 0)] * 3
    before[axis], after[axis] = (1, 0), (0, 1)
    pixels = [_row(weights, list(d)) for weights in _transposed(_TRANSFORMS[tile].b_t)]
    phases = [jnp.pad(pixel, after) for pixel in pixels[:tile]]
    for i in range(2):  # the last two pixels of a window are the first two of the next one
        phases[i] = phases[i] + jnp.pad(pixels[tile + i], before)
    shape = list(phases[0].shape)
    shape[axis] *= tile
    image = jnp.stack(phases, axis + 1).reshape(shape)
    return lax.slice_in_dim(image, 0, shape[axis] - tile + 2, axis=axis)


def _outputs(products, tile):
    """Aᵀ · products · A, rows of `(n, h, w, c)` to an image `(m·h, m·w, c)`."""
    a_t = _TRANSFORMS[tile].a_t
    _, h, w, c = products[0].shape
    rows = _apply(a_t, products)
    outputs = [jnp.stack([_row(weights, list(row)) for weights in a_t], 2) for row in rows]
    return jnp.stack(outputs, 1).reshape(tile * h, tile * w, c)


def _outputs_transposed(g, tile):
    """An image `(m·h, m·w, c)` to n rows of `(n, tiles, c)`."""
    a = _transposed(_TRANSFORMS[tile].a_t)
    h, w, c = g.shape
    g = g.reshape(h // tile, tile, w // tile, tile, c)
    rows = _apply(a, [g[:, i] for i in range(tile)])
    return [_positions(a, [row[:, :, j] for j in range(tile)]) for row in rows]
