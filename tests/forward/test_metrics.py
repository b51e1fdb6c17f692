"""PSNR and SSIM against scikit-image."""

import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from dip_jax.forward import metrics


def pair(channels, h=40, w=50):
    rng = np.random.default_rng(0)
    x = rng.random((h, w, channels)).astype(np.float32)
    y = np.clip(x + 0.1 * rng.normal(size=x.shape), 0, 1).astype(np.float32)
    return jnp.asarray(x), jnp.asarray(y)


@pytest.mark.parametrize("channels", [1, 3])
def test_psnr_and_ssim_agree_with_scikit_image(channels):
    x, y = pair(channels)
    everywhere = jnp.ones((*x.shape[:2], 1))
    a, b = np.asarray(x), np.asarray(y)
    expected = peak_signal_noise_ratio(a, b, data_range=1.0)
    assert metrics.psnr(x, y, everywhere) == pytest.approx(expected, abs=1e-3)
    expected = structural_similarity(
        a,
        b,
        channel_axis=-1,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert metrics.ssim(x, y) == pytest.approx(expected, abs=1e-4)


def test_psnr_looks_at_the_mask_only():
    x, y = pair(3)
    mask = jnp.zeros((40, 50, 1)).at[:20].set(1)
    expected = peak_signal_noise_ratio(np.asarray(x[:20]), np.asarray(y[:20]), data_range=1.0)
    assert metrics.psnr(x, y, mask) == pytest.approx(expected, abs=1e-3)
    assert metrics.psnr(x, y.at[20:].set(0), mask) == pytest.approx(expected, abs=1e-3)


def test_observed_ssim_does_not_see_what_is_unknown():
    x, y = pair(3)
    known = jnp.ones((40, 50, 1)).at[10:20, 10:20].set(0)
    changed = x.at[12:18, 12:18].set(1)
    assert metrics.ssim_observed(x, y, known) == metrics.ssim_observed(changed, y, known)
    assert metrics.ssim_observed(y, y, known) == pytest.approx(1)


def test_ssim_of_a_picture_smaller_than_its_window_is_nan():
    assert jnp.isnan(metrics.ssim(jnp.ones((8, 30, 1)), jnp.ones((8, 30, 1))))


def test_padding_has_no_say_in_ssim():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(size=(2, 17, 23, 3)).astype(np.float32)
    known = (rng.uniform(size=(17, 23, 1)) < 0.8).astype(np.float32)
    width = ((0, 7), (0, 9), (0, 0))
    inside = np.pad(np.ones((17, 23, 1), np.float32), width)
    padded = [
        jnp.asarray(np.pad(a, width, constant_values=v))
        for a, v in ((x, 0.3), (y, 0.9), (known, 0))
    ]
    assert float(metrics.ssim(*padded[:2], jnp.asarray(inside))) == pytest.approx(
        float(metrics.ssim(x, y)), abs=1e-6
    )
    there, alone = (
        metrics.ssim_observed(*padded, jnp.asarray(inside)),
        metrics.ssim_observed(x, y, known),
    )
    assert float(there) == pytest.approx(float(alone), abs=1e-6)
