"""Pictures as people have them, restored on default settings: none is silently worse than another.

The figures are those of one small photograph; non-local means are given the noise that there is.
"""

import warnings

import numpy as np
import pytest
from skimage.restoration import denoise_nl_means

import dip_jax
from dip_jax.pictures import samples
from dip_jax.pictures.values import to_float

pytestmark = pytest.mark.slow

INSIDE = slice(13, 50)  # the rows between the bars


@pytest.fixture(scope="module", autouse=True)
def _programs_that_run_quickly():
    with pytest.MonkeyPatch.context() as patch:  # these fits make many steps
        patch.setenv("DIP_JAX_COMPILE_EFFORT", "1")
        yield


@pytest.fixture(scope="module")
def clean():
    x = to_float(samples.sample("chelsea", 225).pixels)
    return x[30:94, 50:114].astype(np.float64)


def rounded(y):
    return np.round(np.clip(y, 0, 1) * 255).astype(np.uint8)


def psnr(pixels, clean):
    return -10 * np.log10(np.mean((np.clip(pixels, 0, 1) - clean) ** 2))


def restored(pixels):
    """The picture, and what was said of it."""
    with warnings.catch_warnings():
        # So small a photograph has texture that looks like correlated noise.
        warnings.filterwarnings("ignore", message="the picture has noise that is correlated")
        result, info = dip_jax.denoise(pixels, return_info=True)
    return result, "; ".join(info.remarks)


def nonlocal_means(pixels, clean):
    y = pixels / 255
    noise = np.sqrt(np.mean((y - clean) ** 2))
    means = denoise_nl_means(
        y, patch_size=5, patch_distance=6, h=0.6 * noise, sigma=noise, channel_axis=-1
    )
    return psnr(means, clean)


@pytest.fixture(scope="module")
def noisy(clean):
    return rounded(clean + np.random.default_rng(0).normal(0, 22 / 255, clean.shape))


@pytest.fixture(scope="module")
def without_bars(noisy):
    result, remarks = restored(noisy)
    assert "noise is cut off" in remarks and ";" not in remarks
    return result


@pytest.mark.thorough
@pytest.mark.parametrize("value", [0, 255])
def test_clean_bars_cost_what_is_between_them_next_to_nothing(clean, noisy, without_bars, value):
    barred = noisy.copy()
    barred[:13], barred[50:] = value, value
    result, remarks = restored(barred)
    assert "no noise" in remarks and (result[:12] == value).all()
    plain = psnr(without_bars[INSIDE] / 255, clean[INSIDE])
    assert psnr(result[INSIDE] / 255, clean[INSIDE]) > plain - 0.5


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["speckle", "20 photons", "200 photons"])
def test_noise_that_grows_with_brightness_is_removed(clean, kind):
    rng = np.random.default_rng(1)
    if kind == "speckle":
        pixels = rounded(clean * (1 + rng.normal(0, 0.25, clean.shape)))
    else:
        photons = int(kind.split()[0])
        pixels = rounded(rng.poisson(clean * photons) / photons)
    result, remarks = restored(pixels)
    assert "grows with brightness" in remarks
    assert psnr(result / 255, clean) > nonlocal_means(pixels, clean) + 1


@pytest.mark.thorough
def test_stripes_are_taken_out_and_told(clean):
    offsets = np.random.default_rng(2).normal(0, 15 / 255, (1, clean.shape[1], 1))
    pixels = rounded(clean + offsets)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = dip_jax.denoise(pixels)
    assert "every column has an offset of its own" in str(said[0].message)
    assert (
        psnr(result / 255, clean) > psnr(pixels / 255, clean) + 3
    )  # here 3.48, elsewhere above 3.5


@pytest.mark.thorough
def test_a_picture_that_fills_little_of_its_range_is_restored_as_one_that_fills_it(
    clean, noisy, without_bars
):
    pixels = np.round(100 + 900 * noisy.astype(np.float64) / 255).astype(np.uint16)
    result, remarks = restored(pixels)
    assert "100 to 1000 of 0 to 65535" in remarks and result.dtype == np.uint16
    full = psnr(without_bars / 255, clean)
    assert psnr((result - 100.0) / 900, clean) > full - 0.5


@pytest.mark.thorough
def test_a_picture_with_next_to_no_noise_becomes_no_worse(clean):
    pixels = rounded(clean + np.random.default_rng(3).normal(0, 3 / 255, clean.shape))
    result, _ = restored(pixels)
    assert psnr(result / 255, clean) > psnr(pixels / 255, clean)
