"""The optimisers: Muon is that of optax for wide kernels, and Adam's for all other weights."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

from dip_jax.fit.optimisers import optimiser, orthogonal

WEIGHTS = {
    "a": jax.ShapeDtypeStruct((3, 3, 5, 8), jnp.float32),
    "b": jax.ShapeDtypeStruct((8,), jnp.float32),
    "c": jax.ShapeDtypeStruct((5, 5, 2, 4), jnp.float32),
    "d": jax.ShapeDtypeStruct((1, 1, 8, 3), jnp.float32),
    "e": jax.ShapeDtypeStruct((3, 3, 1, 12), jnp.float32),  # more columns than rows
}
KERNELS = ("a", "c", "e")
COUNT = sum(leaf.size for leaf in WEIGHTS.values())


def gradients(steps: int, scale: float = 1.0) -> np.ndarray:
    drawn = np.random.default_rng(0).normal(0, scale, (steps, COUNT))
    return drawn.astype(np.float32)


def directions(kind: str, given: np.ndarray, weights=WEIGHTS) -> list[np.ndarray]:
    """What each step changes."""
    of = optimiser(kind, weights)
    state, found = of.init(jnp.zeros(given.shape[1])), []
    for gradient in given:
        updates, state = of.update(jnp.asarray(gradient), state)
        found.append(np.asarray(updates))
    return found


def by_name(vector: np.ndarray) -> dict[str, np.ndarray]:
    ends = np.cumsum([leaf.size for leaf in WEIGHTS.values()])[:-1]
    parts = np.split(vector, ends)
    return {n: p.reshape(WEIGHTS[n].shape) for n, p in zip(WEIGHTS, parts, strict=True)}


def test_a_kernel_goes_where_muon_of_optax_goes():
    given = gradients(4)
    muon, mean = optax.contrib.scale_by_muon(beta=0.0, nesterov=False), np.zeros(COUNT)
    for gradient, found in zip(given, directions("muon", given), strict=True):
        mean = 0.9 * mean + 0.1 * gradient
        momentum = by_name((0.9 * mean + 0.1 * gradient).astype(np.float32))
        for name in KERNELS:
            matrix = momentum[name].reshape(-1, WEIGHTS[name].shape[-1])
            with jax.numpy_dtype_promotion("standard"):
                expected, _ = muon.update(jnp.asarray(matrix), muon.init(jnp.asarray(matrix)))
            np.testing.assert_allclose(
                by_name(found)[name].reshape(matrix.shape),
                -0.2 * np.sqrt(max(matrix.shape)) * expected,
                atol=1e-4,
            )


def test_all_other_weights_go_where_adam_goes():
    given = gradients(3)
    for muon, adam in zip(directions("muon", given), directions("adam", given), strict=True):
        ours, theirs = by_name(muon), by_name(adam)
        for name in WEIGHTS:
            same = np.array_equal(ours[name], theirs[name])
            assert same == (name not in KERNELS), name


def test_a_step_is_as_long_as_one_of_adam_however_small_the_gradient_is():
    # In float32 the squares of gradients of 1e-25 are 0.
    for scale in (1.0, 1e-25):
        found = by_name(directions("muon", gradients(1, scale))[0])
        for name in KERNELS:
            rms = float(np.sqrt(np.mean(np.square(found[name]))))
            assert 0.1 < rms < 0.25, (name, scale)


def test_no_gradient_is_no_step():
    (found,) = directions("muon", np.zeros((1, COUNT), np.float32))
    np.testing.assert_array_equal(found, 0)


def test_a_network_without_wide_kernels_has_the_steps_of_adam():
    weights = {"d": WEIGHTS["d"], "b": WEIGHTS["b"]}
    given = gradients(2)[:, : 24 + 8]
    for muon, adam in zip(
        directions("muon", given, weights), directions("adam", given, weights), strict=True
    ):
        np.testing.assert_array_equal(muon, adam)


@pytest.mark.parametrize("shape", [(1, 40, 6), (3, 6, 40), (2, 7, 7)])
def test_an_orthogonal_matrix_is_the_nearest_one_but_for_the_length_of_its_directions(shape):
    matrices = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    found = np.asarray(orthogonal(jnp.asarray(matrices)))
    for before, after in zip(matrices, found, strict=True):
        u, _, v = np.linalg.svd(before, full_matrices=False)
        inside = u.T @ after @ v.T  # diagonal if the directions are the same
        values = np.diag(inside)
        np.testing.assert_allclose(inside, np.diag(values), atol=1e-3)
        assert (0.6 < values).all() and (values < 1.25).all()
