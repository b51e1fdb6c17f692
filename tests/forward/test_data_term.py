"""The data term: over what is known alone, and by the forward operator that one place names."""

import jax
import jax.numpy as jnp
import numpy as np

from dip_jax.fit.fitting import make_fit
from dip_jax.forward import data_term
from dip_jax.forward.data_term import masked_mse
from dip_jax.forward.observation import observe
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


def test_the_operator_stands_in_one_place(monkeypatch):
    """With `A x = 1 − x`, a fit to the negative of a picture is that of the picture.

    Whatever of the step assumed that `y` is the image would see another picture.
    """
    config = tasks.defaults("denoise")
    config["network"] |= {"scales": 1, "down": (4,), "up": (4,)}
    y = np.random.default_rng(0).random((8, 8, 3), dtype=np.float32)

    def fitted(y):
        fit = make_fit(build.fit_settings(config), build.criterion(config), 3)
        lane = fit.make_lane(jax.random.key(0), observe(y)[0])
        state = fit.init(jax.random.key(1), lane)
        step = jax.jit(fit.step)
        for _ in range(3):
            state, info = step(state, lane)
        return state, info

    state, info = fitted(y)
    calls = []

    def negative(x):
        calls.append(x.shape)
        return 1 - x

    monkeypatch.setattr(data_term, "measured", negative)
    other_state, other_info = fitted(1 - y)
    assert calls
    np.testing.assert_allclose(other_info, info, rtol=1e-4, equal_nan=True)
    np.testing.assert_allclose(other_state.x_avg, state.x_avg, atol=1e-4)
    np.testing.assert_allclose(other_state.best.score, state.best.score, rtol=1e-4)
