"""The weights as one vector, and what belongs to each of them likewise.

A step does the same to every weight: Adam, the choice of the best, snapshots, going back. As one
vector each of that is one operation of the compiled program in place of one for every array of a
network, of which there are a hundred: it compiles in three fifths of the time. Outside of the
compiled steps, in checkpoints too, the weights are the tree that the network makes.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from dip_jax.fit.state import LaneState
from dip_jax.networks.network import Network


def as_vectors(state: LaneState) -> LaneState:
    """The state of one lane with every tree that is like the weights as a vector."""
    is_like_weights = _likeness(state.params)

    def vector(part: Any) -> Any:
        if not is_like_weights(part):
            return part
        return jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(part)])

    return jax.tree.map(vector, state, is_leaf=is_like_weights)


def as_trees(state: LaneState, like: LaneState) -> LaneState:
    """The inverse of `as_vectors`.

    Args:
        state: with vectors.
        like: one of the same lane, with trees.
    """
    is_like_weights = _likeness(like.params)

    def tree(part: Any, vector: Any) -> Any:
        return _tree(vector, part) if is_like_weights(part) else vector

    return jax.tree.map(tree, like, state, is_leaf=is_like_weights)


def _likeness(params: Any) -> Callable[[Any], bool]:
    """Whether something is a tree like the weights; where they are one array, nothing is."""
    weights: Any = jax.tree.structure(params)
    one_array = jax.tree.structure(0) == weights
    return lambda part: not one_array and jax.tree.structure(part) == weights


def of_vectors(network: Network) -> Network:
    """The network for weights as a vector; those in a tree it takes as they are."""

    def apply(params, z):
        if not hasattr(params, "ndim"):
            return network.apply(params, z)
        return network.apply(_tree(params, jax.eval_shape(network.init, jax.random.key(0), z)), z)

    return network._replace(apply=apply)


def _tree(vector, like):
    leaves, structure = jax.tree.flatten(like)
    parts = jax.lax.split(vector, [leaf.size for leaf in leaves])
    shaped = [part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
    return jax.tree.unflatten(structure, shaped)
