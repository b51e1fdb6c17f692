"""Correlated damage is recognised, and white noise and clean photographs are left in peace."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from dip_jax.pictures import samples
from dip_jax.pictures.samples import SAMPLES
from dip_jax.pictures.values import from_float, to_float
from dip_jax.prepare.correlated_noise import blockiness, flat_noise, sign_of_correlation

PHOTOGRAPHS = [(name, side) for name in SAMPLES for side in (200, 300)]


@pytest.fixture(params=PHOTOGRAPHS, ids=lambda p: f"{p[0]}-{p[1]}")
def clean(request):
    return to_float(samples.sample(*request.param).pixels)


def eight_bits(x):
    return np.round(np.clip(x, 0, 1) * 255) / 255


def normal(shape, blur=0.0, seed=1):
    noise = np.random.default_rng(seed).normal(size=shape)
    if blur:
        noise = ndimage.gaussian_filter(noise, (blur, blur, 0))
    return noise / noise.std()


def test_clean_photographs_and_white_noise_have_no_sign(clean):
    assert sign_of_correlation(clean) is None
    for sigma in (10, 25, 50):
        noisy = eight_bits(clean + sigma / 255 * normal(clean.shape))
        assert sign_of_correlation(noisy) is None


@pytest.mark.parametrize("blur", [0.7, 1.0])
def test_blurred_noise_has_one(clean, blur):
    noisy = eight_bits(clean + 50 / 255 * normal(clean.shape, blur))
    assert "noise" in sign_of_correlation(noisy)


def test_strong_noise_need_not_be_blurred_as_much(clean):
    """By 0.6 pixels; patches alone then leave nearly all of it, and the network takes it out."""
    noise = 25 / 255 * np.stack([normal(clean.shape, blur) for blur in (0, 0.4, 0.6)])
    signs = [sign_of_correlation(eight_bits(clean + one)) for one in noise]
    assert signs[:2] == [None, None] and "noise" in signs[2]


@pytest.mark.parametrize("quality", [40, 20, 10])
def test_blocks_have_one_wherever_the_picture_was_cut(clean, quality):
    buffer = BytesIO()
    pixels = from_float(clean, np.uint8, 3).squeeze()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    blocks = to_float(np.asarray(Image.open(buffer)))
    assert "JPEG" in sign_of_correlation(blocks)
    assert "JPEG" in sign_of_correlation(blocks[3:, 5:])


def test_noise_of_known_kind_is_measured():
    white = 0.5 + 0.1 * normal((240, 240, 1))[..., 0]
    measured = flat_noise(white)
    assert measured.deviation == pytest.approx(0.1, rel=0.15)
    assert abs(measured.correlation) < 0.08 and measured.contrast < 1.3
    # Blurred by a Gaussian of 1 pixel it has a correlation of exp(-1/4) from pixel to pixel, some
    # of which goes with the smooth part.
    blurred = 0.5 + 0.1 * normal((240, 240, 1), 1.0)[..., 0]
    assert 0.5 < flat_noise(blurred).correlation < np.exp(-0.25)
    assert abs(blockiness(white)) < 0.03


def test_unknown_values_and_flat_pictures_are_no_trouble():
    x = np.full((64, 64, 3), 0.5, np.float32)
    assert sign_of_correlation(x) is None
    x[:8] = np.nan
    assert sign_of_correlation(x) is None
    x[:] = np.nan
    x[0] = 0.5
    assert sign_of_correlation(x) is None
    x = np.full((64, 64, 3), 0.5, np.float32)
    x[np.arange(3) == np.indices((64, 64)).sum(axis=0)[..., None] % 3] = np.nan  # a mosaic
    assert sign_of_correlation(x) is None
    assert sign_of_correlation(np.zeros((5, 5, 1), np.float32)) is None


@pytest.mark.parametrize(("axis", "lines"), [(0, "columns"), (1, "rows")])
@pytest.mark.parametrize("name", ["coffee", "camera", "chelsea"])
def test_noise_that_is_correlated_in_one_direction_only_is_seen(name, axis, lines):
    x = to_float(samples.sample(name, 256).pixels)
    noise = np.random.default_rng(0).normal(0, 40 / 255, x.shape)
    y = np.clip(x + ndimage.gaussian_filter1d(noise, 0.8, axis=axis), 0, 1)
    assert lines in sign_of_correlation(y)
