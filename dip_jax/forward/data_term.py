"""What would have been measured of an image, and how near that is to what was: the data term.

`E(θ)` is the mean of `(A f(θ, z) − y)²` over the known measurements. `A` is the forward operator,
what happens to an image on its way to `y`. For the four tasks it is the identity: `y` is the image
itself, damaged. This is the only place that says so; all else asks here for `A x`.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

Image = Float[Array, "h w c"]
Measurement = Float[Array, "h w c"]


def measured(x: Image) -> Measurement:
    """`A x`: what would have been measured of an image."""
    return x


def residual(x: Image, y: Measurement) -> Measurement:
    """`A x − y`: by how much what would have been measured is off what was."""
    return measured(x) - y


def data_term(x: Image, y: Measurement, known: Float[Array, "h w k"]) -> Float[Array, ""]:
    """`E(θ)` for `x = f(θ, z)`: the mean of `(A x − y)²` over the known measurements.

    Args:
        x: an image.
        y: what was measured.
        known: 1 where a measurement counts, else 0; NaN is the answer where none does.
    """
    return masked_mse(measured(x), y, known)


def masked_mse(
    x: Float[Array, "h w c"], y: Float[Array, "h w c"], mask: Float[Array, "h w k"]
) -> Float[Array, ""]:
    """The mean of `(x − y)²` over the values where `mask` is 1; NaN if there are none."""
    values = x.shape[2] / mask.shape[2]
    return jnp.sum(mask * jnp.square(x - y)) / (jnp.sum(mask) * values)
