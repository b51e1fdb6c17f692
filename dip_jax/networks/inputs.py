"""The fixed input `z` of a network."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def network_input(
    key: Array, kind: str, h: int, w: int, depth: int, scale: float = 0.1
) -> Float[Array, "h w d"]:
    """The fixed input `z`.

    Args:
        key: the PRNG key; not used by "meshgrid".
        kind: "noise" gives U(0, `scale`) with `depth` channels; "meshgrid" gives the two
            coordinates (column, row), each from 0 to 1, and `depth` must be 2.
        h: rows.
        w: columns.
        depth: channels d.
        scale: the upper end of the uniform distribution.

    Raises:
        ValueError: if `kind` is unknown or a meshgrid is given another depth than 2.
    """
    if kind == "noise":
        return jax.random.uniform(key, (h, w, depth), jnp.float32, 0, scale)
    if kind == "meshgrid":
        if depth != 2:
            raise ValueError(f"input: a meshgrid has 2 channels, depth is {depth}; set it to 2")
        columns, rows = jnp.meshgrid(jnp.linspace(0, 1, w), jnp.linspace(0, 1, h))
        return jnp.stack([columns, rows], axis=-1)
    raise ValueError(f"input: kind {kind!r} is unknown, expected noise or meshgrid")
