"""How the learning rate goes from a fit's first step to its last.

A schedule is `rate(step, num_steps)`, pure: how many steps there will be is no part of a compiled
program, so that another number of steps does not compile it anew.

Source of the one cycle: Smith, Topin, "Super-Convergence: Very Fast Training of Neural Networks
Using Large Learning Rates", 2017; of the cosine: Loshchilov, Hutter, "SGDR: Stochastic Gradient
Descent with Warm Restarts", ICLR 2017, equation 5.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

Rate = Callable[[Int[Array, ""], Int[Array, ""]], Float[Array, ""]]

_STARTS_AT = 25.0  # the rate begins at so many times less than its peak
_ENDS_AT = 1e3  # and ends at so many times less than it began
_FINE = 1_000_000  # in so many parts optax's own schedules are asked for what lies between


def _one_cycle(peak: float, rise: float) -> optax.Schedule:
    return optax.cosine_onecycle_schedule(
        _FINE, peak, pct_start=rise, div_factor=_STARTS_AT, final_div_factor=_ENDS_AT
    )


def _cosine(peak: float, rise: float) -> optax.Schedule:
    del rise
    return optax.cosine_decay_schedule(peak, _FINE)


_SCHEDULES = {"one_cycle": _one_cycle, "cosine": _cosine}
SCHEDULES = ("constant", *_SCHEDULES)


def learning_rate(schedule: str, base: float, peak: float, rise: float) -> Rate:
    """The learning rate as a function of the step and of how many there will be.

    Where that must be known and is 0, the rate is not a number, so that no fit goes on.

    Args:
        schedule: one of `SCHEDULES`: "constant"; "one_cycle", which rises from 1/25 of its peak
            and then falls to next to nothing, both along half a cosine; "cosine", which falls from
            its peak to 0 along half a cosine.
        base: the constant learning rate.
        peak: times that, the highest of a schedule that changes it.
        rise: share of the steps in which "one_cycle" rises, in (0, 1).
    """
    if schedule == "constant":
        return lambda step, num_steps: jnp.float32(base)
    of_parts = _SCHEDULES[schedule](base * peak, rise)

    def rate(step, num_steps):
        part = step.astype(jnp.float32) / jnp.maximum(num_steps, 1).astype(jnp.float32)
        # optax relies on promotions that a strict session forbids.
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            found = jnp.asarray(of_parts(jnp.minimum(part, 1) * _FINE), jnp.float32)
        return jnp.where(num_steps > 0, found, jnp.nan)

    return rate
