"""Operators made of operators: one after the other, or side by side."""

import dataclasses
from typing import Any

import jax
from jaxtyping import Array, Float

from dip_jax.errors import InputError
from dip_jax.forward.operators.operator import Measurement, Operator, as_operator


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Compose:
    """See `compose`."""

    operators: tuple[Operator, ...]

    def __call__(self, x: Float[Array, "h w c"]) -> Measurement:
        """What the last operator, the first that is named, measures."""
        for operator in reversed(self.operators):
            x = operator(x)
        return x


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Stack:
    """See `stack`."""

    operators: tuple[Operator, ...]

    def __call__(self, x: Float[Array, "h w c"]) -> tuple[Measurement, ...]:
        """What each of them measures."""
        return tuple(operator(x) for operator in self.operators)


def compose(*operators: Any) -> Compose:
    """Operators one after the other: `compose(a, b)(x)` is `a(b(x))`.

    Raises:
        InputError: if there is none, or one is not callable.
    """
    return Compose(_checked(operators))


def stack(*operators: Any) -> Stack:
    """Several measurements of one image: `stack(a, b)(x)` is `(a(x), b(x))`.

    Raises:
        InputError: if there is none, or one is not callable.
    """
    return Stack(_checked(operators))


def _checked(operators: tuple[Any, ...]) -> tuple[Operator, ...]:
    if not operators:
        raise InputError("there is no operator to put together; expected one or more")
    return tuple(as_operator(operator) for operator in operators)
