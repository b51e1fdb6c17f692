"""How much an hourglass computes and moves per step, counted from its architecture.

This is the network as published, whatever form it is computed in, so that two programs that compute
the same function can be compared: one that needs less arithmetic for it shows a higher rate.
"""

from collections.abc import Iterator
from typing import NamedTuple

from dip_jax.networks.hourglass import Hourglass


class Convolution(NamedTuple):
    """One convolution: pixels and channels of its input and output, and taps per side."""

    pixels_in: int
    channels_in: int
    pixels: int
    channels: int
    taps: int


def convolutions(
    architecture: Hourglass, depth: int, channels: int, h: int, w: int
) -> Iterator[Convolution]:
    """The convolutions of `architecture` for an input `(h, w, depth)`, padded to its size."""
    a = architecture
    h, w = a.padded(h, w)
    below = depth
    for i in range(a.scales):
        fine, coarse = h * w // 4**i, h * w // 4 ** (i + 1)
        inner = a.up[i + 1] if i + 1 < a.scales else a.down[i]
        yield Convolution(fine, below, coarse, a.down[i], a.down_kernel[i])
        yield Convolution(coarse, a.down[i], coarse, a.down[i], a.down_kernel[i])
        if a.skip[i]:
            yield Convolution(fine, below, fine, a.skip[i], a.skip_kernel[i])
        yield Convolution(fine, a.skip[i] + inner, fine, a.up[i], a.up_kernel[i])
        if a.pointwise:
            yield Convolution(fine, a.up[i], fine, a.up[i], 1)
        below = a.down[i]
    yield Convolution(h * w, a.up[0], h * w, channels, 1)


def step_operations(architecture: Hourglass, depth: int, channels: int, h: int, w: int) -> int:
    """Operations of the convolutions of one training step: three times those of the output.

    A multiplication and an addition are two operations. The gradients in the kernel and in the
    input cost as much as the convolution itself, each.
    """
    return 3 * sum(
        2 * c.pixels * c.channels * c.channels_in * c.taps**2
        for c in convolutions(architecture, depth, channels, h, w)
    )


def step_bytes(
    architecture: Hourglass, depth: int, channels: int, h: int, w: int, width: int = 4
) -> int:
    """The least bytes that a step moves if every convolution and every norm is one pass.

    The input of a convolution is read in both directions and its cotangent written; the output is
    written and normalised, which is a pass to read it, and its cotangent is read for the kernel
    and for the input.

    Args:
        architecture: the network.
        depth: channels of the input.
        channels: of the output.
        h: rows of the picture.
        w: columns.
        width: bytes of a number.
    """
    return width * sum(
        3 * c.pixels_in * c.channels_in + 4 * c.pixels * c.channels
        for c in convolutions(architecture, depth, channels, h, w)
    )
