"""What the compiler is told of the programs that take it longest: those of fits and refinements."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax

P = ParamSpec("P")
R = TypeVar("R")

# On a CPU. Its newer way to compile what is neither a product nor a convolution takes up to twice
# as long, for programs that are no faster.
_QUICKLY = {"xla_cpu_use_fusion_emitters": False}


@functools.cache
def options() -> dict[str, bool]:
    """What makes it quick and programs no slower; nothing where the compiler does not know it."""
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda: 0, compiler_options=_QUICKLY).lower().compile()
    except (RuntimeError, ValueError):  # in a later version
        return {}
    return _QUICKLY


def compiled_quickly(**how: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator: `jax.jit` with `options`, which are looked up only once the function is called.

    It may not be called in a function that is jitted itself: JAX refuses options there.

    Args:
        how: more arguments of `jax.jit`.
    """

    def decorated(function: Callable[P, R]) -> Callable[P, R]:
        @functools.cache
        def jitted() -> Callable[P, R]:
            return jax.jit(function, compiler_options=options(), **how)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return jitted()(*args, **kwargs)

        return call

    return decorated
