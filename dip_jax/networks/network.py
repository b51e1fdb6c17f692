"""What a fit needs of any network: its shape, which knows what it takes, and two pure functions.

A network is a file with a frozen dataclass that is an `Architecture`, and a line in `registry`. The
dataclass' fields are fields of `config.network`, checked when it is made; its `repr` says all that
the compiled programs depend on.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array

from dip_jax.networks.cost import Cost
from dip_jax.networks.layers.convolution import CONVOLVED
from dip_jax.networks.layers.parameters import drawn

Params = Any

FLOAT32 = jnp.dtype(jnp.float32)


class Network(NamedTuple):
    """A network as two pure functions.

    Attributes:
        init: `init(key, z)` gives the parameters.
        apply: `apply(params, z)` gives the output, `(h, w, c)` in [0, 1].
    """

    init: Callable[[Array, Array], Params]
    apply: Callable[[Params, Array], Array]


class Architecture(Protocol):
    """The shape of a network, and what follows from it for a picture of a size."""

    @property
    def scales(self) -> int:
        """The number of scales S."""
        ...

    @property
    def min_side(self) -> int:
        """The smallest side, in pixels, of a picture that reaches the coarsest scale."""
        ...

    @property
    def width(self) -> float:
        """The mean number of channels of a scale."""
        ...

    def padded(self, h: int, w: int) -> tuple[int, int]:
        """The smallest size from `(h, w)` up that the network can process."""
        ...

    def input_size(self, h: int, w: int) -> tuple[int, int]:
        """Rows and columns of `z` for a padded picture of `(h, w)`."""
        ...

    def cost(self, h: int, w: int, depth: int, channels: int) -> Cost:
        """What it costs for a picture of `(h, w)`, which is padded first.

        Args:
            h: rows of the picture.
            w: columns.
            depth: channels of `z`.
            channels: of the picture.
        """
        ...

    def network(self, channels: int, *, dtype: jnp.dtype = FLOAT32, remat: bool = False) -> Network:
        """The network itself.

        Args:
            channels: c of its output.
            dtype: of the convolutions and of what lies between them; norms and the output are
                float32 if it is narrower than that. Parameters are made in float32.
            remat: whether the gradient keeps nothing but the convolutions' outputs and computes the
                rest again: less memory, more time. On a CPU XLA undoes it: it finds what is
                computed twice and keeps it.
        """
        ...


def pure(module: nn.Module, *, remat: bool = False) -> Network:
    """A Flax module of one argument as a network; see `Architecture.network` for `remat`."""

    def init(key, z):
        return drawn(key, module.init(key, z)["params"])

    def apply(params, z):
        return module.apply({"params": params}, z)

    if remat:
        keep = jax.checkpoint_policies.save_only_these_names(CONVOLVED)
        apply = jax.checkpoint(apply, policy=keep)
    # Shapes, memory and the first state all ask for `init`: jitted, it is traced once for them.
    return Network(jax.jit(init), apply)


def norm_dtype(dtype: jnp.dtype) -> jnp.dtype:
    """The precision of norms and output: that of the convolutions, or float32 if that is more."""
    return max(dtype, FLOAT32, key=lambda d: jnp.finfo(d).bits)
