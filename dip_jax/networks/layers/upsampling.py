"""Upsampling by 2, and a 3×3 convolution of what is upsampled; on a CPU without making it.

The convolution after each upsampling is two thirds of a fit's arithmetic, and it sees an image that
says everything four times. Both are linear and act on each position alike, so they can change
places: every tap (a, b) of the kernel becomes a 1×1 convolution of the small image,

    p[a, b] = x @ kernel[a, b],

and the result is the sum of the upsampled `p[a, b]`, each shifted by its tap. The nine 1×1
convolutions are one matrix product of 9 products per small pixel in place of 36; the upsampling,
the shifts and the sum are a few additions, done along the columns first and then along the rows.
The same holds backwards, where one matrix serves both gradients. It is exact, borders included. On
an accelerator that saves arithmetic, which is cheap, and costs passes over memory, which are not:
there the image is upsampled and mirrored at once (`resampling`), and convolved. So is a small one
on a CPU: that is few operations, and the compiler's time goes by their number.

Images are `(h, w, c)` without a batch axis, as in `convolution`.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from dip_jax.networks.layers.convolution import conv
from dip_jax.networks.layers.correlation import correlate
from dip_jax.networks.layers.normalisation import channel_mean
from dip_jax.networks.layers.resampling import resample

UPSAMPLINGS = ("nearest", "bilinear")

# Along one axis, output 2i + parity is the sum over the three taps and over the small pixels
# i − 1, i, i + 1 of weight · p[tap]: _WEIGHTS[method][parity][tap].
_WEIGHTS = {
    "nearest": (
        ((1, 0, 0), (0, 1, 0), (0, 1, 0)),
        ((0, 1, 0), (0, 1, 0), (0, 0, 1)),
    ),
    "bilinear": (
        ((0.75, 0.25, 0), (0.25, 0.75, 0), (0, 0.75, 0.25)),
        ((0.25, 0.75, 0), (0, 0.75, 0.25), (0, 0.25, 0.75)),
    ),
}


def upsample(x: Float[Array, "h w c"], method: str) -> Float[Array, "2h 2w c"]:
    """Doubles both sides: "nearest", or "bilinear" with half-pixel centres and clamped edges."""
    for axis in (0, 1):
        if method == "nearest":
            low = high = x
        else:
            n = x.shape[axis]
            before = jnp.concatenate([_part(x, 0, 1, axis), _part(x, 0, n - 1, axis)], axis)
            after = jnp.concatenate([_part(x, 1, n, axis), _part(x, n - 1, n, axis)], axis)
            low, high = 0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after
        x = _interleave(low, high, axis)
    return x


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def upsampled_variance(x: Float[Array, "h w c"], method: str) -> Float[Array, " c"]:
    """The biased variance, per channel, of `upsample(x, method)`.

    Nearest upsampling does not change it. Bilinear upsampling is a matrix U along each axis; its
    columns sum to 2, which leaves the mean, and UᵀU/2 is the filter [3 10 3]/16 with clamped edges,
    so the variance is the mean of the product of the centred image and the filtered one. The filter
    is symmetric and leaves the mean: the gradient is twice the filtered image over the pixels.
    """
    return _variance(x, method)[0]


def _variance(x, method):
    centred = filtered = x - channel_mean(x)[None, None]
    if method == "bilinear":
        for axis in (0, 1):
            n = x.shape[axis]
            widths = [(0, 0)] * 3
            widths[axis] = (1, 1)
            padded = jnp.pad(filtered, widths, mode="edge")
            around = _part(padded, 0, n, axis) + _part(padded, 2, n + 2, axis)
            filtered = 0.1875 * around + 0.625 * filtered
    return channel_mean(centred * filtered), filtered


def _variance_bwd(method, filtered, g):
    pixels = filtered.shape[0] * filtered.shape[1]
    return ((2 / pixels) * g[None, None] * filtered,)


upsampled_variance.defvjp(_variance, _variance_bwd)


def upsample_conv(
    x: Float[Array, "h w c_in"], kernel: Float[Array, "k k c_in c_out"], method: str
) -> Float[Array, "2h 2w c_out"]:
    """The convolution of `upsample(x, method)`, with reflection padding of (k − 1)/2 and no bias.

    Args:
        x: the image; with 2 pixels a side or more, more than 64 in all and k = 3 it takes a CPU's
            fast form.
        kernel: an odd number k of taps in each direction.
        method: "nearest" or "bilinear".

    Raises:
        ValueError: as `convolution.conv`, of the upsampled image.
    """
    if jax.default_backend() != "cpu" or 4 * x.shape[0] * x.shape[1] <= _SMALL:
        return _resampled_conv(x, kernel, method)
    if kernel.shape[:2] != (3, 3) or min(x.shape[:2]) < 2:
        return conv(upsample(x, method), kernel)
    return _upsample_conv3(x, kernel, method)


def _resampled_conv(x, kernel, method):
    """With the upsampled image: on an accelerator arithmetic is cheap, and passes are dear.

    Of a small image it is little on a CPU too.
    """
    p = kernel.shape[0] // 2
    if kernel.shape[0] != kernel.shape[1] or kernel.shape[0] % 2 == 0 or 2 * min(x.shape[:2]) <= p:
        return conv(upsample(x, method), kernel)  # which says what is wrong
    return correlate(resample(x, method, p), kernel, 1)


# Pixels, upsampled. With 32 x 32 a step of 128 x 128 pixels took 1.05 times as long, on an Intel
# Xeon, and as long as before with 16 x 16.
_SMALL = 256


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _upsample_conv3(x, kernel, method):
    return _forward(x, kernel, method)[0]


def _forward(x, kernel, method):
    c_out = kernel.shape[3]
    padded = jnp.pad(x, ((1, 1), (1, 1), (0, 0)), mode="edge")
    products = lax.dot_general(padded, _side_by_side(kernel), (((2,), (0,)), ((), ())))
    taps = [products[..., i * c_out : (i + 1) * c_out] for i in range(9)]
    columns = [_spread(taps[3 * a : 3 * a + 3], method, 1) for a in range(3)]
    # Each of the three is read three times: without the barrier it would be computed three times.
    return _spread(lax.optimization_barrier(columns), method, 0), (padded, kernel)


def _backward(method, residuals, g):
    padded, kernel = residuals
    h, w, c_in = padded.shape
    columns = lax.optimization_barrier(_collect(g, method, 0))
    taps = jnp.concatenate([tap for c in columns for tap in _collect(c, method, 1)], axis=-1)
    # Flat, because XLA's matrix product over two axes at once is slower on a CPU.
    taps, flat = taps.reshape(h * w, -1), padded.reshape(h * w, c_in)
    d_x = lax.dot_general(taps, _side_by_side(kernel), (((1,), (1,)), ((), ())))
    d_kernel = lax.dot_general(flat, taps, (((0,), (0,)), ((), ())))
    d_x = _fold_edges(_fold_edges(d_x.reshape(padded.shape), 0), 1)
    return d_x, d_kernel.reshape(c_in, 3, 3, -1).transpose(1, 2, 0, 3)


_upsample_conv3.defvjp(_forward, _backward)


def _side_by_side(kernel):
    """`(3, 3, c_in, c_out)` to `(c_in, 9·c_out)`."""
    return kernel.transpose(2, 0, 1, 3).reshape(kernel.shape[2], -1)


def _spread(taps, method, axis):
    """From three taps with a pixel of edge on each side to their upsampled and shifted sum."""
    n = taps[0].shape[axis] - 2
    low, high = (_weighted(taps, _WEIGHTS[method][parity], n, axis) for parity in range(2))
    if method == "bilinear":
        # Beyond the border there is the mirror image, where an upsampled edge would go on flat.
        first = 0.25 * (_part(taps[0], 2, 3, axis) - _part(taps[0], 1, 2, axis))
        last = 0.25 * (_part(taps[2], n - 1, n, axis) - _part(taps[2], n, n + 1, axis))
        low = _add_at(low, 0, first, axis)
        high = _add_at(high, n - 1, last, axis)
    return _interleave(low, high, axis)


def _weighted(taps, weights, n, axis):
    return _sum(
        (w, _part(taps[k], offset, offset + n, axis))
        for k in range(3)
        for offset, w in enumerate(weights[k])
    )


def _collect(g, method, axis):
    """The adjoint of `_spread`: from a cotangent to those of the three taps."""
    n = g.shape[axis] // 2
    g = g.reshape(*g.shape[:axis], n, 2, *g.shape[axis + 1 :])
    phases = [lax.index_in_dim(g, parity, axis + 1, keepdims=False) for parity in range(2)]
    widths = [(0, 0)] * phases[0].ndim
    widths[axis] = (2, 2)
    padded = [jnp.pad(phase, widths) for phase in phases]
    taps = [
        _sum(
            (w, _part(padded[parity], 2 - offset, n + 4 - offset, axis))
            for parity in range(2)
            for offset, w in enumerate(_WEIGHTS[method][parity][k])
        )
        for k in range(3)
    ]
    if method == "bilinear":
        first = 0.25 * _part(phases[0], 0, 1, axis)
        last = 0.25 * _part(phases[1], n - 1, n, axis)
        taps[0] = _add_at(_add_at(taps[0], 1, -first, axis), 2, first, axis)
        taps[2] = _add_at(_add_at(taps[2], n, -last, axis), n - 1, last, axis)
    return taps


def _sum(terms):
    """The sum of weight · image, without those whose weight is 0."""
    products = [x if w == 1 else w * x for w, x in terms if w]
    return functools.reduce(jnp.add, products)


def _part(x, start, stop, axis):
    return lax.slice_in_dim(x, start, stop, axis=axis)


def _add_at(x, i, values, axis):
    """Adds `values`, one pixel thick, at position `i` of an axis."""
    n = x.shape[axis]
    pieces = [_part(x, 0, i, axis), _part(x, i, i + 1, axis) + values, _part(x, i + 1, n, axis)]
    return jnp.concatenate(pieces, axis)


def _interleave(low, high, axis):
    shape = list(low.shape)
    shape[axis] *= 2
    return jnp.stack([low, high], axis=axis + 1).reshape(shape)


def _fold_edges(g, axis):
    """The adjoint of edge padding by one pixel."""
    n = g.shape[axis] - 2
    g = _add_at(_add_at(g, 1, _part(g, 0, 1, axis), axis), n, _part(g, n + 1, n + 2, axis), axis)
    return _part(g, 1, n + 1, axis)
