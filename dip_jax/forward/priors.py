"""Priors: functions of an image that are added to the data term."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dip_jax.errors import InputError
from dip_jax.forward.operators.operator import STATIC

Prior = Callable[[Float[Array, "h w c"]], Float[Array, ""]]

_SMOOTH = 1e-6  # squared: where an image is flat, its total variation has a gradient of 0


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TotalVariation:
    """See `total_variation`."""

    weight: float = dataclasses.field(metadata=STATIC)

    def __call__(self, x: Float[Array, "h w c"]) -> Float[Array, ""]:
        """The penalty."""
        lengths = jnp.sqrt(jnp.sum(jnp.square(gradient(x)), axis=0) + _SMOOTH)
        return self.weight * jnp.mean(lengths)


def gradient(x: Float[Array, "h w c"]) -> Float[Array, "2 h w c"]:
    """The differences to the next pixel, down and to the right; 0 at the border."""
    down = jnp.diff(x, axis=0, append=x[-1:])
    return jnp.stack([down, jnp.diff(x, axis=1, append=x[:, -1:])])


def total_variation(weight: float) -> TotalVariation:
    """The isotropic total variation, the mean over pixels and channels, times a weight.

    Args:
        weight: above 0. It is weighed against the data term, which is a mean of squares.

    Raises:
        InputError: if it is not.

    Source: Rudin, Osher, Fatemi, "Nonlinear Total Variation Based Noise Removal Algorithms",
    Physica D 1992, equation 2.2a.
    """
    number = isinstance(weight, int | float | np.integer | np.floating)
    if not (number and np.isfinite(weight) and weight > 0):
        raise InputError(f"weight is {weight!r}; expected a number above 0")
    return TotalVariation(float(weight))
