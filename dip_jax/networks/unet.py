"""The U-Net as an untrained network.

One image, no batch axis: `z` is `(h, w, d)`, the output `(h, w, c)` in [0, 1]. Several fits are
`jax.vmap` over `init` and `apply`. Both are pure, and batch normalisation always uses the
statistics of the one image at hand.

At each scale there are two 3×3 convolutions, then 2×2 max pooling to the next; on the way back a
2×2 transposed convolution with stride 2 upsamples, the image of the way down is put beside it, and
two 3×3 convolutions follow. At the end there are a 1×1 convolution and a sigmoid.

Source: Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image
Segmentation", MICCAI 2015, figure 1. With the channels of the paper, 64 to 1024 at five scales, one
input and two output channels, the kernels and biases of its 23 convolutions are 31,030,658
parameters; the norms, which the paper does not have, are 11,776 more. What else differs: reflection
padding keeps the size, where the paper's convolutions have no padding and what is put beside is
cropped; the activation is the leaky ReLU of the hourglass; there is no dropout.
"""

import dataclasses
import functools
import math

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from dip_jax.networks.cost import Cost
from dip_jax.networks.fields import check_fields
from dip_jax.networks.layers.convolution import conv
from dip_jax.networks.layers.normalisation import normalise_activate
from dip_jax.networks.layers.parameters import ConvParams, NormParams
from dip_jax.networks.network import FLOAT32, Network, norm_dtype, pure


@dataclasses.dataclass(frozen=True)
class UNet:
    """The shape of a U-Net; the tuple has one entry per scale, the finest scale first.

    Attributes:
        down: channels of the convolutions at a scale, on both ways; the last is the bottom.

    Raises:
        InputError: if there is no such network; the message names the field.
    """

    down: tuple[int, ...]

    def __post_init__(self):
        check_fields(self)

    @property
    def scales(self) -> int:
        """The number of scales S; there are S − 1 poolings between them."""
        return len(self.down)

    @property
    def min_side(self) -> int:
        """The smallest side, in pixels, of a picture that reaches the bottom: 2^(S − 1)."""
        return 2 ** (self.scales - 1)

    @property
    def width(self) -> float:
        """The mean number of channels of a scale."""
        return sum(self.down) / self.scales

    def padded(self, h: int, w: int) -> tuple[int, int]:
        """The smallest size from `(h, w)` up that the network can process.

        A multiple of 2^(S − 1), and twice that or more: reflection takes two pixels at the bottom.
        """
        unit = self.min_side
        return unit * max(2, math.ceil(h / unit)), unit * max(2, math.ceil(w / unit))

    def input_size(self, h: int, w: int) -> tuple[int, int]:
        """Rows and columns of `z` for a padded picture of `(h, w)`: the same."""
        return h, w

    def cost(self, h: int, w: int, depth: int, channels: int) -> Cost:
        """See `network.Architecture`."""
        rows, columns = self.padded(h, w)
        adds, values, c_in = rows * columns * self.down[0] * channels, 0, depth
        for i, c in enumerate(self.down):
            pixels = rows * columns // 4**i
            adds += pixels * 9 * (c_in + c) * c
            # Per block: the padded input, the output, the normalised and the activated output.
            maps = (c_in + 3 * c) + (c + 3 * c)
            if i + 1 < self.scales:
                adds += pixels * (self.down[i + 1] * c + 9 * (2 * c + c) * c)
                # Also what is upsampled, and put beside.
                maps += (c + 2 * c) + (2 * c + 3 * c) + (c + 3 * c)
            values += pixels * maps
            c_in = c
        return Cost(adds, values)

    def network(self, channels: int, *, dtype: jnp.dtype = FLOAT32, remat: bool = False) -> Network:
        """See `network.Architecture`."""
        return unet(self, channels, dtype=dtype, remat=remat)


