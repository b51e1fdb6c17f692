"""What an accelerator computes, run on a CPU: the same function as the CPU's own forms."""

import jax
import jax.numpy as jnp
import numpy as np
import plain
import pytest
from tiers import first_always

from dip_jax.networks.hourglass import Hourglass, hourglass
from dip_jax.networks.layers.convolution import conv
from dip_jax.networks.layers.normalisation import moments_in_one_pass, normalise_activate
from dip_jax.networks.layers.resampling import axis_taps, resample
from dip_jax.networks.layers.upsampling import upsample_conv, upsampled_variance


@pytest.fixture
def accelerator(monkeypatch):
    """The forms of an accelerator; what was compiled before is not used."""
    jax.clear_caches()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    yield
    jax.clear_caches()


def draw(*shape):
    return jnp.asarray(np.random.default_rng(sum(shape)).normal(size=shape), jnp.float32)


def dense(taps):
    matrix = np.zeros((taps.column.shape[1], taps.column.max() + 1))
    rows = np.broadcast_to(np.arange(len(matrix)), taps.column.shape)
    np.add.at(matrix, (rows, taps.column), taps.weight)
    return matrix


def test_the_matrix_of_bilinear_upsampling_with_a_reflected_pixel():
    expected = [
        [0.75, 0.25, 0.0],  # mirrors the second of the six
        [1.0, 0.0, 0.0],
        [0.75, 0.25, 0.0],
        [0.25, 0.75, 0.0],
        [0.0, 0.75, 0.25],
        [0.0, 0.25, 0.75],
        [0.0, 0.0, 1.0],
        [0.0, 0.25, 0.75],  # mirrors the fifth
    ]
    matrix, transposed = (dense(taps) for taps in axis_taps(3, "bilinear", 1))
    np.testing.assert_array_equal(matrix[:, :3], expected)
    np.testing.assert_array_equal(transposed, matrix[:, :3].T)


@pytest.mark.parametrize("method", ["none", "nearest", "bilinear"])
@pytest.mark.parametrize(("size", "p"), [((5, 7), 1), ((3, 4), 2), ((4, 3), 0)])
def test_resampling_is_upsampling_and_then_reflection(method, size, p):
    x = draw(*size, 2)

    def expected(x):
        up = x if method == "none" else plain.upsample(x, method)
        return jnp.pad(up, ((p, p), (p, p), (0, 0)), mode="reflect")

    y, transpose = jax.vjp(lambda x: resample(x, method, p), x)
    y_plain, transpose_plain = jax.vjp(expected, x)
    np.testing.assert_allclose(y, y_plain, atol=1e-6)
    g = draw(*y.shape)
    np.testing.assert_allclose(transpose(g)[0], transpose_plain(g)[0], atol=1e-5)


@pytest.mark.parametrize("method", ["nearest", "bilinear"])
@pytest.mark.parametrize(("size", "k"), first_always([((6, 9), 3), ((1, 4), 3), ((6, 5), 5)]))
def test_upsampling_and_convolution(accelerator, method, size, k):
    x, kernel = draw(*size, 3), draw(k, k, 3, 4)

    def expected(x, kernel):
        return plain.conv(plain.upsample(x, method), kernel, jnp.zeros(4))

    y, transpose = jax.vjp(lambda *a: upsample_conv(*a, method), x, kernel)
    y_plain, transpose_plain = jax.vjp(expected, x, kernel)
    np.testing.assert_allclose(y, y_plain, atol=2e-5)
    g = draw(*y.shape)
    for ours, theirs in zip(transpose(g), transpose_plain(g), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("channels", [3, 12])
@pytest.mark.parametrize(("k", "stride"), [(3, 1), (3, 2), (5, 2)])
def test_convolution(accelerator, channels, k, stride):
    x, kernel, bias = draw(8, 9, channels), draw(k, k, channels, 4), draw(4)
    y, transpose = jax.vjp(lambda *a: conv(*a, stride=stride), x, kernel, bias)
    y_plain, transpose_plain = jax.vjp(lambda *a: plain.conv(*a, stride=stride), x, kernel, bias)
    np.testing.assert_allclose(y, y_plain, rtol=1e-4, atol=1e-4)
    g = draw(*y.shape)
    for ours, theirs in zip(transpose(g), transpose_plain(g), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_resampling_in_other_precisions(dtype):
    x = np.random.default_rng(0).normal(size=(5, 4, 2)).astype(np.float32)
    exact = resample(jnp.asarray(x), "bilinear", 1)
    with jax.enable_x64(True):
        y = resample(jnp.asarray(x, dtype), "bilinear", 1)
        assert y.dtype == dtype
        np.testing.assert_allclose(np.asarray(y, np.float32), exact, atol=0.02)


@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_moments_in_one_pass(offset):
    x = offset + draw(40, 30, 3)
    mean, variance = moments_in_one_pass(x)
    exact = np.asarray(x, np.float64)
    np.testing.assert_allclose(mean, exact.mean((0, 1)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(variance, exact.var((0, 1)), rtol=1e-4)


def test_normalisation_and_its_gradient(accelerator):
    x, scale, offset = 2 + 3 * draw(7, 9, 5), draw(5), draw(5)

    def expected(x, scale, offset):
        normalised = plain.norm(x, scale, offset)
        return jnp.where(normalised >= 0, normalised, 0.2 * normalised)

    y, transpose = jax.vjp(normalise_activate, x, scale, offset)
    y_plain, transpose_plain = jax.vjp(expected, x, scale, offset)
    np.testing.assert_allclose(y, y_plain, atol=1e-5)
    g = draw(*y.shape)
    for ours, theirs in zip(transpose(g), transpose_plain(g), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("method", ["nearest", "bilinear"])
def test_the_variance_of_an_upsampled_image_and_its_gradient(accelerator, method):
    x, weights = draw(5, 8, 4), draw(4)

    def expected(x):
        return jnp.var(plain.upsample(x, method), (0, 1)) @ weights

    def ours(x):
        return upsampled_variance(x, method) @ weights

    np.testing.assert_allclose(ours(x), expected(x), rtol=1e-5)
    np.testing.assert_allclose(jax.grad(ours)(x), jax.grad(expected)(x), atol=1e-6)


@pytest.mark.thorough
@pytest.mark.parametrize("skip", [2, 12])
def test_a_network_has_the_output_and_gradient_that_it_has_on_a_cpu(monkeypatch, skip):
    network = hourglass(
        Hourglass((8, 9), (8, 9), (skip,) * 2, (3, 5), (3, 3), (1, 3), ("bilinear", "nearest")),
        3,
    )
    z = draw(16, 24, 4)
    params = network.init(jax.random.key(0), z)
    lanes = jax.tree.map(lambda a: jnp.stack([a, 1.1 * a]), params)

    def value_and_gradient():
        @jax.jit
        @jax.vmap
        def both(params):
            return jax.value_and_grad(lambda p: jnp.sum(network.apply(p, z) ** 2))(params)

        return both(lanes)

    on_cpu = value_and_gradient()
    jax.clear_caches()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    on_accelerator = value_and_gradient()
    jax.clear_caches()
    for a, b in zip(jax.tree.leaves(on_accelerator), jax.tree.leaves(on_cpu), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3)
