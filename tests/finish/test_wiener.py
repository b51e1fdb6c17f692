"""The Wiener filter: what it takes for noise, and what it makes of missing values."""

import numpy as np
import pytest
from scipy.fft import dctn, idctn

from dip_jax.finish import wiener
from dip_jax.pictures import samples
from dip_jax.pictures.values import to_float


@pytest.fixture(scope="module")
def clean():
    return to_float(samples.sample("coffee", 96).pixels)


def error(x, clean):
    return float(np.sqrt(np.mean((np.asarray(x) - clean) ** 2)))


def test_a_picture_of_one_block_is_filtered_by_its_transform():
    # Of a picture that repeats itself every 8 pixels all blocks of a grid are the same, also those
    # that reach over its border, if it is like its mirror image.
    rng = np.random.default_rng(0)
    block = rng.random((8, 8))
    block = (block + block[::-1] + block[:, ::-1] + block[::-1, ::-1]) / 4  # as its mirror image
    y = np.tile(block, (4, 4))[..., None].astype(np.float32)
    pilot = np.tile(0.7 * block, (4, 4))[..., None].astype(np.float32)
    made = np.asarray(wiener.filtered(y, pilot, 0.2))[..., 0]
    total, weights = np.zeros((32, 32)), np.zeros((32, 32))
    for i in range(8):
        for j in range(8):
            a, p = (
                dctn(
                    np.roll(np.tile(scale * block, (4, 4)), (-i, -j), (0, 1))[:8, :8], norm="ortho"
                )
                for scale in (1, 0.7)
            )
            gain = p**2 / (p**2 + 0.2**2)
            weight = 1 / (1 + np.sum(gain**2))
            part = np.tile(idctn(gain * a, norm="ortho"), (4, 4))
            total += weight * np.roll(part, (i, j), (0, 1))
            weights += weight
    np.testing.assert_allclose(made, total / weights, atol=2e-6)


def test_a_pilot_without_noise_takes_most_of_the_noise_away(clean):
    y = clean + np.random.default_rng(1).normal(0, 0.1, clean.shape).astype(np.float32)
    assert error(wiener.filtered(y, clean, 0.1), clean) < 0.03


def test_next_to_no_noise_leaves_the_picture(clean):
    np.testing.assert_allclose(wiener.filtered(clean, clean, 1e-4), clean, atol=1e-3)


@pytest.mark.parametrize("shape", [(33, 47), (8, 8), (5, 70), (1, 1)])
def test_of_any_size(shape):
    y = np.full((*shape, 2), 0.25, np.float32)
    np.testing.assert_allclose(wiener.filtered(y, y, 0.01), y, atol=1e-3)


def test_values_that_are_all_zero_do_no_harm():
    y = np.zeros((16, 16, 3), np.float32)
    np.testing.assert_array_equal(wiener.filtered(y, y, 0.1), y)
    np.testing.assert_array_equal(wiener.filled(y, y, y, y[..., :1]), y)


def blurred(clean):
    """An image that lacks what is fine, and is right in the mean."""
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(clean, (1.0, 1.0, 0))


@pytest.mark.parametrize("per_channel", [False, True])
def test_missing_values_come_nearer_to_the_clean_ones(clean, per_channel):
    shape = clean.shape if per_channel else (*clean.shape[:2], 1)
    known = (np.random.default_rng(2).random(shape) < 0.5).astype(np.float32)
    y = np.where(known > 0, clean, 0.0).astype(np.float32)
    pilot = blurred(clean)
    x = np.where(known > 0, clean, pilot)
    made = np.asarray(wiener.filled(pilot, x, y, known))
    assert error(made, clean) < 0.9 * error(x, clean)
    kept = np.broadcast_to(known > 0, clean.shape)
    np.testing.assert_array_equal(made[kept], y[kept])
    assert made.min() >= 0 and made.max() <= 1


def test_a_picture_of_little_contrast_is_corrected_alike(clean):
    known = (np.random.default_rng(2).random((*clean.shape[:2], 1)) < 0.5).astype(np.float32)
    x = blurred(clean)
    made, faint = (
        np.asarray(wiener.filled(k * x, k * x, k * clean * known, known)) for k in (1.0, 1 / 16)
    )
    np.testing.assert_allclose(np.clip(16 * faint, 0, 1), made, atol=2e-4)


def test_a_pilot_that_is_right_is_left_alone(clean):
    known = (np.random.default_rng(2).random((*clean.shape[:2], 1)) < 0.5).astype(np.float32)
    np.testing.assert_allclose(wiener.filled(clean, clean, clean, known), clean, atol=2e-3)


def test_what_is_unknown_in_the_picture_has_no_say(clean):
    known = np.ones((*clean.shape[:2], 1), np.float32)
    known[30:50, 40:60] = 0
    made = [wiener.filled(clean, clean, np.where(known > 0, clean, v), known) for v in (0.0, 1.0)]
    np.testing.assert_array_equal(*made)


def test_where_all_is_known_nothing_changes(clean):
    known = np.ones((*clean.shape[:2], 1), np.float32)
    np.testing.assert_array_equal(wiener.filled(0 * clean, 0 * clean, clean, known), clean)
