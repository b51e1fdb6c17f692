"""The correlation of an image with a kernel, in the fastest form for its shape and device.

It is differentiated and batched by its own rules. Left to itself XLA, on a CPU,

* runs the gradient with respect to the kernel at a hundredth of its speed inside `scan` and
  `while_loop` (jax issue 12868);
* dilates the cotangent of a strided correlation with zeros and correlates those too;
* turns `vmap` over image and kernel into one grouped convolution, four to eight times slower than
  one after another, so here the batching rule unrolls the lanes.

So on a CPU the work is done by matrix products, in one of three forms: `winograd` for many
channels, patches for strides and few channels, shifts for the rest. Where an output is small a
fourth is as few operations as can be, for the time to compile goes by their number. Elsewhere it is
XLA's own, with lanes unrolled all the same; of very few channels it is patches there too, and lanes
are a batch.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float
from numpy.typing import NDArray

from dip_jax.networks.layers import winograd
from dip_jax.networks.layers.resampling import taps_of

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def correlate(
    x: Float[Array, "h w c_in"], kernel: Float[Array, "k k c_in c_out"], stride: int
) -> Float[Array, "h_out w_out c_out"]:
    """The unpadded cross-correlation, `h_out = (h − k) // stride + 1`."""
    return _correlate(x, kernel, stride)


class _Form(NamedTuple):
    """One way to compute a correlation and its gradients.

    Attributes:
        correlate: of `(x, kernel)`.
        gradients: with respect to both, of `(x, kernel, g)`.
    """

    correlate: Callable
    gradients: Callable


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _correlate(x, kernel, stride):
    return _form(x, kernel, stride).correlate(x, kernel)


def _correlate_fwd(x, kernel, stride):
    return _correlate(x, kernel, stride), (x, kernel)


def _correlate_bwd(stride, residuals, g):
    x, kernel = residuals
    return _form(x, kernel, stride).gradients(x, kernel, g)


_correlate.defvjp(_correlate_fwd, _correlate_bwd)


def _form(x, kernel, stride) -> _Form:
    """The fastest form, with its batching rule."""
    if jax.default_backend() == "cpu":
        return _lane_by_lane(_form_on_cpu(x, kernel, stride))
    if kernel.shape[2] <= _VERY_FEW_CHANNELS:
        return _patches(stride)  # matrix products, and lanes are a batch of them
    return _lane_by_lane(_library(stride))


_VERY_FEW_CHANNELS = 8


def _form_on_cpu(x, kernel, stride) -> _Form:
    k, _, c_in, c_out = kernel.shape
    h, w = ((side - k) // stride + 1 for side in x.shape[:2])
    if h * w <= _FEW_PATCHES:
        return _few_patches(stride)
    if stride > 1 or k * k * c_in <= _SMALL_PATCH * c_out:
        return _patches(stride)
    # What Winograd's sums round away in 16 bits is many times what the products do.
    if k == 3 and min(c_in, c_out) >= _MANY_CHANNELS and x.dtype.itemsize >= 4:
        for tile in (4, 2):
            if h % tile == w % tile == 0:
                return _winograd(tile)
    return _shifts()


# A patch of at most so many times the values of an output; so many patches; so many channels.
_SMALL_PATCH, _FEW_PATCHES, _MANY_CHANNELS = 3, 1024, 24


def _lane_by_lane(form: _Form) -> _Form:
    return _Form(_per_lane(form.correlate), _per_lane(form.gradients))


def _per_lane(f: Callable) -> Callable:
    """Gives `f` a batching rule that computes one lane after the other."""
    batched = jax.custom_batching.custom_vmap(f)

    @batched.def_vmap
    def _rule(axis_size, in_batched, *args):
        def lane(i):
            picked = [
                arg[i] if is_batched else arg
                for arg, is_batched in zip(args, in_batched, strict=True)
            ]
            return batched(*picked)

        lanes = [lane(i) for i in range(axis_size)]
        result = jax.tree.map(lambda *parts: jnp.stack(parts), *lanes)
        return result, jax.tree.map(lambda _: True, result)

    return batched


def _library(stride: int) -> _Form:
    """XLA's convolution, and the gradients that it derives."""

    def correlate(x, kernel):
        return lax.conv_general_dilated(
            x[None], kernel, (stride, stride), "VALID", dimension_numbers=_LAYOUT
        )[0]

    def gradients(x, kernel, g):
        return jax.vjp(correlate, x, kernel)[1](g)

    return _Form(correlate, gradients)


def _winograd(tile: int) -> _Form:
    return _Form(
        functools.partial(winograd.correlate, tile=tile),
        functools.partial(winograd.gradients, tile=tile),
    )


def _shifts() -> _Form:
    """XLA's convolution forwards and for the image; matrix products of shifts for the kernel."""

    def correlate(x, kernel):
        return _library(1).correlate(x, kernel)

    def gradients(x, kernel, g):
        border = kernel.shape[0] - 1
        padded = jnp.pad(g, ((border, border), (border, border), (0, 0)))
        d_x = correlate(padded, jnp.flip(kernel, (0, 1)).swapaxes(2, 3))
        return d_x, _kernel_gradient(x, padded, kernel.shape[0])

    return _Form(correlate, gradients)


