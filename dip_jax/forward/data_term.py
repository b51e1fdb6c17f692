"""What would have been measured of an image, and how near that is to what was: the data term.

`E(θ)` is the mean of `(A f(θ, z) − y)²` over the known measurements. `A` is the forward operator,
what happens to an image on its way to `y`; for a picture whose own pixels are known it is the
identity. A measurement is an array, or a pytree of arrays, real or complex; `known` has an array
for each of them that broadcasts to it, such as one with a single channel.
"""

import functools
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dip_jax.forward.model import PICTURE, Forward

Image = Float[Array, "h w c"]
Measurement = Any
Known = Any


def measured(x: Image, forward: Forward = PICTURE) -> Measurement:
    """`A x`: what would have been measured of an image."""
    return forward(x)


def residual(x: Image, y: Measurement, forward: Forward = PICTURE) -> Measurement:
    """`A x − y`: by how much what would have been measured is off what was."""
    return jax.tree.map(jnp.subtract, measured(x, forward), y)


def data_term(
    x: Image, y: Measurement, known: Known, forward: Forward = PICTURE
) -> Float[Array, ""]:
    """`E(θ)` for `x = f(θ, z)`: the mean of `|A x − y|²` over the known measurements.

    Args:
        x: an image.
        y: what was measured.
        known: 1 where a measurement counts, else 0; NaN is the answer where none does.
        forward: the operator.
    """
    return masked_mse(measured(x, forward), y, known)


def masked_mse(x: Measurement, y: Measurement, mask: Known) -> Float[Array, ""]:
    """The mean of `|x − y|²` over the values where `mask` is 1; NaN if there are none."""
    values = jax.tree.map(lambda a, m: a.size / m.size, x, mask)
    squares = jax.tree.map(lambda a, b, m: jnp.sum(m * squared(a - b)), x, y, mask)
    counts = jax.tree.map(lambda m, n: jnp.sum(m) * n, mask, values)
    return total(squares) / total(counts)


def squared(a: Array) -> Float[Array, "..."]:
    """`|a|²`, of real values or complex ones."""
    if jnp.iscomplexobj(a):
        return jnp.square(a.real) + jnp.square(a.imag)
    return jnp.square(a)


def total(tree: Any, of: Callable[[Array], Array] = lambda a: a) -> Array:
    """The sum over the arrays of a tree, of each as it is or of a function of it."""
    return functools.reduce(operator.add, map(of, jax.tree.leaves(tree)))
