"""The optimisers: from the gradient in every weight to the direction of a step, of rate 1.

Both take and give the weights as one vector, and keep the same state, Adam's two moments, so that
only the directions differ. A network with no kernel to turn takes the same ones from both.

Sources: Adam is of Kingma, Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015. Muon is of
Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; its length, with
which it takes the rates of Adam, of Liu et al., "Muon is Scalable for LLM Training", 2025,
equation 4.
"""

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from dip_jax.networks.network import Params

OPTIMISERS = ("adam", "muon")

_MOMENTUM = 0.9  # that of Adam
_AS_ADAM = 0.2  # root mean square of what Adam changes weights by at a rate of 1
# Of each iteration: the singular values s of a matrix become a·s + b·s³ + c·s⁵, five times.
_ITERATIONS, _OF_ITERATION = 5, (3.4445, -4.7750, 2.0315)


def optimiser(kind: str, weights: Params) -> optax.GradientTransformation:
    """An optimiser with a learning rate of 1.

    Args:
        kind: one of `OPTIMISERS`. "adam" looks at every weight by itself. "muon" does so with all
            but the kernels of convolutions of more than 1×1, each of which goes the nearest
            orthogonal way to its momentum: as far in every direction of its inputs and outputs.
        weights: the tree of the weights' shapes; what the optimiser is given are vectors of them.
    """
    adam = optax.adam(1.0)
    leaves = jax.tree.leaves(weights)
    kernels = [i for i, leaf in enumerate(leaves) if _is_wide(leaf.shape)]

    def update(gradient, state, params=None):
        # optax relies on a promotion that a strict session forbids.
        with jax.numpy_dtype_promotion("standard"):
            updates, after = adam.update(gradient, state, params)
        if kind == "muon" and kernels:
            momentum = _MOMENTUM * after[0].mu + (1 - _MOMENTUM) * gradient  # Nesterov's
            updates = _turned(updates, momentum, leaves, kernels)
        return updates, after

    return optax.GradientTransformation(adam.init, update)


def _is_wide(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and math.prod(shape[:2]) > 1


def _turned(
    updates: Float[Array, " n"],
    momentum: Float[Array, " n"],
    leaves: Sequence[jax.ShapeDtypeStruct],
    kernels: Sequence[int],
) -> Float[Array, " n"]:
    """The updates, with Muon's in place of those of some kernels."""
    sizes = [leaf.size for leaf in leaves]
    parts, momenta = list(jax.lax.split(updates, sizes)), jax.lax.split(momentum, sizes)
    matrices = [momenta[i].reshape(-1, leaves[i].shape[-1]) for i in kernels]
    # Together, as large as the largest: rows and columns of zeros stay zeros and change no other.
    rows, columns = (max(matrix.shape[axis] for matrix in matrices) for axis in (0, 1))
    padded = [jnp.pad(m, ((0, rows - m.shape[0]), (0, columns - m.shape[1]))) for m in matrices]
    for i, matrix, turned in zip(kernels, matrices, orthogonal(jnp.stack(padded)), strict=True):
        r, c = matrix.shape
        length = _AS_ADAM * math.sqrt(max(r, c))
        parts[i] = -length * turned[:r, :c].ravel()
    return jnp.concatenate(parts)


# In full float32: with less, the least values of a Gram matrix become negative, and grow.
_product = functools.partial(jnp.matmul, precision="highest")


def orthogonal(matrices: Float[Array, "n r c"]) -> Float[Array, "n r c"]:
    """Each matrix with singular values of about 1, from 0.7 to 1.2, in place of its own.

    By five iterations of Newton and Schulz, which need products alone. Each multiplies the matrix X
    by a polynomial in its Gram matrix XᵀX. These commute, so the iterations are made of Gram
    matrices, which are small, and X is multiplied once, by all of them. Values below a thousandth
    of the largest stay smaller.
    """
    a, b, c = _OF_ITERATION
    # By the largest entry first: the squares of small gradients are beyond float32.
    largest = jnp.abs(matrices).max(axis=(1, 2), keepdims=True)
    x = matrices / jnp.where(largest > 0, largest, 1)
    norm = jnp.sqrt(jnp.square(x).sum(axis=(1, 2), keepdims=True))
    x = x / jnp.where(norm > 0, norm, 1)
    gram = _product(jnp.swapaxes(x, 1, 2), x)
    one = jnp.broadcast_to(jnp.eye(x.shape[2], dtype=x.dtype), gram.shape)
    product = one
    for _ in range(_ITERATIONS):
        factor = a * one + b * gram + c * _product(gram, gram)
        product = _product(product, factor)
        gram = _product(_product(factor, gram), factor)
    return _product(x, product)
