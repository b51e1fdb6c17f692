"""Convolution of one image, in a form that stays fast inside loops and over lanes.

One image is `(h, w, c_in)`, a kernel is `(k, k, c_in, c_out)`, both float32; there is no batch
axis: several images are `jax.vmap`, as everywhere in this package. `conv` computes the plain thing,

    out[i, j] = bias + sum over (a, b) of pad(x)[s·i + a, s·j + b] @ kernel[a, b],

with reflection padding of (k − 1)/2 (the border pixel is not repeated) and stride s. What is not
plain is how it is differentiated and batched. Left to itself XLA, on a CPU,

* runs the gradient with respect to the kernel at a hundredth of its speed inside `scan` and
  `while_loop` (jax issue 12868), so here it is matrix products of shifted cotangents;
* dilates the cotangent of a strided convolution with zeros and convolves those too, so here a
  strided convolution is a dense one of the image's phases;
* turns `vmap` over image and kernel into one grouped convolution, four to eight times slower than
  one after another, so here the batching rule unrolls the lanes.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

_LAYOUT = ("NHWC", "HWIO", "NHWC")


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
        x = x[::stride, ::stride]
        return lax.dot_general(x, kernel[0, 0], (((2,), (0,)), ((), ()))) + bias[None, None]
    return correlate(reflect_pad(x, k // 2), kernel, stride) + bias[None, None]


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


def _per_lane(f: Callable) -> Callable:
    """Gives `f` a batching rule that computes one lane after the other."""
    batched = jax.custom_batching.custom_vmap(f)

    @batched.def_vmap
    def _rule(axis_size, in_batched, *args):
        def lane(i):
            picked = [
                jax.tree.map(lambda a: a[i], arg) if is_batched else arg
                for arg, is_batched in zip(args, in_batched, strict=True)
            ]
            return batched(*picked)

        return jnp.stack([lane(i) for i in range(axis_size)]), True

    return batched


def correlate(
    x: Float[Array, "h w c_in"], kernel: Float[Array, "k k c_in c_out"], stride: int
) -> Float[Array, "h_out w_out c_out"]:
    """The unpadded cross-correlation, `h_out = (h − k) // stride + 1`.

    Pixel `s·i + r` of `x` meets the taps `r, r + s, …` of the kernel only. So a strided correlation
    is a dense one of the s² phases of the image, put side by side as channels.
    """
    if stride == 1:
        return _dense(x, kernel)
    k, s = kernel.shape[0], stride
    h_out, w_out = (x.shape[0] - k) // s + 1, (x.shape[1] - k) // s + 1
    taps = -(-k // s)
    kernel = jnp.pad(kernel, ((0, s * taps - k), (0, s * taps - k), (0, 0), (0, 0)))
    h, w = s * (h_out + taps - 1), s * (w_out + taps - 1)
    x = jnp.pad(x, ((0, max(0, h - x.shape[0])), (0, max(0, w - x.shape[1])), (0, 0)))
    return _dense(_phases(x[:h, :w], s), _phases(kernel, s))


def _phases(x, s):
    """`(s·h, s·w, c, …)` to `(h, w, s²·c, …)`."""
    h, w, c, *rest = x.shape
    x = x.reshape(h // s, s, w // s, s, c, *rest).swapaxes(1, 2)
    return x.reshape(h // s, w // s, s * s * c, *rest)


@jax.custom_vjp
def _dense(x, kernel):
    return _per_lane(functools.partial(_dense_plain, border=0))(x, kernel)


def _dense_fwd(x, kernel):
    return _dense(x, kernel), (x, kernel)


def _dense_bwd(residuals, g):
    x, kernel = residuals
    kernel_gradient = functools.partial(_kernel_gradient, k=kernel.shape[0])
    return _per_lane(_input_gradient)(g, kernel), _per_lane(kernel_gradient)(x, g)


_dense.defvjp(_dense_fwd, _dense_bwd)


def _dense_plain(x, kernel, *, border):
    """With `border` zeros around the image; XLA's own convolution is the best form of this one."""
    padding = ((border, border), (border, border))
    return lax.conv_general_dilated(x[None], kernel, (1, 1), padding, dimension_numbers=_LAYOUT)[0]


def _input_gradient(g, kernel):
    return _dense_plain(g, jnp.flip(kernel, (0, 1)).swapaxes(2, 3), border=kernel.shape[0] - 1)


def _kernel_gradient(x, g, *, k):
    """`d[a, b] = sum over (i, j) of x[i + a, j + b] ⊗ g[i, j]`, one matrix product per row of taps.

    Shifting the narrow cotangent instead of the image lets all products share one transposed image,
    and a shift by a row is a contiguous slice of the flattened array.
    """
    (h, w, c_in), c_out = x.shape, g.shape[2]
    padded = jnp.pad(g, ((k - 1, k - 1), (k - 1, k - 1), (0, 0)))
    columns = [padded[:, k - 1 - b : k - 1 - b + w] for b in range(k)]
    shifted = jnp.concatenate(columns, axis=2).reshape(-1, k * c_out)
    transposed = x.reshape(h * w, c_in).T
    rows = [transposed @ shifted[(k - 1 - a) * w : (k - 1 - a + h) * w] for a in range(k)]
    return jnp.stack(rows).reshape(k, c_in, k, c_out).swapaxes(1, 2)


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
