"""Batch normalisation of one image, and the activation after it, as one function with its gradient.

Images are `(h, w, c)`. There are no running statistics: mean and variance are always those of the
image at hand, per channel.

Source: Ioffe, Szegedy, "Batch Normalization", ICML 2015, algorithm 1 and section 3's gradients.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_EPSILON, _SLOPE = 1e-5, 0.2


def norm_gain(scale: Float[Array, " c"], variance: Float[Array, " c"]) -> Float[Array, " c"]:
    """What batch normalisation multiplies each channel by, eps 1e-5."""
    return scale * jax.lax.rsqrt(variance + _EPSILON)


def channel_sum(x: Float[Array, "h w c"]) -> Float[Array, " c"]:
    """The sum of each channel.

    On an accelerator in two stages: XLA gives the sum over both axes of a small image to so few
    threads that it takes longer than that of one of a hundred times the size.
    """
    if jax.default_backend() == "cpu":
        return jnp.sum(x, axis=(0, 1))
    return jnp.sum(jax.lax.optimization_barrier(jnp.sum(x, axis=1)), axis=0)


def channel_mean(x: Float[Array, "h w c"]) -> Float[Array, " c"]:
    """The mean of each channel."""
    return channel_sum(x) / (x.shape[0] * x.shape[1])


def moments(x: Float[Array, "h w c"]) -> tuple[Float[Array, " c"], Float[Array, " c"]]:
    """Mean and biased variance of each channel."""
    if jax.default_backend() != "cpu":
        return moments_in_one_pass(x)
    mean = channel_mean(x)
    return mean, channel_mean(jnp.square(x - mean[None, None]))


def moments_in_one_pass(x: Float[Array, "h w c"]) -> tuple[Float[Array, " c"], Float[Array, " c"]]:
    """The same with one reading of the image.

    The sums are of the differences from the pixel in the middle, which is near enough to the mean
    that what the mean of their squares exceeds the variance by is not large beside it.
    """
    pivot = jax.lax.stop_gradient(x[x.shape[0] // 2, x.shape[1] // 2])
    apart = x - pivot[None, None]
    mean, square = channel_mean(apart), channel_mean(jnp.square(apart))
    return pivot + mean, jnp.maximum(square - jnp.square(mean), 0)


@jax.custom_vjp
def normalise_activate(
    x: Float[Array, "h w c"], scale: Float[Array, " c"], offset: Float[Array, " c"]
) -> Float[Array, "h w c"]:
    """Normalises each channel, and applies the leaky ReLU of slope 0.2.

    What is kept for the gradient is `x` alone: the sign of what is activated is found again.

    Args:
        x: in float32 or less; statistics and arithmetic are those of `scale`.
        scale: of the normalised channels.
        offset: likewise.

    Returns:
        The activated image, in the precision of `x`.
    """
    return _forward(x, scale, offset)[0]


def _forward(x, scale, offset):
    wide = x.astype(scale.dtype)
    mean, variance = moments(wide)
    out = jax.nn.leaky_relu(_normalised(wide, mean, variance, scale, offset), _SLOPE)
    return out.astype(x.dtype), (x, mean, variance, scale, offset)


def _normalised(x, mean, variance, scale, offset):
    return (x - mean[None, None]) * norm_gain(scale, variance)[None, None] + offset[None, None]


def _backward(residuals, g):
    x, mean, variance, scale, offset = residuals
    wide, g = x.astype(scale.dtype), g.astype(scale.dtype)
    g = jnp.where(_normalised(wide, mean, variance, scale, offset) >= 0, g, _SLOPE * g)
    centred, over_deviation = wide - mean[None, None], jax.lax.rsqrt(variance + _EPSILON)
    d_offset = channel_sum(g)
    d_scale = channel_sum(g * centred) * over_deviation
    pixels = x.shape[0] * x.shape[1]
    shift, slope = d_offset / pixels, over_deviation * d_scale / pixels
    d_x = (scale * over_deviation)[None, None] * (
        g - shift[None, None] - centred * slope[None, None]
    )
    return d_x.astype(x.dtype), d_scale, d_offset


normalise_activate.defvjp(_forward, _backward)
