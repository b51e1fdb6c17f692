"""A network: convolutions one after the other at the picture's own size, with no other scale."""

import dataclasses
import functools

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from dip_jax.networks.cost import Cost
from dip_jax.networks.fields import check_fields
from dip_jax.networks.layers.convolution import conv
from dip_jax.networks.layers.normalisation import normalise_activate
from dip_jax.networks.layers.parameters import ConvParams, KernelParams, NormParams
from dip_jax.networks.network import FLOAT32, Network, norm_dtype, pure


@dataclasses.dataclass(frozen=True)
class Flat:
    """The shape: one layer for every entry of the tuples, the last of which comes first.

    Attributes:
        up: channels of the layers.
        up_kernel: taps per side of their convolutions; odd.
    """

    up: tuple[int, ...]
    up_kernel: tuple[int, ...]

    def __post_init__(self):
        check_fields(self)

    @property
    def scales(self) -> int:
        return len(self.up)

    @property
    def min_side(self) -> int:
        return max(self.up_kernel) // 2 + 1  # for reflection padding

    @property
    def width(self) -> float:
        return sum(self.up) / len(self.up)

    def padded(self, h: int, w: int) -> tuple[int, int]:
        return max(h, self.min_side), max(w, self.min_side)

    def input_size(self, h: int, w: int) -> tuple[int, int]:
        return h, w

    def cost(self, h: int, w: int, depth: int, channels: int) -> Cost:
        rows, columns = self.padded(h, w)
        adds, values, c_in = self.up[0] * channels, 0, depth
        for c, k in zip(reversed(self.up), reversed(self.up_kernel), strict=True):
            adds += k**2 * c_in * c
            values += c_in + 3 * c  # the padded input; what is convolved, normalised, activated
            c_in = c
        return Cost(rows * columns * adds, rows * columns * values)

    def network(self, channels: int, *, dtype: jnp.dtype = FLOAT32, remat: bool = False) -> Network:
        return flat(self, channels, dtype=dtype, remat=remat)


@functools.lru_cache(maxsize=16)
def flat(shape: Flat, channels: int, *, dtype: jnp.dtype, remat: bool) -> Network:
    return pure(Layers(shape, channels, dtype), remat=remat)


class Layers(nn.Module):
    """See `Flat`."""

    shape: Flat
    channels: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, z: Float[Array, "h w d"]) -> Float[Array, "h w channels"]:
        x, norm = z.astype(self.dtype), norm_dtype(self.dtype)
        for i in reversed(range(self.shape.scales)):
            taps, channels = self.shape.up_kernel[i], self.shape.up[i]
            kernel = KernelParams(channels, taps, name=f"conv{i}")(x.shape[2])
            scale, offset = NormParams(name=f"norm{i}")(channels)
            x = conv(x, kernel.astype(self.dtype))
            x = normalise_activate(x, scale.astype(norm), offset.astype(norm))
        kernel, bias = ConvParams(self.channels, name="out")(x.shape[2])
        return nn.sigmoid(conv(x, kernel.astype(self.dtype), bias.astype(norm), dtype=norm))
