"""What a fit needs of any forward operator, and how a function becomes one.

An operator is a pure, differentiable callable `image -> measurement`: from `(h, w, c)` float32 to
an array, or a pytree of arrays. It is a pytree itself. Its arrays (a kernel, a mask) are leaves, so
that each fit of one program may have its own; everything else is its structure. A new operator is
a file with a frozen dataclass, registered by `jax.tree_util.register_dataclass`, and a function
that checks its arguments. `dip_jax.operators` lists it.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dip_jax.errors import InputError, reason

Image = Float[Array, "h w c"]
Shape = tuple[int, int, int]
Measurement = Any
"""An array, or a pytree of arrays, real or complex."""


class Operator(Protocol):
    """A forward operator `A`."""

    def __call__(self, x: Image, /) -> Measurement:
        """What is measured of an image, without noise."""
        ...


STATIC = {"static": True}
"""Metadata of a field that is no array, and that the compiled program depends on."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Identity:
    """The image itself is measured, as in denoising and inpainting."""

    def __call__(self, x: Image) -> Image:
        """The image."""
        return x


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Foreign:
    """A function that is no pytree: an operator of the user's, or of another library.

    Attributes:
        function: from an image to what is measured.
        grey: whether it takes `(h, w)`, without an axis for channels.
    """

    function: Callable[[Array], Measurement] = dataclasses.field(metadata=STATIC)
    grey: bool = dataclasses.field(default=False, metadata=STATIC)

    def __call__(self, x: Image) -> Measurement:
        """What the function gives."""
        return self.function(x[..., 0] if self.grey else x)


def as_operator(given: Any, grey: bool = False) -> Operator:
    """An operator as a pytree.

    Args:
        given: an operator of this package, or any callable.
        grey: whether a callable takes `(h, w)`; those of this package, and what is put together by
            them, take `(h, w, 1)`.

    Raises:
        InputError: if it is none.
    """
    if not callable(given):
        raise InputError(
            f"the operator is {given!r}; expected a function from an image (h, w, c) to what is "
            "measured of it, such as operators.blur(kernel)"
        )
    if not _is_pytree(given):
        return Foreign(given, grey)
    if type(given).__module__.startswith("dip_jax."):
        return given
    return Foreign(given, True) if grey else jax.tree.map(jnp.asarray, given)


def is_foreign(operator: Any) -> bool:
    """Whether any part of an operator or a prior is not of this package, so its code is unknown."""
    parts = getattr(operator, "operators", ())
    ours = type(operator).__module__.startswith("dip_jax.")
    return isinstance(operator, Foreign) or not ours or any(is_foreign(part) for part in parts)


def _is_pytree(given: Any) -> bool:
    return not jax.tree_util.all_leaves([given])


def measures(operator: Operator, shape: Shape) -> Measurement:
    """The shapes of what an operator measures, found without computing it.

    Args:
        operator: any.
        shape: of the image, `(h, w, c)`.

    Returns:
        `jax.ShapeDtypeStruct`, or a pytree of them.

    Raises:
        InputError: if it cannot take such an image.
    """
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    try:
        found = jax.eval_shape(lambda x: operator(x), x)
    except InputError:
        raise
    except Exception as error:  # of a function that someone else has written
        raise InputError(
            f"the operator cannot take an image of shape {shape}: {reason(error)}"
        ) from error
    leaves = jax.tree.leaves(found)
    if not leaves or not all(jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in leaves):
        kinds = ", ".join(str(leaf.dtype) for leaf in leaves) or "nothing"
        raise InputError(f"the operator measures {kinds}; expected real or complex numbers")
    return found


def adjoint(operator: Operator, shape: Shape) -> Callable[[Measurement], Image]:
    """The adjoint `Aᵀ` of a linear operator, by `jax.linear_transpose`.

    For complex measurements it is the adjoint for the real inner product `Re ⟨·, ·⟩`.

    Args:
        operator: a linear operator.
        shape: the shape of the image, `(h, w, c)`.

    Raises:
        InputError: if it is not linear, or cannot take such an image.
    """
    gives = measures(operator, shape)
    try:
        pull = transposed(lambda x: operator(x), jax.ShapeDtypeStruct(shape, jnp.float32))
        jax.eval_shape(pull, gives)
    except Exception as error:
        raise InputError(f"the operator is not linear, and has no adjoint: {reason(error)}") from (
            error
        )

    return pull


def transposed(linear: Callable[[Image], Measurement], x: Any) -> Callable[[Measurement], Image]:
    """The adjoint of a linear function of real images, where it is known to be linear.

    Args:
        linear: the function.
        x: an image, or its shape.
    """
    transpose = jax.linear_transpose(linear, x)

    def apply(y: Measurement) -> Image:
        # JAX transposes without conjugating; of a real image only the real part is there.
        return transpose(jax.tree.map(jnp.conj, y))[0]

    return apply
