"""Upsampling with a convolution, fused or not, against the plain form, borders included."""

import jax
import jax.numpy as jnp
import numpy as np
import plain
import pytest

from dip_jax.networks.layers import upsampling
from dip_jax.networks.layers.upsampling import (
    UPSAMPLINGS,
    upsample,
    upsample_conv,
    upsampled_variance,
)


def draw(*shape):
    return jnp.asarray(np.random.default_rng(sum(shape)).normal(size=shape), jnp.float32)


def test_bilinear_upsampling_reproduces_a_ramp_inside_and_clamps_at_the_edges():
    ramp = jnp.arange(6.0).reshape(1, 6, 1) + jnp.zeros((4, 1, 1))
    up = upsample(ramp, "bilinear")[3, :, 0]
    # Half-pixel centres: output pixel i lies at (i + 1/2)/2 − 1/2 of the input.
    where = np.clip((np.arange(12) + 0.5) / 2 - 0.5, 0, 5)
    np.testing.assert_allclose(up, where, atol=1e-6)


def test_nearest_upsampling_repeats():
    x = jnp.arange(6.0).reshape(2, 3, 1)
    expected = np.arange(6.0).reshape(2, 3, 1).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(upsample(x, "nearest"), expected)


@pytest.fixture(params=["small", "large"])
def taken_for(request, monkeypatch):
    """Both ways of a CPU, whatever the size."""
    monkeypatch.setattr(upsampling, "_SMALL", 1e9 if request.param == "small" else 0)


@pytest.mark.usefixtures("taken_for")
@pytest.mark.parametrize("method", UPSAMPLINGS)
@pytest.mark.parametrize(
    ("size", "k"), [((6, 9), 3), ((2, 2), 3), ((3, 2), 3), ((1, 4), 3), ((6, 5), 5)]
)
def test_upsample_conv_is_an_upsampling_and_then_a_convolution(method, size, k):
    def expected(x, kernel):
        return plain.conv(plain.upsample(x, method), kernel, jnp.zeros(4))

    x, kernel = draw(*size, 3), draw(k, k, 3, 4)

    def fast(x, kernel):
        return upsample_conv(x, kernel, method)

    y, transpose = jax.jit(lambda *a: jax.vjp(fast, *a))(x, kernel)
    y_plain, transpose_plain = jax.jit(lambda *a: jax.vjp(expected, *a))(x, kernel)
    np.testing.assert_allclose(y, y_plain, atol=2e-5)
    g = draw(*y.shape)
    transposed = (jax.jit(t)(g) for t in (transpose, transpose_plain))
    for ours, theirs in zip(*transposed, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.usefixtures("taken_for")
@pytest.mark.parametrize("method", UPSAMPLINGS)
def test_lanes_side_by_side_agree_with_lanes_alone(method):
    x, kernel = draw(3, 4, 5, 2), draw(3, 3, 3, 2, 3)

    @jax.jit
    def gradient(x, kernel):
        return jax.grad(lambda *a: jnp.sum(jnp.sin(upsample_conv(*a, method))), (0, 1))(x, kernel)

    together = jax.vmap(gradient)(x, kernel)
    for i in range(3):
        for ours, alone in zip(together, gradient(x[i], kernel[i]), strict=True):
            np.testing.assert_allclose(ours[i], alone, atol=1e-5)


@pytest.mark.parametrize("method", UPSAMPLINGS)
@pytest.mark.parametrize("size", [(5, 8), (1, 3), (2, 2)])
def test_the_variance_is_that_of_the_upsampled_image(method, size):
    x = 3 + draw(*size, 4)
    up = plain.upsample(x, method)
    variance = upsampled_variance(x, method)
    np.testing.assert_allclose(variance, jnp.var(up, (0, 1)), atol=1e-5)
