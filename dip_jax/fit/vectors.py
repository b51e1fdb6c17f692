"""The weights as one vector, and what belongs to each of them likewise.

A step does the same to every weight: Adam, the choice of the best, snapshots, going back. As one
vector each of that is one operation of the compiled program in place of one for every array of a
network, of which there are a hundred, and a state is a few arrays: programs compile in less than
half of the time. Checkpoints hold the trees that the network makes.
"""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dip_jax.fit.state import LaneState
from dip_jax.networks.network import Network, Params


def of_vectors(network: Network) -> Network:
    """The network whose weights are one vector."""

    def init(key, z):
        return jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(network.init(key, z))])

    def apply(vector, z):
        leaves, structure = jax.tree.flatten(shapes(network, z))
        parts = jax.lax.split(vector, [leaf.size for leaf in leaves])
        shaped = [part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
        return network.apply(jax.tree.unflatten(structure, shaped), z)

    return Network(init, apply)


def shapes(network: Network, z: Any) -> Params:
    """The tree of the weights' shapes, for an input or its shape."""
    return jax.eval_shape(network.init, jax.random.key(0), z)


def as_trees(state: LaneState, weights: Params) -> LaneState:
    """The state of one lane with trees of NumPy arrays in place of its vectors.

    Args:
        state: the state; what its optimiser keeps is a vector of one value for each weight, or a
            scalar.
        weights: the tree of the weights' shapes.
    """
    leaves, structure = jax.tree.flatten(weights)
    ends = list(itertools.accumulate(leaf.size for leaf in leaves))

    def tree(vector: Any) -> Any:
        if not np.ndim(vector):  # the count of an optimiser's steps
            return vector
        parts = np.split(np.asarray(vector), ends[:-1])
        shaped = [part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
        return jax.tree.unflatten(structure, shaped)

    def replaced(part: Any) -> Any:
        found = {name: jax.tree.map(tree, getattr(part, name)) for name in ("params", "opt_state")}
        return part._replace(**found)

    best = state.best._replace(params=tree(state.best.params))
    return replaced(state)._replace(best=best, snapshot=replaced(state.snapshot))


def as_vectors(state: LaneState, like: LaneState) -> LaneState:
    """The inverse of `as_trees`.

    Args:
        state: with trees.
        like: one of the same lane, with vectors.
    """

    def vector(a: Any, part: Any) -> Any:
        leaves = jax.tree.leaves(part)
        if len(leaves) == 1:
            return leaves[0].reshape(a.shape)  # as it is, or weights of a single array
        return np.concatenate([np.ravel(leaf) for leaf in leaves])

    return jax.tree.map(vector, like, state)
