"""The cases that JAX and PyTorch are compared in, and what goes into them."""

import dataclasses
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from dip_jax.networks.hourglass import Hourglass, hourglass

Floats = NDArray[np.floating[Any]]
Tree = dict[str, dict[str, Floats]]


@dataclasses.dataclass(frozen=True)
class Case:
    """One comparison.

    Attributes:
        name: its name, also in the stored file.
        architecture: the network.
        size: `(h, w)` of the picture, before padding.
        depth: channels of `z`; "meshgrid" needs 2.
        channels: channels of the picture.
        z: "noise" for U(0, 0.1), "meshgrid" for the coordinates in [0, 1].
        missing: "none", "hole" for a rectangle, or "pixels" for half of them at random.
        lr: the learning rate of Adam, that of the task.
        small_lr: one at which float32 is not chaotic.
        seed: of all that is drawn. Not just any: the gradient jumps where the input of a
            LeakyReLU crosses 0, so it is one where none is so close to 0 that rounding decides.
    """

    name: str
    architecture: Hourglass
    size: tuple[int, int]
    depth: int = 8
    channels: int = 3
    z: str = "noise"
    missing: str = "none"
    lr: float = 0.01
    small_lr: float = 3e-5
    seed: int = 0


class Inputs(NamedTuple):
    """What both sides start from, in the layout of JAX and padded to a size that the network takes.

    Attributes:
        params: the parameters.
        z: `(h, w, d)`.
        y: `(h, w, c)` in [0, 1].
        known: `(h, w, 1)`, 1 where `y` counts; 0 in the padding.
    """

    params: Tree
    z: Floats
    y: Floats
    known: Floats


class Results(NamedTuple):
    """What both sides compute.

    Attributes:
        output: `f(θ, z)` of the initial parameters, `(h, w, c)` with the padding.
        gradients: of the data term there, in names and layout of the JAX parameters.
        losses: the data term before each step of Adam in float64, `(STEPS,)`.
        losses_float32: the same in float32 and with `small_lr`.
    """

    output: Floats
    gradients: Tree
    losses: Floats
    losses_float32: Floats


def _architecture(
    channels: tuple[int, ...], skip: int, upsampling: str, taps: int = 3, pointwise: bool = True
) -> Hourglass:
    n = len(channels)
    return Hourglass(
        down=channels,
        up=channels,
        skip=(skip,) * n,
        down_kernel=(taps,) * n,
        up_kernel=(3,) * n,
        skip_kernel=(1,) * n,
        upsampling=(upsampling,) * n,
        pointwise=pointwise,
    )


CASES = (
    Case("denoise", _architecture((8,) * 3, 4, "bilinear"), (64, 48), seed=14),
    Case("text", _architecture((8,) * 3, 8, "nearest"), (64, 48), missing="hole", seed=5),
    Case(
        "hole",
        _architecture((6, 8, 10), 0, "nearest"),
        (64, 48),
        depth=2,
        z="meshgrid",
        missing="hole",
        seed=17,
    ),
    Case(
        "reconstruct",
        _architecture((8,) * 3, 4, "bilinear"),
        (48, 64),
        channels=1,
        missing="pixels",
        lr=0.001,
        seed=20,
    ),
    Case(
        "hole_library",
        _architecture((4, 6, 8, 8, 8, 8), 0, "nearest", taps=5, pointwise=False),
        (192, 192),  # the least that six scales of 5×5 can take
        depth=1,
        channels=1,
        missing="hole",
        small_lr=3e-6,
        seed=16,
    ),
    Case("odd_size", _architecture((8,) * 3, 4, "bilinear"), (45, 67), seed=13),
)


def inputs(case: Case) -> Inputs:
    """Draws what both sides start from; the same on every machine."""
    rng = np.random.default_rng(case.seed)
    h, w = case.size
    padded = case.architecture.padded(h, w)
    z = _input(case, rng, *padded)
    # Flat squares with a little noise on them: something that the network can begin to learn.
    squares = rng.random((-(-h // 8), -(-w // 8), case.channels), np.float32)
    y = squares.repeat(8, 0).repeat(8, 1)[:h, :w]
    y = 0.9 * y + 0.1 * rng.random(y.shape, np.float32)
    known = np.ones((h, w, 1), np.float32)
    if case.missing == "hole":
        known[h // 4 : h // 2, w // 3 : 2 * w // 3] = 0
    elif case.missing == "pixels":
        known = (rng.random(known.shape, np.float32) < 0.5).astype(np.float32)
    border = ((0, padded[0] - h), (0, padded[1] - w), (0, 0))
    return Inputs(_params(case, rng, z.shape), z, np.pad(y, border), np.pad(known, border))


def _input(case: Case, rng: np.random.Generator, h: int, w: int) -> Floats:
    if case.z == "noise":
        return np.float32(0.1) * rng.random((h, w, case.depth), np.float32)
    columns, rows = np.meshgrid(np.linspace(0, 1, w), np.linspace(0, 1, h))
    return np.stack([columns, rows], axis=-1).astype(np.float32)


def _params(case: Case, rng: np.random.Generator, shape: tuple[int, ...]) -> Tree:
    """Parameters as the network would have, but norms that are not the identity.

    A norm whose offset is 0 before a LeakyReLU and another norm has no gradient in its scale.
    """

    def uniform(shape: tuple[int, ...], low: float, high: float) -> Floats:
        return np.float32(low) + np.float32(high - low) * rng.random(shape, np.float32)

    params: Tree = {}
    shapes = parameter_shapes(case.architecture, shape, case.channels)
    for layer, entries in sorted(shapes.items()):
        if "kernel" in entries:
            bound = 1 / math.sqrt(math.prod(entries["kernel"].shape[:3]))
            ranges = {"kernel": (-bound, bound), "bias": (-bound, bound)}
        else:
            ranges = {"scale": (0.5, 1.5), "offset": (-0.5, 0.5)}
        params[layer] = {
            entry: uniform(entries[entry].shape, *ranges[entry]) for entry in sorted(entries)
        }
    return params


def parameter_shapes(architecture: Hourglass, shape: tuple[int, ...], channels: int) -> Any:
    """Shapes and dtypes of the JAX parameters for a `z` of that shape; allocates nothing."""
    z = jax.ShapeDtypeStruct(shape, jnp.float32)
    return jax.eval_shape(hourglass(architecture, channels).init, jax.random.key(0), z)
