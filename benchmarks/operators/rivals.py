"""The rivals that no library has: total variation of any operator, demosaicing, agreement alone."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from dip_jax import operators
from dip_jax.finish.consistency import consistent
from dip_jax.forward.observation import hold_out_measured
from dip_jax.forward.operators.mosaicing import colours
from dip_jax.forward.priors import gradient
from dip_jax.prepare.measured import observe_measured

Image_ = np.ndarray

_RATIO = 10.0  # of total variation: so it has converged after its steps in tomography as well
_HELD = 0.05  # share of the measurements that the agreement alone is judged by


def total_variation(
    y: Image_, operator: Any, shape: tuple[int, int, int], weight: float, steps: int = 400
) -> Image_:
    """The least of `|A x − y|² / 2 + weight · TV(x)` in [0, 1], by a primal-dual algorithm.

    Source: Chambolle, Pock, JMIV 2011, algorithm 1, with preconditioning by the norm of A.
    """
    pull = operators.adjoint(operator, shape)
    x = jax.random.normal(jax.random.key(0), shape)
    for _ in range(20):  # the largest eigenvalue of AᵀA
        x = pull(operator(x / jnp.linalg.norm(x)))
    size = jnp.sqrt(jnp.linalg.norm(x))
    # With A divided by its norm, and the gradient by √8; the steps of x and of the dual variables.
    step, dual = 0.99 / np.sqrt(2) * _RATIO, 0.99 / np.sqrt(2) / _RATIO
    root = np.sqrt(8)

    divergence = jax.linear_transpose(gradient, jnp.zeros(shape))

    def one(carry: Any, _: None) -> tuple[Any, None]:
        x, ahead, p, q = carry
        q = (q + dual * (operator(ahead) - y) / size) / (1 + dual)
        p = p + dual / root * gradient(ahead)
        limit = weight / size**2 * root
        p = p / jnp.maximum(1.0, jnp.sqrt(jnp.sum(p**2, axis=0)) / limit)
        new = jnp.clip(x - step * (divergence(p)[0] / root + pull(q) / size), 0, 1)
        return (new, 2 * new - x, p, q), None

    x = jnp.full(shape, 0.5)
    start = (x, x, gradient(x) * 0, operator(x) * 0)
    return np.asarray(jax.jit(lambda s: jax.lax.scan(one, s, None, steps)[0][0])(start))


def agreeing(x: Image_, y: Image_, operator: Any) -> Image_:
    """An image made to agree with what was measured, by measurements that it knows nothing of."""
    observation = observe_measured(y, operator, x.shape, of_images=True)
    _, held = hold_out_measured(jax.random.key(0), observation.known, _HELD)
    held = jax.tree.map(lambda a: np.asarray(a) > 0, held)
    return consistent(x.astype(np.float32), observation, held)


def malvar(raw: Image_) -> Image_:
    """Malvar, He, Cutler, ICASSP 2004: gradient-corrected linear interpolation, for RGGB."""
    cross = np.array(
        [[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]]
    )
    row = np.array(
        [
            [0, 0, 0.5, 0, 0],
            [0, -1, 0, -1, 0],
            [-1, 4, 5, 4, -1],
            [0, -1, 0, -1, 0],
            [0, 0, 0.5, 0, 0],
        ]
    )
    diagonal = np.array(
        [
            [0, 0, -1.5, 0, 0],
            [0, 2, 0, 2, 0],
            [-1.5, 0, 6, 0, -1.5],
            [0, 2, 0, 2, 0],
            [0, 0, -1.5, 0, 0],
        ]
    )
    green, along, across, corner = (
        ndimage.convolve(raw, kernel / 8, mode="mirror") for kernel in (cross, row, row.T, diagonal)
    )
    h, w = raw.shape
    is_red, is_green, is_blue = np.moveaxis(colours("RGGB", h, w) > 0, -1, 0)
    in_red_row = np.zeros((h, w), bool)
    in_red_row[::2] = True
    red = np.where(is_red, raw, np.where(is_blue, corner, np.where(in_red_row, along, across)))
    blue = np.where(is_blue, raw, np.where(is_red, corner, np.where(in_red_row, across, along)))
    return np.clip(np.stack([red, np.where(is_green, raw, green), blue], axis=2), 0, 1)


def bilinear(raw: Image_) -> Image_:
    """The mean of the nearest values of each colour."""
    kernel = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]])
    found = []
    for known in np.moveaxis(colours("RGGB", *raw.shape), -1, 0):
        sums, weights = (ndimage.convolve(a, kernel, mode="mirror") for a in (raw * known, known))
        found.append(np.where(known > 0, raw, sums / weights))
    return np.stack(found, axis=2)
