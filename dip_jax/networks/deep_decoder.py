"""The Deep Decoder and the ConvDecoder: untrained networks that only go up, from a small `z`.

One image, no batch axis: `z` is `(h / 2^S, w / 2^S, d)`, the output `(h, w, c)` in [0, 1]. Several
fits are `jax.vmap` over `init` and `apply`. Both are pure, and batch normalisation always uses the
statistics of the one image at hand.

With S scales there are S + 1 layers, the last of which does not upsample; U is fixed upsampling by
2, C a convolution without a bias, cn the normalisation of each channel:

    B[i + 1] = cn(relu(C[i] U[i] B[i])),    x = sigmoid(C B[S + 1]), C 1×1

Sources, and what they differ in here:

* Heckel, Hand, "Deep Decoder: Concise Image Representations from Untrained Non-convolutional
  Networks", ICLR 2019, and its published code: 1×1 convolutions, bilinear upsampling, S = 5 scales
  of 64 or 128 channels, a `z` from U(0, 0.1) with as many. For 3 output channels that is 25,536 or
  100,224 parameters: the kernels, and two for each channel of a norm. It upsamples after the
  convolution, which is the same: the two act on different axes.
* Darestani, Heckel, "Accelerated MRI with Un-trained Neural Networks", IEEE Transactions on
  Computational Imaging 2021, and its published code: 3×3 convolutions after nearest upsampling, S =
  7 scales of 160 channels or 6 of 256, in one version with biases. It pads with zeros, chooses the
  sizes between freely and has no sigmoid; here it is reflection, powers of 2, an image in [0, 1].
"""

import dataclasses
import functools
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from dip_jax.networks.cost import Cost
from dip_jax.networks.fields import check_fields
from dip_jax.networks.layers.convolution import CONVOLVED, conv, settle_gradient
from dip_jax.networks.layers.normalisation import moments, norm_gain
from dip_jax.networks.layers.parameters import KernelParams, NormParams
from dip_jax.networks.layers.resampling import resample
from dip_jax.networks.layers.upsampling import upsample_conv
from dip_jax.networks.network import FLOAT32, Network, norm_dtype, pure


