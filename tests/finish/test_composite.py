"""Known pixels put in without a seam."""

import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax import inpaint
from dip_jax.finish.composite import harmonic, seamless
from dip_jax.forward.observation import Observation


def picture(h=24, w=20, channels=3, seed=0):
    return np.random.default_rng(seed).uniform(0.3, 0.7, (h, w, channels)).astype(np.float32)


def with_hole(h=24, w=20):
    known = np.ones((h, w, 1), np.float32)
    known[6:16, 5:14] = 0
    return known


def composed(x, y, known):
    return np.asarray(seamless(jnp.asarray(x), Observation(jnp.asarray(y), jnp.asarray(known))))


def direct(r, known):
    """Laplace's equation for one channel, as a dense linear system."""
    h, w = r.shape
    matrix, right = np.zeros((h * w, h * w)), np.zeros(h * w)
    for i in range(h):
        for j in range(w):
            row = i * w + j
            if known[i, j]:
                matrix[row, row], right[row] = 1, r[i, j]
                continue
            for a, b in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
                if 0 <= a < h and 0 <= b < w:
                    matrix[row, row] += 1
                    matrix[row, a * w + b] -= 1
    return np.linalg.solve(matrix, right).reshape(h, w)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.95])
def test_the_correction_solves_laplaces_equation(share):
    rng = np.random.default_rng(1)
    known = (rng.random((15, 12, 2)) > share).astype(np.float32)
    r = rng.standard_normal((15, 12, 2)).astype(np.float32)
    found = np.asarray(harmonic(jnp.asarray(r), jnp.asarray(known)))
    for c in range(2):
        np.testing.assert_allclose(found[..., c], direct(r[..., c], known[..., c]), atol=1e-4)


def test_a_large_hole_has_the_harmonic_function_around_it():
    w = 301
    rows, columns = np.mgrid[:40, :w] / np.float32(w)
    r = (columns**2 - rows**2)[..., None].astype(np.float32)  # its discrete Laplacian is zero
    known = np.ones((40, w, 1), np.float32)
    known[3:37, 20:280] = 0
    found = np.asarray(harmonic(jnp.asarray(r * known), jnp.asarray(known), wide=True))
    np.testing.assert_allclose(found, r, atol=2e-4)


def test_known_values_are_those_of_the_picture_to_the_bit():
    x, y, known = picture(seed=1), picture(seed=2), with_hole()
    found = composed(x, y, known)
    where = np.broadcast_to(known > 0, y.shape)
    np.testing.assert_array_equal(found[where], y[where])
    np.testing.assert_array_equal(composed(x, y, np.ones_like(known)), y)


def test_an_image_that_is_off_by_a_plane_is_put_right():
    y, known = picture(), with_hole()
    rows, columns = np.mgrid[: y.shape[0], : y.shape[1], :1][:2]
    off = (0.003 * rows - 0.005 * columns + 0.02).astype(np.float32)
    np.testing.assert_allclose(composed(y + off, known * y, known), y, atol=1e-5)


def test_an_image_that_is_right_stays_and_no_correction_exceeds_those_around():
    y, known = picture(), with_hole()
    np.testing.assert_array_equal(composed(y, known * y, known), y)
    x = y + 0.05 * picture(seed=3)
    r = known * (y - x)
    found = composed(x, known * y, known)
    assert np.abs(found - x).max() <= np.abs(r).max() + 1e-5


def test_a_channel_of_which_nothing_is_known_is_the_networks():
    x, y = picture(seed=1), picture(seed=2)
    known = np.broadcast_to(with_hole(), y.shape).copy()
    known[..., 1] = 0
    found = composed(x, known * y, known)
    np.testing.assert_array_equal(found[..., 1], x[..., 1])
    assert np.isfinite(found).all()


@pytest.mark.thorough
@pytest.mark.slow
def test_a_hole_meets_the_known_pixels_around_it_unless_pasted():
    """After few steps the network is far from the picture, so that a pasted hole shows."""
    picture = np.full((64, 64, 3), 0.8, np.float32)
    fill = np.zeros((64, 64), bool)
    fill[20:40, 24:44] = True
    options = {"network.scales": 2, "network.down": 8, "network.up": 8}
    damaged = np.where(fill[..., None], 0, picture)
    error = {}
    for seamlessly in (True, False):
        restored = inpaint(damaged, fill, num_steps=20, options=options | {"seamless": seamlessly})
        np.testing.assert_array_equal(restored[~fill], picture[~fill])
        error[seamlessly] = np.abs(restored - picture)[20, 24:44].mean()
    assert error[True] < 0.5 * error[False]
