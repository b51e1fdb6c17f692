"""Convolution of one image, with reflection padding.

One image is `(h, w, c_in)`, a kernel is `(k, k, c_in, c_out)`, both of one floating type; there is
no batch axis: several images are `jax.vmap`, as everywhere in this package. `conv` computes

    out[i, j] = bias + sum over (a, b) of pad(x)[s·i + a, s·j + b] @ kernel[a, b],

with reflection padding of (k − 1)/2 (the border pixel is not repeated) and stride s. How it stays
fast is the matter of `correlation`.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from dip_jax.networks.layers.correlation import correlate
from dip_jax.networks.layers.resampling import resample


def conv(
    x: Float[Array, "h w c_in"],
    kernel: Float[Array, "k k c_in c_out"],
    bias: Float[Array, " c_out"] | None = None,
    *,
    stride: int = 1,
    dtype: jnp.dtype | None = None,
) -> Float[Array, "h_out w_out c_out"]:
    """Convolves an image with reflection padding of (k − 1)/2.

    Args:
        x: the image; each side must be larger than the padding.
        kernel: an odd number k of taps in each direction.
        bias: added to each output channel; None adds nothing.
        stride: 1 or more; `h_out = ceil(h / stride)`.
        dtype: of the output, before the bias; None for that of the image.

    Raises:
        ValueError: if k is even, the kernel is not square, or a side of the image is not larger
            than the padding.
    """
    k = kernel.shape[0]
    if kernel.shape[1] != k or k % 2 == 0:
        raise ValueError(f"kernel is {kernel.shape[0]}×{kernel.shape[1]}, expected square and odd")
    if k == 1:
        out = _pointwise(x[::stride, ::stride], kernel[0, 0], jnp.dtype(dtype or x.dtype))
    else:
        out = correlate(reflect_pad(x, k // 2), kernel, stride).astype(dtype or x.dtype)
    if bias is not None:
        out = out + bias[None, None]
    return settle_gradient(checkpoint_name(out, CONVOLVED))


CONVOLVED = "convolved"  # what `jax.checkpoint` may keep, to compute the rest again


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _pointwise(x, kernel, dtype):
    return lax.dot_general(x, kernel, (((2,), (0,)), ((), ())), preferred_element_type=dtype)


def _pointwise_fwd(x, kernel, dtype):
    return _pointwise(x, kernel, dtype), (x, kernel)


def _pointwise_bwd(_, residuals, g):
    """With the image on the left: the left factor is transposed, and it is at hand as it is."""
    x, kernel = residuals
    g = g.astype(x.dtype)
    flat_x, flat_g = (a.reshape(-1, a.shape[2]) for a in (x, g))
    if flat_g.shape[1] <= _FEW_CHANNELS:  # a product of few rows is fast, one of few columns is not
        transposed = lax.optimization_barrier(flat_g.T) @ flat_x
        d_kernel = lax.optimization_barrier(transposed).T
    else:
        d_kernel = lax.dot_general(flat_x, flat_g, (((0,), (0,)), ((), ())))
    return lax.dot_general(g, kernel, (((2,), (1,)), ((), ()))), d_kernel


_FEW_CHANNELS = 8

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
    large = x.shape[0] * x.shape[1] > _SMALL and jax.default_backend() == "cpu"
    return _reflect(x, p) if large else resample(x, "none", p)


_SMALL = 128**2  # pixels, up to which what is sooner compiled is as fast, on an Intel Xeon


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _reflect(x, p):
    """One gather: on a CPU twice as fast as putting the border around, one axis after the other."""
    rows, columns = (np.pad(np.arange(n), p, mode="reflect") for n in x.shape[:2])
    return x.at[rows[:, None], columns[None]].get(mode="promise_in_bounds")


def _reflect_fwd(x, p):
    return _reflect(x, p), None


def _reflect_bwd(p, _, g):
    return (_folded(_folded(g, p, 0), p, 1),)


_reflect.defvjp(_reflect_fwd, _reflect_bwd)


def _folded(g, p, axis):
    """Adds the two borders of a cotangent to the pixels that they mirror, along one axis.

    As a sum over the whole image, because that is one pass: where the border lands is selected.
    """
    n = g.shape[axis] - 2 * p
    position = lax.broadcasted_iota(
        jnp.int32, (n if axis == 0 else 1, n if axis == 1 else 1, 1), axis
    )
    total = lax.slice_in_dim(g, p, p + n, axis=axis)
    for i in range(1, p + 1):
        for border, lands in ((p - i, i), (p + n - 1 + i, n - 1 - i)):
            strip = lax.slice_in_dim(g, border, border + 1, axis=axis)
            total = total + jnp.where(position == lands, strip, 0)
    return total
