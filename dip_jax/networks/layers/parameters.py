"""The parameters of convolutions and norms, as Flax modules: names, shapes, how they are drawn.

A module gives each of its weights as the largest that may be drawn, and `drawn` draws those of a
whole network at once: a generator of random numbers for every one of a hundred arrays takes the
compiler longer than the network itself.
"""

import math
from typing import Any

import flax.linen as nn
import jax
from jaxtyping import Array


def _largest(fan_in: int):
    """An initialiser that gives the largest weight that may be drawn."""
    return nn.initializers.constant(1 / math.sqrt(fan_in))


class KernelParams(nn.Module):
    """The kernel of a convolution without a bias, drawn from U(±1/√fan_in)."""

    features: int
    taps: int = 1

    @nn.compact
    def __call__(self, c_in: int) -> Array:
        init = _largest(self.taps**2 * c_in)
        return self.param("kernel", init, (self.taps, self.taps, c_in, self.features))


class ConvParams(nn.Module):
    """Kernel and bias of a convolution, drawn from U(±1/√fan_in) as in the published baseline."""

    features: int
    taps: int = 1

    @nn.compact
    def __call__(self, c_in: int) -> tuple[Array, Array]:
        init = _largest(self.taps**2 * c_in)
        kernel = self.param("kernel", init, (self.taps, self.taps, c_in, self.features))
        return kernel, self.param("bias", init, (self.features,))


class NormParams(nn.Module):
    """Scale and offset of a normalisation: at first 1 and 0."""

    @nn.compact
    def __call__(self, channels: int) -> tuple[Array, Array]:
        scale = self.param("scale", nn.initializers.ones, (channels,))
        return scale, self.param("offset", nn.initializers.zeros, (channels,))


_DRAWN = ("kernel", "bias")  # the other parameters are at first what their modules give


def drawn(key: Array, largest: Any) -> Any:
    """The parameters that a network begins with.

    Args:
        key: the PRNG key.
        largest: of each weight the largest that may be drawn, and the others as they are.
    """
    is_drawn = jax.tree.map_with_path(lambda path, _: path[-1].key in _DRAWN, largest)
    sizes = jax.tree.leaves(jax.tree.map(lambda leaf, yes: yes * leaf.size, largest, is_drawn))
    draws = iter(jax.lax.split(jax.random.uniform(key, (sum(sizes),), minval=-1), sizes))

    def of_leaf(leaf, yes):
        draw = next(draws)
        return draw.reshape(leaf.shape) * leaf if yes else leaf

    return jax.tree.map(of_leaf, largest, is_drawn)
