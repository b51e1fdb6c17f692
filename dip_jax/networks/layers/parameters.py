"""The parameters of convolutions and norms, as Flax modules: names, shapes, how they are drawn."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array


def _uniform(fan_in: int):
    bound = 1 / math.sqrt(fan_in)

    def init(key, shape):
        return jax.random.uniform(key, shape, jnp.float32, -bound, bound)

    return init


class KernelParams(nn.Module):
    """The kernel of a convolution without a bias, drawn from U(±1/√fan_in)."""

    features: int
    taps: int = 1

    @nn.compact
    def __call__(self, c_in: int) -> Array:
        init = _uniform(self.taps**2 * c_in)
        return self.param("kernel", init, (self.taps, self.taps, c_in, self.features))


class ConvParams(nn.Module):
    """Kernel and bias of a convolution, drawn from U(±1/√fan_in) as in the published baseline."""

    features: int
    taps: int = 1

    @nn.compact
    def __call__(self, c_in: int) -> tuple[Array, Array]:
        init = _uniform(self.taps**2 * c_in)
        kernel = self.param("kernel", init, (self.taps, self.taps, c_in, self.features))
        return kernel, self.param("bias", init, (self.features,))


class NormParams(nn.Module):
    """Scale and offset of a normalisation: at first 1 and 0."""

    @nn.compact
    def __call__(self, channels: int) -> tuple[Array, Array]:
        scale = self.param("scale", nn.initializers.ones, (channels,))
        return scale, self.param("offset", nn.initializers.zeros, (channels,))