@functools.lru_cache(maxsize=16)
def unet(
    architecture: UNet, channels: int, *, dtype: jnp.dtype = FLOAT32, remat: bool = False
) -> Network:
    """The network of a `UNet`; see `network.Architecture` for the options."""
    return pure(UNetModule(architecture, channels, dtype), remat=remat)


class UNetModule(nn.Module):
    """The U-Net, one scale inside the other; see `UNet`."""

    architecture: UNet
    channels: int
    dtype: jnp.dtype = FLOAT32

    @nn.compact
    def __call__(self, z: Float[Array, "h w d"]) -> Float[Array, "h w channels"]:
        x = self._scale(z.astype(self.dtype), 0)
        kernel, bias = ConvParams(self.channels, name="out")(x.shape[2])
        wide = norm_dtype(self.dtype)
        if self.is_initializing():
            return jnp.zeros((*x.shape[:2], self.channels), wide)
        out = conv(x, kernel.astype(self.dtype), bias.astype(wide), dtype=wide)
        return nn.sigmoid(out)

    def _scale(self, x, i: int):
        a, n = self.architecture, self.architecture.down[i]
        x = self._block(self._block(x, f"down{i}a", n), f"down{i}b", n)
        if i + 1 == a.scales:
            return x
        joined = self._join(x, self._scale(max_pool(x), i + 1), i)
        return self._block(self._block(joined, f"up{i}a", n), f"up{i}b", n)

    def _join(self, x, deep, i: int):
        """What is upsampled, put beside `x`.

        The bias of the transposed convolution is among the parameters, as in the paper, and is not
        added: the convolution that follows makes it a constant, which the norm takes away.
        """
        kernel, _ = ConvParams(x.shape[2], 2, name=f"up{i}_conv")(deep.shape[2])
        if self.is_initializing():
            return jnp.zeros((*x.shape[:2], 2 * x.shape[2]), x.dtype)
        up = transposed_conv(deep, kernel.astype(self.dtype))
        return jnp.concatenate([x, up], axis=-1)

    def _block(self, x, name: str, features: int):
        """Convolution, norm, activation. The norm takes away what a bias adds, so none is added.

        It is still among the parameters, as in the paper, and has no gradient.
        """
        kernel, _ = ConvParams(features, 3, name=f"{name}_conv")(x.shape[2])
        scale, offset = NormParams(name=f"{name}_norm")(features)
        if self.is_initializing():  # which needs shapes alone, and would trace all of it in vain
            return jnp.zeros((*x.shape[:2], features), x.dtype)
        norm = norm_dtype(self.dtype)
        convolved = conv(x, kernel.astype(self.dtype))
        return normalise_activate(convolved, scale.astype(norm), offset.astype(norm))


def max_pool(x: Float[Array, "h w c"]) -> Float[Array, "h/2 w/2 c"]:
    """The largest of 2×2 pixels, per channel; both sides are even."""
    h, w, c = x.shape
    pairs = x.reshape(h // 2, 2, w // 2, 2, c)
    rows = jnp.maximum(pairs[:, 0], pairs[:, 1])
    return jnp.maximum(rows[:, :, 0], rows[:, :, 1])


def transposed_conv(
    x: Float[Array, "h w c_in"], kernel: Float[Array, "2 2 c_in c_out"]
) -> Float[Array, "2h 2w c_out"]:
    """The transposed convolution of 2×2 taps with stride 2, without a bias.

        out[2i + a, 2j + b] = x[i, j] @ kernel[a, b]

    No two taps meet, so it is a 1×1 convolution to 4·c_out channels, which are then laid out.
    """
    h, w, c_in = x.shape
    c_out = kernel.shape[3]
    taps = conv(x, kernel.transpose(2, 0, 1, 3).reshape(1, 1, c_in, 4 * c_out))
    return taps.reshape(h, w, 2, 2, c_out).transpose(0, 2, 1, 3, 4).reshape(2 * h, 2 * w, c_out)
