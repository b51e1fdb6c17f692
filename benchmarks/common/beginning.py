"""The beginning of a fit as the command makes it, for benchmarks that make the steps themselves."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from dip_jax.fit.fitting import Fit, make_steps
from dip_jax.fit.lane import Lane
from dip_jax.fit.state import LaneState
from dip_jax.forward.observation import Observation


def begin(
    fit: Fit,
    observation: Observation,
    num_steps: int,
    seed: int = 0,
    clean: np.ndarray | None = None,
) -> tuple[Lane, LaneState]:
    """A lane and its state before the first step, whose buffers may be donated.

    Args:
        fit: the fit.
        observation: what is fitted.
        num_steps: how many steps there will be.
        seed: of the weights, the input and the held-out pixels.
        clean: the clean picture `(h, w, c)`, for figures against it.
    """
    lane_key, state_key = jax.random.split(jax.random.key(seed))
    lane = jax.jit(fit.make_lane)(lane_key, observation, clean, num_steps)
    # Copied, because equal leaves of a jitted function's result may share one buffer.
    return lane, jax.tree.map(jnp.copy, jax.jit(fit.init)(state_key, lane))


def make_chunk(step: Callable, length: int) -> Callable:
    """`make_steps` as one jitted program that does not come back to Python in between.

    The given state's buffers are reused and must not be used again.
    """
    return jax.jit(make_steps(step, length), donate_argnums=0)
