"""A network's image made to agree with what was measured: the last step where an operator did.

The network comes near the measurements and does not reach them. So the image given is the one that
agrees with both and has no more edges than that needs: the least of

    |A x − y|² / 2 + ρ |x − f|² / 2 + λ TV(x)

over the known measurements, where f is the network's image and TV the isotropic total variation.
Without the last term it is the data-consistency step of Aggarwal, Mani, Jacob, "MoDL: Model-Based
Deep Learning Architecture for Inverse Problems", IEEE TMI 2019, equation 8; it is found by the
algorithm of Chambolle and Pock, "A First-Order Primal-Dual Algorithm for Convex Problems with
Applications to Imaging", JMIV 2011, algorithm 1, in 200 steps from f on. Where little was measured
these come only a part of the way, and the numbers below were chosen with it. Of an operator that is
not linear that is done for its linearisation at f.

What ρ and λ are right depends on the noise, which nobody has told: they are tried on the
measurements that were held out of the fit, and f stays as it is where none brings it nearer to them
by more than their noise may do. JPEG has an ending of its own (`compression`).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dip_jax.finish.compression import cleaned
from dip_jax.forward.data_term import masked_mse, squared, total
from dip_jax.forward.model import Forward, Measured
from dip_jax.forward.observation import Observation
from dip_jax.forward.operators.jpeg import Jpeg
from dip_jax.forward.operators.operator import transposed
from dip_jax.forward.priors import gradient

Image = Float[np.ndarray, "h w c"]

# In units of the mean eigenvalue of AᵀA, so that what is measured, and how much, makes no
# difference. The numbers were chosen on photographs of 128 pixels, blurred and made smaller.
TO_NETWORK = 0.3
EDGES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
OTHERS_TO_NETWORK = (0.1, 1.0, 3.0, 10.0)

_STEPS = 200  # of the algorithm
_DOUBT = 1.5  # standard errors
_POWER = 20  # of the power method


class _Weights(NamedTuple):
    to_network: Any
    edges: Any


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
    if isinstance(forward.operator, Jpeg):
        whole = all(bool((m > 0).all()) for m in jax.tree.leaves(observation.known))
        if not whole or (forward.low, forward.high) != (0.0, 1.0):
            return x  # its blocks are not to be had
        return cleaned(x, np.asarray(observation.y * forward.scale), forward.operator)
    if held is None:
        return x
    judged = jax.tree.map(lambda m, h: jnp.where(jnp.asarray(h), m, 0), observation.known, held)
    blind = observation._replace(known=jax.tree.map(jnp.subtract, observation.known, judged))
    image = jnp.asarray(x)
    mean, largest = _eigenvalues(image, observation)
    if not (float(largest) > 0 and np.isfinite(float(largest))):
        return x  # where the operator is flat nothing can be learnt of it

    def solved(seen: Observation, weights: _Weights) -> Array:
        return _solved(image, seen, weights.to_network * mean, weights.edges * mean, largest)

    def error(weights: _Weights) -> float:
        return float(_error(solved(blind, weights), observation, judged))

    best = min((_Weights(TO_NETWORK, edges) for edges in EDGES), key=error)
    others = [best._replace(to_network=weight) for weight in OTHERS_TO_NETWORK]
    best = min([best, *others], key=error)
    if not bool(_is_nearer(solved(blind, best), image, observation, judged)):
        return x
    return np.asarray(solved(observation, best))


@jax.jit
def _error(x: Array, observation: Observation, judged: Any) -> Array:
    return masked_mse(observation.forward(x), observation.y, judged)


@jax.jit
def _is_nearer(x: Array, f: Array, observation: Observation, judged: Any) -> Array:
    """Whether the mean of squares is less, by more than `_DOUBT` standard errors of that."""
    y, _, forward = observation

    def gain(a: Array, b: Array, y: Array, m: Array) -> Array:
        return m * (squared(b - y) - squared(a - y))

    gains = jax.tree.map(gain, forward(x), forward(f), y, judged)
    counts = jax.tree.map(lambda g, m: jnp.sum(m) * (g.size / m.size), gains, judged)
    n = jnp.maximum(total(counts), 1)
    mean = total(gains, jnp.sum) / n
    squares = total(gains, lambda g: jnp.sum(jnp.square(g))) / n
    return mean > _DOUBT * jnp.sqrt(jnp.maximum(squares - jnp.square(mean), 0) / n)


@jax.jit
def _solved(f: Array, observation: Observation, rho: Array, edges: Array, largest: Array) -> Array:
    y, known, forward = observation
    push, pull, constant = _linearised(forward, f)
    size = jnp.sqrt(largest)  # the operator is divided by it, and the gradient by √8: norms of 1
    step = jnp.float32(0.99 / np.sqrt(2))
    root = jnp.float32(np.sqrt(8))
    flow = jax.linear_transpose(gradient, f)

    def towards(q: Array, a: Array, b: Array, y: Array, m: Array) -> Array:
        moved = q + (step / size).astype(q.dtype) * (a + b - y)
        return m.astype(q.dtype) * moved / (1 + step / size**2).astype(q.dtype)

    def one(carry: Any, _: None) -> tuple[Any, None]:
        x, ahead, p, q = carry
        q = jax.tree.map(towards, q, push(ahead), constant, y, known)
        p = p + step / root * gradient(ahead)
        length = jnp.sqrt(jnp.sum(jnp.square(p), axis=0, keepdims=True))
        p = p / jnp.maximum(1.0, length / (edges * root))
        down = flow(p)[0] / root + pull(q) / size
        new = jnp.clip((x - step * (down - rho * f)) / (1 + step * rho), 0, 1)
        return (new, 2 * new - x, p, q), None

    zero = jax.tree.map(jnp.zeros_like, constant)
    start = (f, f, jnp.zeros_like(gradient(f)), zero)
    return jax.lax.scan(one, start, None, _STEPS)[0][0]


def _linearised(forward: Forward, f: Array) -> Any:
    """Of the operator at f: the linear part, its adjoint, and what is added to it."""
    measured, push = jax.linearize(forward, f)
    return push, transposed(push, f), jax.tree.map(jnp.subtract, measured, push(f))


@jax.jit
def _eigenvalues(f: Array, observation: Observation) -> tuple[Array, Array]:
    """Of `AᵀA`: their mean, by one vector of signs (Hutchinson), and the largest, by powers."""
    _, known, forward = observation
    push, pull, _ = _linearised(forward, f)
    signs = jax.random.rademacher(jax.random.key(0), f.shape, jnp.float32)

    def seen(a: Any) -> Any:
        return jax.tree.map(lambda m, a: m.astype(a.dtype) * a, known, a)

    pushed = push(signs)
    squares = total(seen(jax.tree.map(lambda a: jnp.square(jnp.abs(a)), pushed)), jnp.sum)

    def again(x: Array, _: None) -> tuple[Array, Array]:
        x = pull(seen(push(x)))
        length = jnp.linalg.norm(x.ravel())
        return x / jnp.maximum(length, 1e-20), length

    start = jax.random.normal(jax.random.key(1), f.shape)
    _, lengths = jax.lax.scan(again, start / jnp.linalg.norm(start.ravel()), None, _POWER)
    return squares / signs.size, 1.05 * lengths[-1]  # a little more, as the powers come from below
