"""The forward model of a fit: from the network's output to what would have been measured.

    output in [0, 1], padded -> the image, in its range -> what an operator measures -> its scale

The scale is that of an image: what was measured is 1/2 in the root mean square, so that a fit sees
a data term of the same size whatever is measured, and in whatever units. Counts of photons or
electrons, whose noise grows with their number, are measured by a function that makes it even:
`2 √(n + 3/8)` (Anscombe, "The Transformation of Poisson, Binomial and Negative-Binomial Data",
Biometrika 1948).
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dip_jax.forward.operators.operator import (
    STATIC,
    Identity,
    Image,
    Measurement,
    Operator,
    Shape,
)
from dip_jax.forward.priors import Prior


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Measured:
    """The model of an image that was measured by an operator.

    Attributes:
        operator: from the image to what is measured.
        scale: what that is divided by.
        shape: of the image, `(h, w, c)`.
        low: the value of the image where the output is 0.
        high: where it is 1.
        counts: whether counts are measured.
        prior: what is added to the data term, of the image with black at 0 and white at 1.
    """

    operator: Operator
    scale: Float[Array, ""]
    shape: Shape = dataclasses.field(metadata=STATIC)
    low: float = dataclasses.field(default=0.0, metadata=STATIC)
    high: float = dataclasses.field(default=1.0, metadata=STATIC)
    counts: bool = dataclasses.field(default=False, metadata=STATIC)
    prior: Prior | None = None

    def __call__(self, x: Image) -> Measurement:
        """What would have been measured, on its scale; `x` may be padded."""
        h, w, _ = self.shape
        image = x[:h, :w]
        if (self.low, self.high) != (0.0, 1.0):
            image = self.low + (self.high - self.low) * image
        return self.scaled(self.operator(image))

    def scaled(self, measured: Measurement) -> Measurement:
        """A measurement on the scale on which it is fitted."""
        if self.counts:
            measured = jax.tree.map(_stabilised, measured)
        return jax.tree.map(lambda a: a / self.scale.astype(a.dtype), measured)

    def penalty(self, x: Image) -> Float[Array, ""]:
        """What is added to the data term."""
        h, w, _ = self.shape
        return jnp.float32(0) if self.prior is None else self.prior(x[:h, :w])


Forward = Identity | Measured
PICTURE = Identity()
"""The model of a picture whose own pixels are known, and which is padded as the output is."""


def _stabilised(counts: Array) -> Array:
    return 2 * jnp.sqrt(jnp.maximum(counts, 0) + 3 / 8)


def described(tree: Any) -> str:
    """The structure of a tree of arrays and their shapes, of which a program is made."""
    leaves, structure = jax.tree.flatten(tree)
    return f"{structure} {[(jnp.shape(leaf), str(jnp.result_type(leaf))) for leaf in leaves]}"