def _kernel_gradient(x, padded, k):
    """`d[a, b] = sum over (i, j) of x[i + a, j + b] ⊗ g[i, j]`, one matrix product per row of taps.

    Shifting the cotangent instead of the image lets all products share one image, and a shift by a
    row is a contiguous slice of the flattened array.
    """
    (h, w, c_in), c_out = x.shape, padded.shape[2]
    columns = [padded[:, k - 1 - b : k - 1 - b + w] for b in range(k)]
    shifted = jnp.concatenate(columns, axis=2).reshape(-1, k * c_out)
    flat = x.reshape(h * w, c_in)
    rows = [
        _transposed_product(flat, shifted[(k - 1 - a) * w : (k - 1 - a + h) * w]) for a in range(k)
    ]
    return jnp.stack(rows).reshape(k, c_in, k, c_out).swapaxes(1, 2)


def _transposed_product(a, b):
    return lax.dot_general(a, b, (((0,), (0,)), ((), ())))


def _patches(stride: int) -> _Form:
    """One matrix product of all patches: where they have few channels."""

    def correlate(x, kernel):
        k, c_out = kernel.shape[0], kernel.shape[3]
        return _gathered(x, k, stride) @ kernel.reshape(-1, c_out)

    def gradients(x, kernel, g):
        k, c_out = kernel.shape[0], kernel.shape[3]
        flat = g.reshape(-1, c_out)
        patches = _gathered(x, k, stride).reshape(flat.shape[0], -1)
        d_kernel = _transposed_product(patches, flat).reshape(kernel.shape)
        d_patches = flat @ kernel.reshape(-1, c_out).T
        d_x = _scattered(d_patches.reshape(*g.shape[:2], k, k, -1), x.shape, stride)
        return d_x, d_kernel

    return _Form(correlate, gradients)


def _few_patches(stride: int) -> _Form:
    """XLA's convolution forwards; backwards all patches at once, by one gather each way.

    An operation of its own for every tap, as in `_patches`, is as fast and takes longer to compile.
    """

    def gradients(x, kernel, g):
        (k, _, c_in, c_out), (h, w, _) = kernel.shape, x.shape
        patches, flat = _of_patches(h, w, k, stride), g.reshape(-1, c_out)
        gathered = x.reshape(-1, c_in).at[patches].get(mode="promise_in_bounds")
        d_kernel = _transposed_product(gathered.reshape(len(patches), -1), flat)
        d_patches = (flat @ kernel.reshape(-1, c_out).T).reshape(-1, c_in)
        where, there = _in_patches(h, w, k, stride)
        met = d_patches.at[where].get(mode="promise_in_bounds")
        d_x = jnp.sum(jnp.where(there[..., None], met, 0), axis=1)
        return d_x.reshape(x.shape), d_kernel.reshape(kernel.shape)

    return _Form(_library(stride).correlate, gradients)


@functools.lru_cache(maxsize=256)
def _of_patches(h: int, w: int, k: int, s: int) -> NDArray[np.int32]:
    """`(patches, k·k)`: the pixels of each patch of an image, counted along its rows."""
    pixels = np.arange(h * w, dtype=np.int32).reshape(h, w)
    patches = np.lib.stride_tricks.sliding_window_view(pixels, (k, k))[::s, ::s]
    return patches.reshape(-1, k * k)


@functools.lru_cache(maxsize=256)
def _in_patches(h: int, w: int, k: int, s: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """`(pixels, most)`: the places of each pixel in the flattened `_of_patches`, and which count.

    `most` is the largest number of places that a pixel has.
    """
    pixels = _of_patches(h, w, k, s).ravel()
    taps = taps_of(pixels, np.arange(pixels.size), np.ones(pixels.size, np.float32), h * w)
    return taps.column.T, taps.weight.T > 0


def _gathered(x, k, s):
    """All patches, `(h_out, w_out, k·k·c)`."""
    h, w = ((side - k) // s * s + 1 for side in x.shape[:2])
    return jnp.concatenate(
        [x[a : a + h : s, b : b + w : s] for a in range(k) for b in range(k)], axis=2
    )


def _scattered(d, shape, s):
    """The transpose of `_gathered`: `(h_out, w_out, k, k, c)` to an image; overlaps are added.

    Pixel `s·i + r` is met by the taps `r, r + s, …` only, so the s² phases of the image are summed
    each for itself.
    """
    h, w, k, _, c = d.shape
    last = -(-k // s) - 1

    def phase(p, q):
        total = jnp.zeros((h + last, w + last, c), d.dtype)
        for a in range(p, k, s):
            for b in range(q, k, s):
                widths = ((a // s, last - a // s), (b // s, last - b // s), (0, 0))
                total = total + jnp.pad(d[:, :, a, b], widths)
        return total

    rows = [jnp.stack([phase(p, q) for q in range(s)], axis=2) for p in range(s)]
    image = jnp.stack(rows, axis=1).reshape(s * (h + last), s * (w + last), c)
    image = image[: shape[0], : shape[1]]
    missing = [(0, have - want) for want, have in zip(image.shape, shape, strict=True)]
    return jnp.pad(image, missing)
