"""How strong noise is, in pictures where that is known."""

import numpy as np
import pytest

from dip_jax.pictures import samples
from dip_jax.pictures.values import to_float
from dip_jax.prepare import noise_level
from dip_jax.prepare.noise_level import deviation, noise_covariance, roughly, white_deviation


@pytest.fixture(scope="module")
def clean():
    return to_float(samples.sample("coffee", 128).pixels)


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


def test_of_a_large_picture_some_patches_are_enough(clean, monkeypatch):
    monkeypatch.setattr(noise_level, "_NUMBERS", 300_000)
    looked_at, covariance = [], np.cov

    def watched(patches, **how):
        looked_at.append(patches.size)
        return covariance(patches, **how)

    monkeypatch.setattr(np, "cov", watched)
    y = clean + np.random.default_rng(0).normal(0, 0.1, clean.shape)
    assert white_deviation(y, everywhere(y)) == pytest.approx(0.1, rel=0.08)
    assert 200_000 < sum(looked_at) <= 300_000


def test_a_constant_picture_has_none():
    y = np.full((64, 64, 1), 0.5)
    assert white_deviation(y, everywhere(y)) == 0


@pytest.mark.parametrize("shape", [(3, 200, 3), (20, 20, 3), (1, 1, 1), (100, 100, 40)])
def test_nothing_is_said_of_a_picture_with_few_patches(shape):
    y = np.random.default_rng(0).random(shape)
    assert white_deviation(y, everywhere(y)) is None


def test_nothing_is_said_where_no_value_has_noise():
    y = np.zeros((64, 64, 1))
    assert white_deviation(y, ~everywhere(y)) is None


def with_noise_in_common(clean, share, sigma=0.1):
    generator = np.random.default_rng(0)
    own = generator.normal(0, sigma, clean.shape)
    common = generator.normal(0, sigma, (*clean.shape[:2], 1))
    return clean + np.sqrt(1 - share) * own + np.sqrt(share) * common


def correlation(covariance):
    size = np.sqrt(np.diag(covariance))
    return covariance / np.outer(size, size)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_what_noise_the_channels_have_in_common(clean, share):
    y = with_noise_in_common(clean, share)
    expected = share + (1 - share) * np.eye(3)
    covariance = noise_covariance(y, everywhere(y))
    np.testing.assert_allclose(correlation(covariance), expected, atol=0.12)
    assert 0.006 < np.diag(covariance).min() < np.diag(covariance).max() < 0.011


def test_it_is_not_looked_for_where_values_have_been_put_in(clean):
    y = with_noise_in_common(clean, 0.3)
    noisy = np.random.default_rng(1).random((*clean.shape[:2], 1)) < 0.9
    noisy = np.broadcast_to(noisy, y.shape)
    found = correlation(noise_covariance(np.where(noisy, y, 0), noisy))
    np.testing.assert_allclose(found, 0.3 + 0.7 * np.eye(3), atol=0.12)


@pytest.mark.parametrize("channels", [slice(0, 1), slice(None)])
def test_it_is_not_looked_for_where_the_picture_is_clipped(clean, channels):
    y = np.clip(with_noise_in_common(clean, 1.0), 0, 1)
    y[:64, :, channels] = 1.0
    covariance = noise_covariance(y, everywhere(y))
    assert np.diag(covariance).min() > 0.003
    assert correlation(covariance).min() > 0.8


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 90, 1), (16, 16, 3)])
def test_of_a_few_blocks_it_is_not_said(shape):
    y = np.random.default_rng(0).random(shape)
    assert noise_covariance(y, everywhere(y)) is None


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("sigma", [5, 10, 25, 50])
def test_a_quick_look_finds_the_noise_and_not_much_more(clean, sigma, channels):
    shape = (*clean.shape[:2], channels)
    y = clean[..., :channels] + np.random.default_rng(0).normal(0, sigma, shape) / 255
    known = everywhere(y)
    known[:40] = False
    y[:40] = 9.0
    assert 0.9 * sigma < 255 * roughly(y, known, noise_covariance(y, known)) < 1.25 * sigma + 1


def test_a_quick_look_does_not_take_all_texture_for_noise():
    y = np.random.default_rng(5).random((64, 64, 1))
    y[:24] = 0.5
    y += np.random.default_rng(6).normal(0, 0.02, y.shape)
    flat = noise_covariance(y, everywhere(y))
    assert 0.018 < roughly(y, everywhere(y), flat) < 0.035
    assert roughly(y, ~everywhere(y), None) == 0
