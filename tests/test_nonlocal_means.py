"""Non-local means in the result: nearer to the clean picture, and no harm where they do any."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dip_jax import images, tasks
from dip_jax.array_fits import prepare
from dip_jax.ensembles import against_clean, suitable_nlm_share
from dip_jax.errors import InputError
from dip_jax.nonlocal_means import deviation, with_nonlocal_means
from dip_jax.observation import observe

SIGMA = 25 / 255


@pytest.fixture(scope="module")
def clean():
    return images.to_float(images.sample("chelsea", 128).pixels)


def noisy(clean, sigma=SIGMA):
    noise = np.random.default_rng(0).normal(0, sigma, clean.shape)
    return np.clip(clean + noise, 0, 1).astype(np.float32)


def smoothed(y):
    return gaussian_filter(y, (1, 1, 0))


def test_the_mean_of_both_is_better_than_either(clean):
    y = noisy(clean)
    observation, _ = observe(y)
    x = smoothed(y)
    psnrs = [
        against_clean(with_nonlocal_means(x, observation, share), clean)["psnr_true"]
        for share in (0.0, 0.5, 1.0)
    ]
    assert psnrs[1] > max(psnrs[0], psnrs[2]) + 0.2


def test_a_share_of_nothing_changes_nothing(clean):
    x = smoothed(clean)
    assert with_nonlocal_means(x, observe(noisy(clean))[0], 0.0) is x


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_it_is_a_weighted_mean(clean, channels):
    y = np.resize(noisy(clean), (*clean.shape[:2], channels))
    observation, _ = observe(y)
    x = smoothed(y)
    whole = with_nonlocal_means(x, observation, 1.0)
    quarter = with_nonlocal_means(x, observation, 0.25)
    assert quarter.dtype == x.dtype and quarter.min() >= 0 and quarter.max() <= 1
    np.testing.assert_allclose(quarter, 0.75 * x + 0.25 * whole, atol=1e-5)


def test_unknown_values_have_no_say(clean):
    y = noisy(clean)
    x = smoothed(y)
    fill = np.random.default_rng(1).random(y.shape[:2]) < 0.2
    other = np.where(fill[..., None], 0.5, y)
    made = [with_nonlocal_means(x, observe(image, fill)[0], 0.25) for image in (y, other)]
    np.testing.assert_array_equal(*made)


def test_single_wrong_values_are_not_brought_back(clean):
    y = noisy(clean, 5 / 255)
    wrong = np.random.default_rng(2).random(y.shape[:2]) < 0.02
    damaged = np.where(wrong[..., None], np.round(1 - y), y).astype(np.float32)
    made = with_nonlocal_means(clean, observe(damaged)[0], 0.25)
    # 25% of an error of 0.5 or more would be 0.12.
    assert np.abs(made - clean)[wrong].max() < 0.03


def test_a_picture_without_noise_stays(clean):
    made = with_nonlocal_means(clean, observe(clean)[0], 0.25)
    np.testing.assert_allclose(made, clean, atol=0.5 / 255)


@pytest.mark.parametrize("fitted", [0.0, 0.1, 0.3])
def test_it_gains_also_where_the_network_has_fitted_noise(clean, fitted):
    y = noisy(clean)
    x = (1 - fitted) * smoothed(y) + fitted * y
    made = with_nonlocal_means(x, observe(y)[0], 0.25)
    assert against_clean(made, clean)["psnr_true"] > against_clean(x, clean)["psnr_true"] + 0.3


def test_each_channel_has_noise_of_its_own(clean):
    sigmas = np.array([5, 25, 25]) / 255
    y = noisy(clean, sigmas)
    x = (0.7 * clean + 0.3 * y).astype(np.float32)
    made = with_nonlocal_means(x, observe(y)[0], 1.0)
    psnr = [-10 * np.log10(np.mean((made - clean)[..., c] ** 2)) for c in range(3)]
    # With one deviation for all, each has 27.6 to 28.5 dB.
    assert psnr[0] > 32 and min(psnr[1:]) > 27.5


def white_and_blurred():
    flat = np.full((128, 128, 3), 0.5, np.float32)
    white = np.random.default_rng(3).normal(0, SIGMA, flat.shape)
    blurred = gaussian_filter(white, (1.5, 1.5, 0))
    return flat, white, blurred * SIGMA / blurred.std()


def test_an_array_is_told_beforehand_that_there_are_none():
    flat, white, blurred = white_and_blurred()
    words = "no non-local means"
    assert any(words in line for line in prepare("denoise", flat + blurred).advice())
    assert not any(words in line for line in prepare("denoise", flat + white).advice())


def test_none_where_the_noise_is_correlated():
    flat, white, blurred = white_and_blurred()
    config = tasks.defaults("denoise")
    assert suitable_nlm_share(config, observe(flat + white)[0]) == 0.25
    assert suitable_nlm_share(config, observe(flat + blurred)[0]) == 0
    config["stop"]["criterion"] = "wmv"  # for those who know that it is
    assert suitable_nlm_share(config, observe(flat + white)[0]) == 0


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


def test_filling_has_none():
    config = tasks.defaults("hole_fill") | {"nlm_share": 0.25}
    with pytest.raises(InputError, match=r"nlm_share is 0\.25, expected 0"):
        tasks.fit_settings(config)
