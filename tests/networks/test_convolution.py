"""`conv` against XLA's own convolution of a NumPy-padded image: values, gradients, lanes, loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from plain import conv as plain

from dip_jax.networks.layers.convolution import _reflect, conv, reflect_pad
from dip_jax.networks.layers.resampling import resample

CASES = [  # h, w, k, stride
    (8, 10, 3, 1),
    (8, 10, 3, 2),
    (7, 9, 3, 2),
    (9, 6, 5, 2),
    (5, 5, 5, 1),
    (3, 2, 3, 1),
    (2, 2, 3, 2),
    (10, 7, 5, 3),
    (8, 6, 1, 1),
    (8, 6, 1, 2),
]


def arguments(h, w, k, lanes=()):
    rng = np.random.default_rng(h * 100 + w * 10 + k)
    shapes = ((h, w, 3), (k, k, 3, 5), (5,))
    return [jnp.asarray(rng.normal(size=(*lanes, *s)), jnp.float32) for s in shapes]


def gradients(f, stride):
    return jax.grad(lambda *a: jnp.sum(jnp.sin(f(*a, stride=stride))), argnums=(0, 1, 2))


@pytest.mark.parametrize(("h", "w", "k", "stride"), CASES)
def test_values_and_gradients_are_those_of_the_plain_convolution(h, w, k, stride):
    args = arguments(h, w, k)
    np.testing.assert_allclose(
        conv(*args, stride=stride), plain(*args, stride=stride), rtol=1e-4, atol=1e-4
    )
    ours, theirs = gradients(conv, stride)(*args), gradients(plain, stride)(*args)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("stride", [1, 2])
def test_lanes_are_computed_each_for_itself(stride):
    x, kernel, bias = arguments(8, 6, 3, lanes=(3,))
    together = jax.vmap(gradients(conv, stride))(x, kernel, bias)
    for i in range(3):
        alone = gradients(conv, stride)(x[i], kernel[i], bias[i])
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_allclose(a[i], b, rtol=1e-5, atol=1e-5)


def test_lanes_that_share_the_kernel():
    x, kernel, bias = arguments(8, 6, 3, lanes=(3,))
    out = jax.vmap(lambda x: conv(x, kernel[0], bias[0]))(x)
    np.testing.assert_allclose(out[1], conv(x[1], kernel[0], bias[0]), rtol=1e-5, atol=1e-5)


def test_lanes_are_not_one_grouped_convolution():
    args = arguments(35, 34, 5, lanes=(3,))  # more than a few patches
    program = jax.jit(jax.vmap(gradients(conv, 1))).lower(*args).as_text()
    assert "feature_group_count = 1" in program
    assert "feature_group_count = 3" not in program


def test_the_kernel_gradient_is_no_convolution():
    # Inside a loop XLA's CPU backend runs that convolution a hundred times slower.
    args = arguments(35, 34, 5)
    program = jax.jit(gradients(conv, 1)).lower(*args).as_text()
    assert program.count("stablehlo.convolution") == 2  # forward, and input gradient


def test_reflection_does_not_repeat_the_border():
    x = jnp.arange(5.0).reshape(1, 5, 1) + jnp.zeros((5, 1, 1))
    assert reflect_pad(x, 2)[2, :, 0].tolist() == [2, 1, 0, 1, 2, 3, 4, 3, 2]


@pytest.mark.parametrize("p", [1, 2, 4])
def test_the_reflection_of_a_large_image_is_the_same_and_so_is_its_gradient(p):
    x, g = (jnp.asarray(np.random.default_rng(p).normal(size=s), jnp.float32) for s in SIZES[p])
    widths = ((p, p), (p, p), (0, 0))
    for reflect in (lambda x: _reflect(x, p), lambda x: resample(x, "none", p)):
        out, transpose = jax.vjp(reflect, x)
        plainly, transpose_plainly = jax.vjp(lambda x: jnp.pad(x, widths, mode="reflect"), x)
        np.testing.assert_array_equal(out, plainly)
        np.testing.assert_allclose(transpose(g)[0], transpose_plainly(g)[0], atol=1e-5)


SIZES = {p: ((6, 5, 2), (6 + 2 * p, 5 + 2 * p, 2)) for p in (1, 2, 4)}


def test_too_small_an_image_is_refused():
    with pytest.raises(ValueError, match="2×8"):
        reflect_pad(jnp.zeros((2, 8, 1)), 2)


def test_an_even_kernel_is_refused():
    with pytest.raises(ValueError, match="odd"):
        conv(jnp.zeros((8, 8, 3)), jnp.zeros((2, 2, 3, 5)), jnp.zeros(5))
