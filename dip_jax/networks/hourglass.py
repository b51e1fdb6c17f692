"""The untrained network `f(θ, z)`: a U-Net-like hourglass whose structure is the prior.

One image, no batch axis: `z` is `(h, w, d)`, the output `(h, w, c)` in [0, 1]. Several fits are
`jax.vmap` over `init` and `apply`. Both are pure: batch normalisation always uses the statistics of
the one image at hand, so there are no running statistics and `apply` needs nothing but parameters.

Source: Ulyanov, Vedaldi, Lempitsky, "Deep Image Prior", CVPR 2018, and the network of its published
code. DESIGN: at each scale a skip branch (1×1) and a deep branch (two convolutions, the first with
stride 2, then the next scale, then ×2 upsampling) are joined, normalised and convolved.
"""

import dataclasses
import functools
import math

import flax.linen as nn
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from dip_jax.networks.cost import Cost
from dip_jax.networks.fields import check_fields
from dip_jax.networks.layers.convolution import CONVOLVED, conv, settle_gradient
from dip_jax.networks.layers.normalisation import moments, norm_gain, normalise_activate
from dip_jax.networks.layers.parameters import ConvParams, NormParams
from dip_jax.networks.layers.upsampling import upsample_conv, upsampled_variance
from dip_jax.networks.network import FLOAT32, Network, norm_dtype, pure


