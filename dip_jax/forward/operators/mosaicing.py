"""One colour at every pixel, as a camera's sensor has it: the operator of demosaicing."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dip_jax.errors import InputError
from dip_jax.forward.operators.names import PATTERNS
from dip_jax.forward.operators.operator import STATIC


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Bayer:
    """See `bayer`."""

    pattern: str = dataclasses.field(metadata=STATIC)

    def __call__(self, x: Float[Array, "h w 3"]) -> Float[Array, "h w 1"]:
        """The one colour that is measured at every pixel."""
        if x.shape[2] != 3:
            raise InputError(f"the image has {x.shape[2]} channels; expected 3, red first")
        return jnp.sum(jnp.asarray(colours(self.pattern, *x.shape[:2])) * x, axis=2, keepdims=True)


def colours(pattern: str, h: int, w: int) -> Float[np.ndarray, "h w 3"]:
    """1 where a colour is measured, else 0."""
    which = np.array(["RGB".index(letter) for letter in pattern]).reshape(2, 2)
    tiled = np.tile(which, (-(-h // 2), -(-w // 2)))[:h, :w]
    return (tiled[..., None] == np.arange(3)).astype(np.float32)


def bayer(pattern: Any = "RGGB") -> Bayer:
    """A Bayer mosaic, `(h, w, 3)` to `(h, w, 1)`.

    Args:
        pattern: the colours of the first two pixels of the first row, then of the second: "RGGB",
            "BGGR", "GRBG" or "GBRG".

    Raises:
        InputError: if it is none of them.
    """
    if not isinstance(pattern, str) or pattern.upper() not in PATTERNS:
        raise InputError(f"pattern is {pattern!r}; expected one of {', '.join(PATTERNS)}")
    return Bayer(pattern.upper())