@dataclasses.dataclass(frozen=True)
class DeepDecoder:
    """The shape of a Deep Decoder; the tuples have one entry per scale, the finest scale first.

    Layer i goes from scale i + 1 to scale i, which has sides of 1 / 2^i of the picture's; one more
    layer at the finest scale, like layer 0 but without upsampling, comes last.

    Attributes:
        up: channels of the layers.
        upsampling: "nearest" or "bilinear" (half-pixel centres, clamped edges).

    Raises:
        InputError: if there is no such network; the message names the field.
    """

    up: tuple[int, ...]
    upsampling: tuple[str, ...]

    def __post_init__(self):
        check_fields(self)

    @property
    def taps(self) -> tuple[int, ...]:
        """Of the layers' convolutions, per side."""
        return (1,) * self.scales

    @property
    def scales(self) -> int:
        """The number of scales S, and of upsamplings."""
        return len(self.up)

    @property
    def min_side(self) -> int:
        """The smallest side, in pixels, of a picture that reaches the coarsest scale: 2^S."""
        return 2**self.scales

    @property
    def width(self) -> float:
        """The mean number of channels of a scale."""
        return sum(self.up) / self.scales

    def padded(self, h: int, w: int) -> tuple[int, int]:
        """The smallest size from `(h, w)` up that the network can process.

        A multiple of 2^S, and large enough for reflection padding at every scale.
        """
        unit = 2**self.scales
        least = max(math.ceil((k // 2 + 1) * 2**i / unit) for i, k in enumerate(self.taps))
        return unit * max(least, math.ceil(h / unit)), unit * max(least, math.ceil(w / unit))

    def input_size(self, h: int, w: int) -> tuple[int, int]:
        """Rows and columns of `z` for a padded picture of `(h, w)`: those of the coarsest scale."""
        return h // 2**self.scales, w // 2**self.scales

    def cost(self, h: int, w: int, depth: int, channels: int) -> Cost:
        """See `network.Architecture`."""
        rows, columns = self.padded(h, w)
        pixels = rows * columns
        adds = pixels * self.up[0] * (self.taps[0] ** 2 * self.up[0] + channels)
        values = 3 * pixels * self.up[0]
        for i, k in enumerate(self.taps):
            c, c_in = self.up[i], self.up[i + 1] if i + 1 < self.scales else depth
            # A 1×1 convolution comes before the upsampling.
            adds += pixels // 4 ** (i + (k == 1)) * k**2 * c_in * c
            # Per layer: the padded input, what is convolved and upsampled, and what is rectified.
            values += pixels // 4 ** (i + 1) * c_in + pixels // 4**i * 2 * c
        return Cost(adds, values)

    def network(self, channels: int, *, dtype: jnp.dtype = FLOAT32, remat: bool = False) -> Network:
        """See `network.Architecture`."""
        return decoder(self, channels, dtype=dtype, remat=remat)


@dataclasses.dataclass(frozen=True)
class ConvDecoder(DeepDecoder):
    """The shape of a ConvDecoder: a `DeepDecoder` whose convolutions see neighbours.

    Attributes:
        up_kernel: taps per side of the layers' convolutions; odd.
    """

    up_kernel: tuple[int, ...]

    @property
    def taps(self) -> tuple[int, ...]:
        """Of the layers' convolutions, per side."""
        return self.up_kernel


@functools.lru_cache(maxsize=16)
def decoder(
    architecture: DeepDecoder, channels: int, *, dtype: jnp.dtype = FLOAT32, remat: bool = False
) -> Network:
    """The network of a decoder; see `network.Architecture` for the options."""
    return pure(Decoder(architecture, channels, dtype), remat=remat)


class Decoder(nn.Module):
    """The layers, from the coarsest to the finest; see `DeepDecoder`.

    No image is ever normalised. A norm is an affine map of each channel, `gain · x + shift`, and
    what comes next, upsampling, reflection padding and a convolution, is linear and leaves what is
    constant constant: the gain becomes part of the kernel, and the shift a bias after it.
    """

    architecture: DeepDecoder
    channels: int
    dtype: jnp.dtype = FLOAT32

    @nn.compact
    def __call__(self, z: Float[Array, "h_z w_z d"]) -> Float[Array, "h w channels"]:
        a = self.architecture
        x, gain, shift = z.astype(self.dtype), None, None
        for i in reversed(range(a.scales)):
            x, gain, shift = self._layer(x, gain, shift, i, a.upsampling[i])
        x, gain, shift = self._layer(x, gain, shift, 0, None)
        kernel, bias = self._kernel("out", x.shape[2], gain, shift, self.channels, 1)
        if self.is_initializing():  # which needs shapes alone, and would trace all of it in vain
            return jnp.zeros((*x.shape[:2], self.channels), norm_dtype(self.dtype))
        return nn.sigmoid(conv(x, kernel, bias, dtype=norm_dtype(self.dtype)))

    def _kernel(self, name: str, c_in: int, gain, shift, features: int, taps: int):
        """A kernel after a norm, in the convolutions' precision, and the bias that comes of it."""
        kernel = KernelParams(features, taps, name=name)(c_in).astype(norm_dtype(self.dtype))
        if gain is None:
            return kernel.astype(self.dtype), None
        bias = shift @ jnp.sum(kernel, axis=(0, 1))
        return (kernel * gain[None, None, :, None]).astype(self.dtype), bias

    def _layer(self, x, gain, shift, i: int, upsampling: str | None):
        """The rectified image of layer i, and the gain and shift that its norm would apply."""
        a, name = self.architecture, "last" if upsampling is None else f"up{i}"
        kernel, bias = self._kernel(f"{name}_conv", x.shape[2], gain, shift, a.up[i], a.taps[i])
        scale, offset = NormParams(name=f"{name}_norm")(a.up[i])
        if self.is_initializing():
            h, w = (side * (2 if upsampling else 1) for side in x.shape[:2])
            return jnp.zeros((h, w, a.up[i]), self.dtype), scale, offset
        x = _convolved(x, kernel, bias, upsampling)
        x, mean, variance = rectify(x, norm_dtype(self.dtype))
        gain = norm_gain(scale.astype(norm_dtype(self.dtype)), variance)
        return x, gain, offset.astype(norm_dtype(self.dtype)) - gain * mean


def _convolved(x, kernel, bias, upsampling: str | None):
    """Upsampling, convolution and bias, in the order that is fastest."""
    bias = None if bias is None else bias.astype(x.dtype)
    if upsampling is None:
        return conv(x, kernel, bias)
    if kernel.shape[0] == 1:  # a quarter of the arithmetic
        return resample(conv(x, kernel, bias), upsampling, 0)
    x = upsample_conv(x, kernel, upsampling)
    x = settle_gradient(checkpoint_name(x, CONVOLVED))
    return x if bias is None else x + bias[None, None]


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def rectify(
    x: Float[Array, "h w c"], dtype: jnp.dtype
) -> tuple[Float[Array, "h w c"], Float[Array, " c"], Float[Array, " c"]]:
    """The ReLU of an image, and mean and biased variance of each of its channels.

    Args:
        x: the image.
        dtype: of the statistics and their arithmetic.

    Returns:
        The rectified image in the precision of `x`, its mean and its variance.
    """
    return _rectify_fwd(x, dtype)[0]


def _rectify_fwd(x, dtype):
    out = jnp.maximum(x, 0)
    mean, variance = moments(out.astype(dtype))
    return (out, mean, variance), (out, mean)


def _rectify_bwd(dtype, residuals, g):
    """The sign is found in the output; the variance's gradient takes the mean as it is."""
    out, mean = residuals
    d_out, d_mean, d_variance = g
    pixels = out.shape[0] * out.shape[1]
    shift, slope = d_mean / pixels, 2 * d_variance / pixels
    d_x = d_out.astype(dtype) + shift[None, None]
    d_x = d_x + slope[None, None] * (out.astype(dtype) - mean[None, None])
    return (jnp.where(out > 0, d_x, 0).astype(out.dtype),)


rectify.defvjp(_rectify_fwd, _rectify_bwd)
