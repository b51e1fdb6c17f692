"""Convolution of one image, with reflection padding.

One image is `(h, w, c_in)`, a kernel is `(k, k, c_in, c_out)`, both float32; there is no batch
axis: several images are `jax.vmap`, as everywhere in this package. `conv` computes

    out[i, j] = bias + sum over (a, b) of pad(x)[s·i + a, s·j + b] @ kernel[a, b],

with reflection padding of (k − 1)/2 (the border pixel is not repeated) and stride s. How it stays
fast is the matter of `correlation`.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from dip_jax.correlation import correlate


def conv(
    x: Float[Array, "h w c_in"],
    kernel: Float[Array, "k k c_in c_out"],
    bias: Float[Array, " c_out"],
    *,
    stride: int = 1,
) -> Float[Array, "h_out w_out c_out"]:
    """Convolves an image with reflection padding of (k − 1)/2.

    Args:
        x: the image; each side must be larger than the padding.
        kernel: an odd number k of taps in each direction.
        bias: added to each output channel.
        stride: 1 or more; `h_out = ceil(h / stride)`.

    Raises:
        ValueError: if k is even or the kernel is not square.
    """
    k = kernel.shape[0]
    if kernel.shape[1] != k or k % 2 == 0:
        raise ValueError(f"kernel is {kernel.shape[0]}×{kernel.shape[1]}, expected square and odd")
    if k == 1:
        out = _pointwise(x[::stride, ::stride], kernel[0, 0])
    else:
        out = correlate(reflect_pad(x, k // 2), kernel, stride)
    return settle_gradient(checkpoint_name(out + bias[None, None], CONVOLVED))


CONVOLVED = "convolved"  # what `jax.checkpoint` may keep, to compute the rest again


@jax.custom_vjp
def _pointwise(x, kernel):
    return lax.dot_general(x, kernel, (((2,), (0,)), ((), ())))


def _pointwise_fwd(x, kernel):
    return _pointwise(x, kernel), (x, kernel)


def _pointwise_bwd(residuals, g):
    """With the image on the left: the left factor is transposed, and it is at hand as it is."""
    x, kernel = residuals
    flat_x, flat_g = (a.reshape(-1, a.shape[2]) for a in (x, g))
    d_kernel = lax.dot_general(flat_x, flat_g, (((0,), (0,)), ((), ())))
    return lax.dot_general(g, kernel, (((2,), (1,)), ((), ()))), d_kernel


_pointwise.defvjp(_pointwise_fwd, _pointwise_bwd)


@jax.custom_vjp
def settle_gradient(x: Array) -> Array:
    """The image itself; its gradient is computed once, and whole, before anything reads it.

    Several products read the gradient of a convolution's output. XLA would compute it for each of
    them anew, from the gradient of the normalisation that follows, and once transposed, which is
    slower than the product.
    """
    return x


def _settle_fwd(x):
    return x, None


def _settle_bwd(_, g):
    return (lax.optimization_barrier(g),)


settle_gradient.defvjp(_settle_fwd, _settle_bwd)


def reflect_pad(x: Float[Array, "h w c"], p: int) -> Float[Array, "h+2p w+2p c"]:
    """Mirrors `p` pixels beyond each border; the border pixel itself is not repeated.

    Raises:
        ValueError: if a side of the image has `p` pixels or fewer.
    """
    if min(x.shape[:2]) <= p:
        raise ValueError(
            f"image is {x.shape[0]}×{x.shape[1]}, reflecting {p} needs {p + 1}×{p + 1}"
        )
    return _reflect_axis(_reflect_axis(x, p, 0), p, 1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _reflect_axis(x, p, axis):
    n = x.shape[axis]
    before = jnp.flip(lax.slice_in_dim(x, 1, p + 1, axis=axis), axis)
    after = jnp.flip(lax.slice_in_dim(x, n - p - 1, n - 1, axis=axis), axis)
    return jnp.concatenate([before, x, after], axis=axis)


def _reflect_axis_fwd(x, p, axis):
    return _reflect_axis(x, p, axis), None


def _reflect_axis_bwd(p, axis, _, g):
    """Folds the two borders of the cotangent back; touches only the strips that they land on."""
    n = g.shape[axis] - 2 * p

    def part(start, stop):
        return lax.slice_in_dim(g, p + start, p + stop, axis=axis)

    before = jnp.flip(lax.slice_in_dim(g, 0, p, axis=axis), axis)
    after = jnp.flip(lax.slice_in_dim(g, n + p, n + 2 * p, axis=axis), axis)
    if n < 2 * p + 2:  # the two strips overlap
        pad = [(0, 0)] * g.ndim
        pad[axis] = (1, n - p - 1)
        low = jnp.pad(before, pad)
        pad[axis] = (n - p - 1, 1)
        return (part(0, n) + low + jnp.pad(after, pad),)
    pieces = [
        part(0, 1),
        part(1, p + 1) + before,
        part(p + 1, n - p - 1),
        part(n - p - 1, n - 1) + after,
        part(n - 1, n),
    ]
    return (jnp.concatenate(pieces, axis=axis),)


_reflect_axis.defvjp(_reflect_axis_fwd, _reflect_axis_bwd)
