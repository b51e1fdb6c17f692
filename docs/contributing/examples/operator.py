"""An operator: an exposure that is not the same everywhere, as by a lens that darkens corners."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dip_jax.errors import InputError


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Exposure:
    """See `exposure`."""

    gain: Float[Array, "h w 1"]

    def __call__(self, x: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
        if x.shape[:2] != self.gain.shape[:2]:
            raise InputError(
                f"gain has shape {self.gain.shape[:2]}; expected {x.shape[:2]}, as the image has"
            )
        return self.gain * x


def exposure(gain: Any) -> Exposure:
    """Every pixel times a gain, `(h, w, c)` to the same.

    Args:
        gain: `(h, w)`, not negative; 0 where nothing is measured.

    Raises:
        InputError: if it is none.
    """
    values = np.asarray(gain, np.float32)
    if values.ndim != 2 or not np.isfinite(values).all() or values.min() < 0:
        raise InputError(f"gain has shape {values.shape}; expected (h, w), and no value below 0")
    return Exposure(jnp.asarray(values[..., None]))