@dataclasses.dataclass(frozen=True)
class Hourglass:
    """The shape of an hourglass; the tuples have one entry per scale, the finest scale first.

    Attributes:
        down: channels of the two convolutions on the way down.
        up: channels of the convolutions on the way up.
        skip: channels of the skip branch; 0 leaves it out.
        down_kernel: taps per side of the convolutions on the way down; odd.
        up_kernel: taps per side of the convolution after the join; odd.
        skip_kernel: taps per side of the skip branch; odd.
        upsampling: "nearest" or "bilinear" (half-pixel centres, clamped edges).
        pointwise: whether a 1×1 convolution follows the one after the join.
    """

    down: tuple[int, ...]
    up: tuple[int, ...]
    skip: tuple[int, ...]
    down_kernel: tuple[int, ...]
    up_kernel: tuple[int, ...]
    skip_kernel: tuple[int, ...]
    upsampling: tuple[str, ...]
    pointwise: bool = True

    def __post_init__(self):
        check_fields(self)

    @property
    def scales(self) -> int:
        """The number of scales S."""
        return len(self.down)

    @property
    def min_side(self) -> int:
        """The smallest side, in pixels, of a picture that reaches the deepest scale: 2^S."""
        return 2**self.scales

    @property
    def width(self) -> float:
        """The mean number of channels of a scale."""
        return sum(self.down) / self.scales

    def padded(self, h: int, w: int) -> tuple[int, int]:
        """The smallest size from `(h, w)` up that the network can process.

        A multiple of 2^S, and large enough for reflection padding at every scale.
        """
        unit = 2**self.scales
        # After scale i the image is side / 2^(i+1); before it, twice that.
        least = 1
        for i, k in enumerate(self.down_kernel):
            least = max(least, math.ceil((k // 2 + 1) * 2 ** (i + 1) / unit))
        for i, k in enumerate(self.up_kernel):
            least = max(least, math.ceil((k // 2 + 1) * 2**i / unit))
        for i, k in enumerate(self.skip_kernel):
            least = max(least, math.ceil((k // 2 + 1) * 2**i / unit))
        return unit * max(least, math.ceil(h / unit)), unit * max(least, math.ceil(w / unit))

    def input_size(self, h: int, w: int) -> tuple[int, int]:
        """Rows and columns of `z` for a padded picture of `(h, w)`: the same."""
        return h, w

    def cost(self, h: int, w: int, depth: int, channels: int) -> Cost:
        """See `network.Architecture`."""
        rows, columns = self.padded(h, w)
        pixels = rows * columns
        adds, values, c_in = pixels * self.up[0] * channels, 0, depth
        for i in range(self.scales):
            fine, coarse = pixels // 4**i, pixels // 4 ** (i + 1)
            low, skip, up = self.down[i], self.skip[i], self.up[i]
            deep = self.up[i + 1] if i + 1 < self.scales else low
            adds += coarse * self.down_kernel[i] ** 2 * (c_in + low) * low
            adds += fine * self.skip_kernel[i] ** 2 * c_in * skip
            adds += fine * self.up_kernel[i] ** 2 * (skip + deep) * up
            adds += fine * up**2 * self.pointwise
            # Per block: the padded input, the output, the normalised and the activated output.
            maps = c_in + 4 * skip + 3 * (skip + deep) + up * (7 if self.pointwise else 4)
            values += fine * maps + coarse * 8 * low
            c_in = low
        return Cost(adds, values)

    def network(self, channels: int, *, dtype: jnp.dtype = FLOAT32, remat: bool = False) -> Network:
        """See `network.Architecture`."""
        return hourglass(self, channels, dtype=dtype, remat=remat)


@functools.lru_cache(maxsize=16)
def hourglass(
    architecture: Hourglass, channels: int, *, dtype: jnp.dtype = FLOAT32, remat: bool = False
) -> Network:
    """The network of the published method; see `network.Architecture` for the options."""
    return pure(HourglassModule(architecture, channels, dtype), remat=remat)


class HourglassModule(nn.Module):
    """The hourglass, one scale inside the other; see `Hourglass`."""

    architecture: Hourglass
    channels: int
    dtype: jnp.dtype = FLOAT32

    @nn.compact
    def __call__(self, z: Float[Array, "h w d"]) -> Float[Array, "h w channels"]:
        x = self._scale(z.astype(self.dtype), 0)
        kernel, bias = ConvParams(self.channels, name="out")(x.shape[2])
        out = self._convolved(x, kernel, dtype=norm_dtype(self.dtype))
        return nn.sigmoid(out + bias.astype(norm_dtype(self.dtype))[None, None])

    def _convolved(self, x, kernel, stride: int = 1, dtype: jnp.dtype | None = None):
        if self.is_initializing():  # which needs shapes alone, and would trace all of it in vain
            h, w = (-(-side // stride) for side in x.shape[:2])
            return jnp.zeros((h, w, kernel.shape[3]), dtype or x.dtype)
        return conv(x, kernel.astype(self.dtype), stride=stride, dtype=dtype)

    def _block(self, x, name: str, features: int, taps: int, stride: int = 1):
        """Convolution, norm, activation. The norm takes away what a bias adds, so none is added.

        It is still among the parameters, as in the published network, and has no gradient.
        """
        kernel, _ = ConvParams(features, taps, name=f"{name}_conv")(x.shape[2])
        return self._activate(self._convolved(x, kernel, stride), name)

    def _activate(self, x, name: str):
        scale, offset = NormParams(name=f"{name}_norm")(x.shape[2])
        if self.is_initializing():
            return x
        norm = norm_dtype(self.dtype)
        return normalise_activate(x, scale.astype(norm), offset.astype(norm))

    def _scale(self, x, i: int):
        a = self.architecture
        deep = self._block(x, f"down{i}", a.down[i], a.down_kernel[i], stride=2)
        deep = self._block(deep, f"deep{i}", a.down[i], a.down_kernel[i])
        if i + 1 < a.scales:
            deep = self._scale(deep, i + 1)
        joined = self._join(x, deep, i)
        if a.pointwise:
            joined = self._block(joined, f"pointwise{i}", a.up[i], 1)
        return joined

    def _join(self, x, deep, i: int):
        """concat(skip, upsampled deep), norm, convolution, norm, act; the first two are never made.

        A norm acts on each channel alone and a convolution adds over channels, so the two branches
        need never be put together. And the norm is an affine map of each channel, which neither
        upsampling nor reflection padding disturbs: its gain becomes part of the kernel, and what it
        shifts, as a bias does, the norm after the convolution takes away.
        """
        a, n = self.architecture, self.architecture.skip[i]
        scale, _ = NormParams(name=f"join{i}_norm")(n + deep.shape[2])
        kernel, _ = ConvParams(a.up[i], a.up_kernel[i], name=f"up{i}_conv")(n + deep.shape[2])
        skip = self._block(x, f"skip{i}", n, a.skip_kernel[i]) if n else None
        if self.is_initializing():
            return self._activate(jnp.zeros((*x.shape[:2], a.up[i]), x.dtype), f"up{i}")
        variance = upsampled_variance(deep.astype(norm_dtype(self.dtype)), a.upsampling[i])
        if skip is not None:
            _, skip_variance = moments(skip.astype(norm_dtype(self.dtype)))
            variance = jnp.concatenate([skip_variance, variance])
        gain = norm_gain(scale, variance)
        kernel = (kernel * gain[None, None, :, None]).astype(self.dtype)
        joined = upsample_conv(deep, kernel[:, :, n:], a.upsampling[i])
        if skip is not None:
            joined = joined + conv(skip, kernel[:, :, :n])
        return self._activate(settle_gradient(checkpoint_name(joined, CONVOLVED)), f"up{i}")
