"""What the compiler is told of the programs that take it longest: those of fits and refinements."""

import functools
import os
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax

P = ParamSpec("P")
R = TypeVar("R")

# On a CPU. Its newer way to compile what is neither a product nor a convolution takes up to twice
# as long, for programs that are no faster.
_QUICKLY = {"xla_cpu_use_fusion_emitters": False}
# Its last optimisations take a quarter to a third of the time. Without them the programs of
# refinements ran in 0.6 to 1.0 times their time, and steps in 0.98 to 1.06, on an Intel Xeon.
LEVEL = "xla_backend_optimization_level"
_BRIEFLY = {LEVEL: 1}


def options(*, lasting: bool) -> dict[str, bool | int]:
    """What makes it quick and programs no slower; nothing where the compiler does not know it.

    Args:
        lasting: whether the program is that of hundreds of steps, which are a little slower with
            less optimisation. What a person has set for all programs holds for the others too.
    """
    is_set = jax.config.values["jax_disable_most_optimizations"] or LEVEL in os.environ.get(
        "XLA_FLAGS", ""
    )
    return _known(_QUICKLY) | ({} if lasting or is_set else _known(_BRIEFLY))


def _known(wanted: dict[str, Any]) -> dict[str, Any]:
    return wanted if _is_known(tuple(wanted.items())) else {}


@functools.cache
def _is_known(wanted: tuple[tuple[str, Any], ...]) -> bool:
    if jax.default_backend() != "cpu":
        return False
    try:
        jax.jit(lambda: 0, compiler_options=dict(wanted)).lower().compile()
    except (RuntimeError, ValueError):  # in a later version
        return False
    return True


def compiled_quickly(**how: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator: `jax.jit` with `options`, which are looked up only once the function is called.

    It may not be called in a function that is jitted itself: JAX refuses options there.

    Args:
        how: more arguments of `jax.jit`.
    """

    def decorated(function: Callable[P, R]) -> Callable[P, R]:
        @functools.cache
        def jitted() -> Callable[P, R]:
            return jax.jit(function, compiler_options=options(lasting=False), **how)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return jitted()(*args, **kwargs)

        return call

    return decorated
