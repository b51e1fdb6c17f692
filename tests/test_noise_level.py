"""How strong noise is, in pictures where that is known."""

import numpy as np
import pytest

from dip_jax import images
from dip_jax.noise_level import deviation, white_deviation


@pytest.fixture(scope="module")
def clean():
    return images.to_float(images.sample("coffee", 128).pixels)


def everywhere(y):
    return np.ones(y.shape, bool)


@pytest.mark.parametrize("fitted", [0.0, 0.3])
def test_the_deviation_is_that_of_the_noise_without_outliers(fitted):
    noise = np.random.default_rng(4).normal(0, 0.1, (96, 96))
    y, x = 0.5 + noise, 0.5 + fitted * noise
    y[:2] = 5.0
    known = np.ones(y.shape, bool)
    known[-1] = False
    y[-1] = np.nan
    assert deviation(x, y, known) == pytest.approx(0.1, rel=0.06)


def test_texture_is_not_taken_for_noise():
    x = np.random.default_rng(5).random((64, 64))
    y = x + np.random.default_rng(6).normal(0, 0.02, x.shape)
    assert 0.018 < deviation(x, y, np.ones(x.shape, bool)) < 0.033


@pytest.mark.parametrize("sigma", [5, 10, 25, 50])
def test_white_noise_is_told_from_the_texture_of_a_photograph(clean, sigma):
    y = clean + np.random.default_rng(0).normal(0, sigma, clean.shape) / 255
    assert 255 * white_deviation(y, everywhere(y)) == pytest.approx(sigma, rel=0.06)


def test_white_noise_in_grey(clean):
    y = clean[..., :1] + np.random.default_rng(0).normal(0, 0.1, (*clean.shape[:2], 1))
    assert white_deviation(y, everywhere(y)) == pytest.approx(0.1, rel=0.1)


def test_of_noise_in_all_channels_at_once_little_is_found(clean):
    y = clean + np.random.default_rng(0).normal(0, 0.1, (*clean.shape[:2], 1))
    assert white_deviation(y, everywhere(y)) < 0.03


def test_values_without_noise_do_not_make_it_look_weaker(clean):
    generator = np.random.default_rng(0)
    noisy = generator.random(clean.shape) < 0.7
    y = clean + noisy * generator.normal(0, 0.1, clean.shape)
    assert white_deviation(y, noisy) == pytest.approx(0.1, rel=0.06)


def test_of_a_large_picture_some_patches_are_enough():
    y = np.random.default_rng(0).normal(0, 0.1, (900, 1000, 1))
    assert white_deviation(y, everywhere(y)) == pytest.approx(0.1, rel=0.01)


def test_a_picture_without_noise_has_none():
    y = np.full((64, 64, 1), 0.5)
    assert white_deviation(y, everywhere(y)) == 0


@pytest.mark.parametrize("shape", [(3, 200, 3), (20, 20, 3), (1, 1, 1), (100, 100, 40)])
def test_nothing_is_said_of_a_picture_with_few_patches(shape):
    y = np.random.default_rng(0).random(shape)
    assert white_deviation(y, everywhere(y)) is None


def test_nothing_is_said_where_no_value_has_noise():
    y = np.zeros((64, 64, 1))
    assert white_deviation(y, ~everywhere(y)) is None
