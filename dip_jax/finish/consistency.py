"""A network's image made to agree with what was measured: the last step where an operator did.

The network comes near the measurements and does not reach them. So the image given is the one that
agrees with both: the least of `|A x − y|² + ρ |x − f|²` over the known measurements, by conjugate
gradients (Aggarwal, Mani, Jacob, "MoDL: Model-Based Deep Learning Architecture for Inverse
Problems", IEEE TMI 2019, equation 8, their data-consistency step). Of an operator that is not
linear that is done for its linearisation at f. What ρ is right depends on the noise, which nobody
has told: it is tried on the measurements that were held out of the fit, and f stays as it is where
no ρ brings it nearer to them.

An operator that knows better, such as JPEG with its intervals, has a method `consistent(x, y)`.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dip_jax.forward.data_term import masked_mse
from dip_jax.forward.model import Measured
from dip_jax.forward.observation import Observation

Image = Float[np.ndarray, "h w c"]

WEIGHTS = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
"""Of ρ, in units of the mean eigenvalue of `AᵀA`."""

_STEPS = 30  # of conjugate gradients


def consistent(x: Image, observation: Observation, held: Any = None) -> Image:
    """The network's image, in agreement with what was measured.

    Args:
        x: the network's image, in [0, 1].
        observation: what was measured, by an operator.
        held: true where a measurement was held out of its fit, as `Restoration.held`; None if that
            is not known, and the image stays as it is.

    Returns:
        The image, in [0, 1].
    """
    forward = observation.forward
    assert isinstance(forward, Measured)
    own = getattr(forward.operator, "consistent", None)
    if own is not None:
        return np.asarray(jax.jit(own)(jnp.asarray(x), observation.y * forward.scale))
    if held is None:
        return x
    judged = jax.tree.map(lambda m, h: jnp.where(jnp.asarray(h), m, 0), observation.known, held)
    blind = observation._replace(known=jax.tree.map(jnp.subtract, observation.known, judged))
    image = jnp.asarray(x)
    unit = _mean_eigenvalue(observation)
    error = functools.partial(_error, observation=observation, judged=judged)
    least, weight = float(error(image)), None
    for candidate in WEIGHTS:
        off = float(error(_nearer(image, blind, candidate * unit)))
        if off < least:
            least, weight = off, candidate
        elif off > 1.1 * least:  # it has begun to follow the noise
            break
    return x if weight is None else np.asarray(_nearer(image, observation, weight * unit))


@jax.jit
def _error(x: Array, observation: Observation, judged: Any) -> Array:
    return masked_mse(observation.forward(x), observation.y, judged)


@jax.jit
def _nearer(x: Array, observation: Observation, weight: Array | float) -> Array:
    y, known, forward = observation
    measured, push = jax.linearize(forward, x)
    pull = jax.linear_transpose(push, x)

    def weighed(r: Any) -> Array:  # Aᵀ of the known values; JAX transposes without conjugating
        return pull(jax.tree.map(lambda m, a: m.astype(a.dtype) * jnp.conj(a), known, r))[0]

    misfit = jax.tree.map(jnp.subtract, y, measured)
    step, _ = jax.scipy.sparse.linalg.cg(
        lambda d: weighed(push(d)) + weight * d, weighed(misfit), tol=1e-5, maxiter=_STEPS
    )
    return jnp.clip(x + step, 0, 1)


@jax.jit
def _mean_eigenvalue(observation: Observation) -> Array:
    """Of `AᵀA`, where the image is flat: by Hutchinson's estimate with one vector of signs."""
    _, known, forward = observation
    assert isinstance(forward, Measured)
    x = jnp.full(forward.shape, 0.5)
    signs = jax.random.rademacher(jax.random.key(0), forward.shape, jnp.float32)
    _, pushed = jax.jvp(forward, (x,), (signs,))
    squares = jax.tree.map(lambda m, a: jnp.sum(m * jnp.square(jnp.abs(a))), known, pushed)
    return functools.reduce(jnp.add, jax.tree.leaves(squares)) / signs.size
