"""A 3×3 correlation with less than half of the multiplications: Winograd's F(2×2, 3×3).

Every tile of 2×2 outputs is seen through a 4×4 window. With the fixed matrices A, B and G below,

    y = Aᵀ [ (G · kernel · Gᵀ) ⊙ (Bᵀ · window · B) ] A,

where ⊙ acts on each of the 16 positions alone; over all tiles and channels it is 16 matrix
products, with 4 multiplications per output and channel pair in place of 9. It is the same function
up to rounding, which is about that of the direct form. Source: Lavin, Gray, "Fast Algorithms for
Convolutional Neural Networks", CVPR 2016, section 4.1. The gradients are the transposes of the
three linear maps, and reuse the same products.

Images are `(h, w, c)` float32 without a batch axis; an unpadded correlation, as in `convolution`.
"""

import functools

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

_B_T = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))
_A_T = ((1, 1, 1, 0), (0, 1, -1, -1))
_B, _A = tuple(zip(*_B_T, strict=True)), tuple(zip(*_A_T, strict=True))
_G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], np.float32)


def correlate(
    x: Float[Array, "h+2 w+2 c_in"], kernel: Float[Array, "3 3 c_in c_out"]
) -> Float[Array, "h w c_out"]:
    """The unpadded correlation; h and w must be even."""
    products = _matmul(_windows(x), _transformed(kernel), ((2,), (1,)))
    h, w = x.shape[0] - 2, x.shape[1] - 2
    return _outputs(products.reshape(4, 4, h // 2, w // 2, -1))


def gradients(
    x: Float[Array, "h+2 w+2 c_in"],
    kernel: Float[Array, "3 3 c_in c_out"],
    g: Float[Array, "h w c_out"],
) -> tuple[Float[Array, "h+2 w+2 c_in"], Float[Array, "3 3 c_in c_out"]]:
    """The gradients of `sum(g · correlate(x, kernel))` with respect to `x` and `kernel`."""
    h, w, c_out = g.shape
    c_in = x.shape[2]
    g = _outputs_transposed(g)
    d_windows = _matmul(g, _transformed(kernel), ((2,), (2,)))
    d_kernel = _matmul(_windows(x), g, ((1,), (1,))).reshape(4, 4, c_in, c_out)
    d_x = _windows_transposed(d_windows.reshape(4, 4, h // 2, w // 2, c_in))
    return d_x, jnp.einsum("ia,jb,ijcd->abcd", _G, _G, d_kernel)


def _matmul(a, b, contracted):
    return lax.dot_general(a, b, (contracted, ((0,), (0,))))


def _transformed(kernel):
    """G · kernel · Gᵀ, as `(16, c_in, c_out)`."""
    return jnp.einsum("ia,jb,abcd->ijcd", _G, _G, kernel).reshape(16, *kernel.shape[2:])


def _apply(matrix, parts):
    """A matrix of −1, 0 and 1 times a list of images; the barrier keeps what is read often."""
    return lax.optimization_barrier([_row(weights, parts) for weights in matrix])


def _row(weights, parts):
    terms = [part if w == 1 else -part for w, part in zip(weights, parts, strict=True) if w]
    return functools.reduce(jnp.add, terms)


def _windows(x):
    """Bᵀ · window · B of all windows, `(16, tiles, c)`."""
    n, m, c = x.shape[0] // 2 - 1, x.shape[1] // 2 - 1, x.shape[2]
    windows = []
    for row in _apply(_B_T, [x[i : i + 2 * n - 1 : 2] for i in range(4)]):
        columns = [row[:, j : j + 2 * m - 1 : 2] for j in range(4)]
        windows += [_row(weights, columns) for weights in _B_T]
    return jnp.stack(windows).reshape(16, n * m, c)


def _windows_transposed(d):
    """`(4, 4, n, m, c)` to an image `(2n + 2, 2m + 2, c)`: overlapping windows are added."""
    rows = lax.optimization_barrier([_overlapped(d[i], 1) for i in range(4)])
    return _overlapped(rows, 0)


def _overlapped(d, axis):
    """Along one axis, B times the window's four, each at its pixel of the window."""
    before, after = [(0, 0)] * 3, [(0, 0)] * 3
    before[axis], after[axis] = (1, 0), (0, 1)
    pixels = [_row(weights, list(d)) for weights in _B]
    even = jnp.pad(pixels[0], after) + jnp.pad(pixels[2], before)
    odd = jnp.pad(pixels[1], after) + jnp.pad(pixels[3], before)
    shape = list(even.shape)
    shape[axis] *= 2
    return jnp.stack([even, odd], axis + 1).reshape(shape)


def _outputs(products):
    """Aᵀ · products · A, `(4, 4, n, m, c)` to an image `(2n, 2m, c)`."""
    _, _, n, m, c = products.shape
    rows = _apply(_A_T, list(products))
    outputs = [jnp.stack([_row(weights, list(row)) for weights in _A_T], 2) for row in rows]
    return jnp.stack(outputs, 1).reshape(2 * n, 2 * m, c)


def _outputs_transposed(g):
    """An image `(2n, 2m, c)` to `(16, tiles, c)`."""
    h, w, c = g.shape
    g = g.reshape(h // 2, 2, w // 2, 2, c)
    rows = _apply(_A, [g[:, 0], g[:, 1]])
    products = [_row(weights, [row[:, :, 0], row[:, :, 1]]) for row in rows for weights in _A]
    return jnp.stack(products).reshape(16, -1, c)
