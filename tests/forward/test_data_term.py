"""The data term: over what is known alone, and by the forward operator that one place names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.fit.fitting import make_fit
from dip_jax.forward.data_term import masked_mse
from dip_jax.forward.model import Measured
from dip_jax.forward.observation import observe
from dip_jax.forward.operators.operator import as_operator
from dip_jax.settings import build, tasks


def test_masked_mse_counts_known_values_only():
    x = jnp.zeros((2, 2, 3))
    y = jnp.stack([jnp.full((2, 3), 2.0), jnp.full((2, 3), 100.0)])
    mask = jnp.asarray([[[1.0], [1.0]], [[0.0], [0.0]]])
    assert masked_mse(x, y, mask) == 4
    assert masked_mse(x, y, jnp.broadcast_to(mask, y.shape)) == 4


def test_the_unknown_has_no_gradient():
    x, y = jnp.ones((4, 4, 3)), jnp.zeros((4, 4, 3))
    mask = jnp.zeros((4, 4, 1)).at[:2].set(1)
    gradient = jax.grad(masked_mse)(x, y, mask)
    assert (gradient[:2] != 0).all() and (gradient[2:] == 0).all()


def test_a_fit_goes_by_what_the_operator_measures():
    """With `A x = 1 − x`, a fit to the negative of a picture is that of the picture.

    Whatever of the step assumed that `y` is the image would see another picture.
    """
    config = tasks.defaults("denoise")
    config["network"] |= {"scales": 1, "down": (4,), "up": (4,)}
    y = np.random.default_rng(0).random((8, 8, 3), dtype=np.float32)

    def fitted(observation):
        fit = make_fit(build.fit_settings(config), build.criterion(config), 3)
        lane = fit.make_lane(jax.random.key(0), observation)
        state = fit.init(jax.random.key(1), lane)
        step = jax.jit(fit.step)
        for _ in range(3):
            state, info = step(state, lane)
        return state, info

    state, info = fitted(observe(y)[0])
    negative = Measured(as_operator(lambda x: 1 - x), jnp.float32(1), shape=y.shape)
    observed, _ = observe(1 - y)
    other_state, other_info = fitted(observed._replace(forward=negative))
    np.testing.assert_allclose(other_info, info, rtol=1e-4, equal_nan=True)
    np.testing.assert_allclose(other_state.x_avg, state.x_avg, atol=1e-4)
    np.testing.assert_allclose(other_state.best.score, state.best.score, rtol=1e-4)


def test_the_mean_is_over_all_arrays_of_a_measurement_and_of_complex_ones_the_squared_modulus():
    x = {"a": jnp.full((2, 3), 2.0 + 2.0j), "b": jnp.full((2, 2, 2), 4.0)}
    y = {"a": jnp.full((2, 3), 2.0 + 0.0j), "b": jnp.full((2, 2, 2), 1.0)}
    known = {"a": jnp.ones((2, 3)), "b": jnp.zeros((2, 2, 1)).at[0, 0].set(1)}
    assert masked_mse(x, y, known) == pytest.approx((6 * 4 + 2 * 9) / 8)
    assert jax.grad(lambda b: masked_mse(x | {"b": b}, y, known))(x["b"])[1].max() == 0
