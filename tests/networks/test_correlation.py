"""Every form of the correlation against XLA's own: values and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.networks.layers import correlation
from dip_jax.networks.layers.correlation import correlate

FORMS = {
    "patches, stride 1": (correlation._patches(1), 1, 3, (9, 8)),
    "patches, stride 2": (correlation._patches(2), 2, 3, (9, 8)),
    "patches, 5 taps, stride 2": (correlation._patches(2), 2, 5, (10, 13)),
    "patches, stride 3": (correlation._patches(3), 3, 5, (12, 9)),
    "few patches, stride 1": (correlation._few_patches(1), 1, 3, (9, 8)),
    "few patches, stride 2": (correlation._few_patches(2), 2, 3, (9, 8)),
    "few patches, stride 3": (correlation._few_patches(3), 3, 5, (12, 9)),
    "few patches that do not meet": (correlation._few_patches(3), 3, 1, (7, 8)),
    "shifts, 3 taps": (correlation._shifts(), 1, 3, (9, 8)),
    "shifts, 5 taps": (correlation._shifts(), 1, 5, (9, 8)),
    "winograd, 2×2": (correlation._winograd(2), 1, 3, (10, 8)),
    "winograd, 2×2, one tile": (correlation._winograd(2), 1, 3, (4, 4)),
    "winograd, 4×4": (correlation._winograd(4), 1, 3, (14, 10)),
    "winograd, 4×4, one tile": (correlation._winograd(4), 1, 3, (6, 6)),
}


def check(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * float(jnp.max(jnp.abs(theirs))))


@pytest.mark.parametrize("name", FORMS)
def test_a_form_agrees_with_the_library(name):
    form, stride, k, size = FORMS[name]
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(*size, 3)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(k, k, 3, 4)), jnp.float32)
    library = correlation._library(stride)
    expected = library.correlate(x, kernel)
    g = jnp.asarray(rng.normal(size=expected.shape), jnp.float32)
    check(jax.jit(form.correlate)(x, kernel), expected)
    gradients = jax.jit(form.gradients)(x, kernel, g)
    for ours, theirs in zip(gradients, library.gradients(x, kernel, g), strict=True):
        check(ours, theirs)


@pytest.mark.parametrize(
    ("size", "c_in", "c_out", "k"),
    [
        ((42, 34), 24, 24, 3),
        ((44, 36), 24, 24, 3),
        ((42, 35), 24, 24, 3),
        ((44, 42), 16, 4, 5),
        ((40, 40), 2, 24, 3),
    ],
    ids=["winograd, 4×4", "winograd, 2×2", "an odd side", "5 taps", "few channels"],
)
def test_the_form_that_is_chosen_agrees_with_the_library(size, c_in, c_out, k):
    rng = np.random.default_rng(1)
    x = jnp.asarray(rng.normal(size=(*size, c_in)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(k, k, c_in, c_out)), jnp.float32)
    library = correlation._library(1)
    out, transpose = jax.jit(lambda *a: jax.vjp(lambda *b: correlate(*b, 1), *a))(x, kernel)
    expected = library.correlate(x, kernel)
    check(out, expected)
    for ours, theirs in zip(
        transpose(expected), library.gradients(x, kernel, expected), strict=True
    ):
        check(ours, theirs)
