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
# Its last optimisations take a third of the time. The programs of refinements are no slower without
# them; those of steps are, by some hundredths, which are more where there are hundreds of steps.
_ONCE = {"xla_backend_optimization_level": 1}


def options(lasting: bool = False) -> dict[str, bool | int]:
    """What makes it quick and programs no slower; nothing where the compiler does not know it.

    Args:
        lasting: whether the program will run for longer than it takes to compile.
    """
    return _known(_QUICKLY) | ({} if lasting else _known(_ONCE))


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
            return jax.jit(function, compiler_options=options(), **how)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return jitted()(*args, **kwargs)

        return call

    return decorated
