"""Bayes' estimate of alike patches, against the equations of the papers, patch by patch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.finish import nonlocal_bayes

STRIDE, RADIUS = 3, 16


def cut(image, place, side):
    i, j = place
    return image[i : i + side, j : j + side].ravel()


def plainly(pilot, side, alike, members, estimate):
    """The mean of all estimates, with d x d covariances; `estimate(mean, covariance, place)`."""
    h, w, c = pilot.shape
    last = [length - side for length in (h, w)]
    # No more than there are around every one of them.
    alike = min(alike, np.prod([min(end, RADIUS) + 1 for end in last]))
    grid = [sorted({*range(0, end, STRIDE), end}) for end in last]

    total, count = np.zeros_like(pilot), np.zeros((h, w, 1))
    for i in grid[0]:
        for j in grid[1]:
            near = [
                (np.square(cut(pilot, (a, b), side) - cut(pilot, (i, j), side)).sum(), a, b)
                for a in range(max(i - RADIUS, 0), min(i + RADIUS, last[0]) + 1)
                for b in range(max(j - RADIUS, 0), min(j + RADIUS, last[1]) + 1)
            ]
            group = sorted(near)[:alike]
            patches = np.stack([cut(pilot, (a, b), side) for _, a, b in group])
            covariance = np.cov(patches, rowvar=False)
            places = [(a, b) for _, a, b in group]
            for a, b in places[:members]:
                made = estimate(patches.mean(axis=0), covariance, (a, b), places)
                total[a : a + side, b : b + side] += made.reshape(side, side, c)
                count[a : a + side, b : b + side] += 1
    return total / count


# Of the second, 8 rows of patches are in two bands, and the last ones overlap by more than others.
@pytest.fixture(params=[((17, 23), 3), ((25, 34), 5), ((6, 24), 5), ((20, 18), 7)], ids=str)
def example(request):
    size, side = request.param
    rng = np.random.default_rng(0)
    clean = np.cumsum(rng.normal(size=(*size, 2)), axis=1)
    y, pilot = (clean + sigma * rng.normal(size=clean.shape) for sigma in (1.5, 0.9))
    return y, pilot, rng.random((*size, 1)) < 0.6, side


def test_noise_is_taken_out_as_the_equations_say(example):
    y, pilot, _, side = example
    noise = 1.5

    def estimate(mean, covariance, place, places):
        off = np.mean([np.square(cut(y, p, side) - cut(pilot, p, side)).mean() for p in places])
        lacking = 0.5 * max(off - 0.9 * noise**2, 0)
        inside = covariance + lacking * np.eye(mean.size)
        gain = inside @ np.linalg.inv(inside + noise**2 * np.eye(mean.size))
        return mean + gain @ (cut(y, place, side) - mean)

    made = nonlocal_bayes.filtered(jnp.asarray(y, "f4"), jnp.asarray(pilot, "f4"), noise, side)
    np.testing.assert_allclose(made, plainly(pilot, side, 30, 30, estimate), atol=2e-3)


# Where few values are unknown, most groups are not estimated.
@pytest.mark.parametrize("few", [False, True])
def test_what_is_unknown_is_estimated_as_the_equations_say(example, few):
    y, pilot, known, side = example
    if few:
        known = np.ones_like(known)
        known[3:5, 4:11] = known[-1, -1] = False
    noise = 0.4

    def estimate(mean, covariance, place, places):
        there = cut(np.broadcast_to(known, y.shape), place, side)
        rows = covariance[there]
        inside = rows[:, there] + noise**2 * np.eye(there.sum())
        return mean + rows.T @ np.linalg.solve(inside, (cut(y, place, side) - mean)[there])

    made = nonlocal_bayes.filled(
        *(jnp.asarray(a, "f4") for a in (y, known, pilot)), jnp.float32(noise), side
    )
    wanted = np.where(known, y, plainly(pilot, side, 45, 3, estimate))
    np.testing.assert_allclose(made, wanted, atol=1e-2)


def test_what_is_known_stays(example):
    y, pilot, known, side = (jnp.asarray(a, "f4") if np.ndim(a) else a for a in example)
    made = nonlocal_bayes.filled(y, known, pilot, 0.4, side)
    np.testing.assert_array_equal(np.where(known, made, 0), np.where(known, y, 0))
    everywhere = nonlocal_bayes.filled(y, jnp.ones_like(known), pilot, 0.4, side)
    np.testing.assert_array_equal(everywhere, y)


def test_unknown_values_have_no_say(example):
    *arrays, side = example
    y, pilot, known = (jnp.asarray(a, "f4") for a in arrays)
    made = [
        nonlocal_bayes.filled(jnp.where(known > 0, y, other), known, pilot, 0.4, side)
        for other in (0.0, 100.0)
    ]
    np.testing.assert_array_equal(*made)


@pytest.mark.parametrize(("size", "side"), [((1, 1), 7), ((3, 40), 5), ((6, 5), 7)])
def test_of_any_size(size, side):
    image = jnp.asarray(np.random.default_rng(1).random((*size, 1)), "f4")
    for made in (
        nonlocal_bayes.filtered(image, image, 0.1, side),
        nonlocal_bayes.filled(image, jnp.ones_like(image), image, 0.1, side),
    ):
        assert made.shape == image.shape and made.dtype == image.dtype
        assert np.all(np.isfinite(made)) and np.abs(made - image).max() < 1


def test_deep_inside_a_hole_the_pilot_stays():
    rng = np.random.default_rng(3)
    image = jnp.asarray(rng.random((40, 40, 1)), "f4")
    known = np.ones((40, 40, 1), np.float32)
    known[10:30, 10:30] = 0
    made = nonlocal_bayes.filled(image * known, jnp.asarray(known), image, 0.1)
    inside = (slice(14, 26), slice(14, 26))
    np.testing.assert_allclose(made[inside], image[inside], atol=1e-6)
    assert np.abs(made - image)[11:29, 11:29].max() > 0.01  # where some is known


def test_each_channel_may_have_its_own_unknown_values():
    rng = np.random.default_rng(4)
    i, j = np.mgrid[:30, :30]
    clean = np.stack([np.sin(0.3 * i + 0.2 * j + phase) for phase in (0, 0.5, 1)], 2)
    known = rng.random(clean.shape) < 0.5
    pilot = clean + 0.2 * rng.normal(size=clean.shape)
    made = nonlocal_bayes.filled(
        *(jnp.asarray(a, "f4") for a in (np.where(known, clean, 9), known, pilot)), 0.1
    )
    assert np.abs(made - clean).mean() < 0.5 * np.abs(pilot - clean).mean()


def test_a_strong_picture_with_little_noise_is_not_lost_in_float32():
    image = jnp.asarray(np.random.default_rng(5).random((30, 30, 3)) < 0.5, "f4")
    for made in (
        nonlocal_bayes.filtered(image, image, 1e-3),
        nonlocal_bayes.filled(image, jnp.ones_like(image), image, 1e-3),
    ):
        np.testing.assert_allclose(made, image, atol=0.02)


def test_what_exceeds_the_noise_is_taken_for_picture_in_part():
    """Of a pilot without variance, which is the mean, and of every pixel."""
    flat = jnp.full((24, 24, 1), 0.5, jnp.float32)
    off = 0.05 * jax.random.normal(jax.random.key(0), flat.shape)
    kept = {
        noise: np.asarray(nonlocal_bayes.filtered(flat + off, flat, noise) - flat) / off
        for noise in (0.1, 0.04)
    }
    np.testing.assert_array_equal(kept[0.1], 0)
    picture = 0.5 * (np.mean(np.square(off)) / 0.04**2 - 0.9)
    np.testing.assert_allclose(np.median(kept[0.04]), picture / (picture + 1), atol=0.05)
    assert np.all(kept[0.04] != 0)


def test_repeated_texture_is_brought_back():
    """A pilot that has lost some of a texture that repeats itself."""
    i, j = np.mgrid[:64, :64]
    clean = (0.5 + 0.2 * np.sign(np.sin(0.7 * i) * np.sin(0.5 * j + 0.2 * i)))[..., None]
    rng = np.random.default_rng(2)
    y = (clean + rng.normal(0, 0.05, clean.shape)).astype(np.float32)
    pilot = (clean.mean() + 0.7 * (clean - clean.mean())).astype(np.float32)
    made = np.asarray(nonlocal_bayes.filtered(jnp.asarray(y), jnp.asarray(pilot), 0.05))
    assert np.mean((made - clean) ** 2) < 0.6 * np.mean((pilot - clean) ** 2)


@pytest.mark.parametrize("count", [7, 15, 31, 45])
def test_groups_with_small_variances_are_solved_for_in_float32(count):
    rng = np.random.default_rng(count)
    patches = 100 * rng.normal(size=(40, count, 75)) * 0.7 ** np.arange(75)
    systems = patches @ patches.swapaxes(1, 2)
    systems += (count + 1e-6 * np.trace(systems, axis1=1, axis2=2))[:, None, None] * np.eye(count)
    right = (patches @ rng.normal(size=(40, 75, 1)))[..., 0]
    found = nonlocal_bayes._solved(jnp.asarray(systems, "f4"), jnp.asarray(right, "f4"))
    expected = np.linalg.solve(systems, right[..., None])[..., 0]
    ours, theirs = (np.einsum("rn,rnd->rd", w, patches) for w in (np.asarray(found), expected))
    np.testing.assert_allclose(ours, theirs, atol=1e-3 * np.abs(theirs).max())
