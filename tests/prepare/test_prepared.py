"""What is seen in a picture before it is fitted: noise, stripes, bars, contrast."""

import numpy as np
import pytest

from dip_jax.pictures import samples
from dip_jax.pictures.arrays import Layout
from dip_jax.pictures.values import to_float
from dip_jax.prepare.brightness import noise_by_brightness
from dip_jax.prepare.contrast import range_filled
from dip_jax.prepare.prepared import NOTHING, Adapting, prepare
from dip_jax.prepare.still import still
from dip_jax.prepare.stripes import stripes
from dip_jax.prepare.tone import tone

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "camera")


def photograph(name, side=128):
    return to_float(samples.sample(name, side).pixels)


def rounded(y):
    return (np.round(np.clip(y, 0, 1) * 255) / 255).astype(np.float32)


def with_noise(x, sigma, seed=0):
    return rounded(x + np.random.default_rng(seed).normal(0, sigma / 255, x.shape))


def prepared(y, fill=None, how=None, data_range=None):
    layout = Layout(y.shape, np.dtype(np.float32), -1, data_range)
    return prepare(y.astype(np.float32), fill, layout, how or Adapting())


def everywhere(y):
    return np.ones(y.shape, bool)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("sigma", [0, 10, 25, 50])
def test_a_photograph_with_even_noise_is_fitted_as_it_is(name, sigma):
    y = with_noise(photograph(name), sigma)
    found = prepared(y, how=Adapting(clipping=sigma == 0))
    assert found.tone is None and not found.warnings
    known = np.broadcast_to(np.asarray(found.observation.known) > 0, y.shape)
    assert known.mean() > 0.9 and np.array_equal(np.asarray(found.observation.y)[known], y[known])


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("kind", ["speckle", "photons"])
def test_noise_that_grows_with_brightness_is_seen_and_made_even(name, kind):
    x, rng = photograph(name), np.random.default_rng(1)
    if kind == "speckle":
        y, true = rounded(x * (1 + rng.normal(0, 0.25, x.shape))), 0.25 * x
    else:
        y, true = rounded(rng.poisson(x * 50) / 50), np.sqrt(x / 50)
    found = prepared(y)
    assert any("noise grows with brightness" in line for line in found.remarks)
    model = noise_by_brightness(y, everywhere(y))
    inside = (x > 0.2) & (x < 0.6)
    ratio = model.deviation(x[inside]) / true[inside]
    assert 0.7 < np.median(ratio) < 1.3
    # On the scale of the fit the noise is as strong in the darker half as in the brighter.
    off = np.asarray(found.observation.y) - found.of_clean(x)
    darker = inside & (x < np.median(x[inside]))
    even = off[darker].std() / off[inside & ~darker].std()
    assert 0.75 < even < 1.33


def test_the_way_back_from_the_scale_of_a_fit_leaves_no_bias():
    rng = np.random.default_rng(2)
    scale = tone(0.0, 1.0, lambda u: np.sqrt(1e-4 + u / 30))
    for value in (0.15, 0.4, 0.6):
        noisy = value + np.sqrt(1e-4 + value / 30) * rng.normal(size=200_000)
        mean = scale.to_fitted(np.clip(noisy, 0, 1)).mean(dtype=np.float64)
        assert scale.to_picture(np.array([mean])) == pytest.approx(value, abs=2e-3)


@pytest.mark.parametrize("noise", [None, lambda u: 0.01 + 0.2 * u])
def test_a_scale_and_its_way_back_are_inverse(noise):
    values = np.linspace(0.21, 0.59, 200)
    scale = tone(0.2, 0.6, noise)
    assert np.allclose(scale.to_picture(scale.of_clean(values)), values, atol=1e-4)
    assert np.isnan(scale.to_fitted(np.array([np.nan, 0.3]))).tolist() == [True, False]
    steep = scale.spread(np.array([0.4]), np.array([0.01]))
    ends = scale.to_picture(np.array([0.39, 0.41]))
    assert steep == pytest.approx(np.diff(ends) / 2, rel=1e-3)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_offsets_of_columns_or_rows_are_taken_out_and_told(name, axis):
    x, rng = photograph(name), np.random.default_rng(3)
    shape = (1, x.shape[1], 1) if axis else (x.shape[0], 1, 1)
    offsets = rng.normal(0, 15 / 255, shape)
    y = rounded(x + offsets)
    found = prepared(y)
    assert ("column" if axis else "row") in found.warnings[0]
    before, after = (np.std(z - x) for z in (y, np.asarray(found.observation.y)))
    assert after < 0.62 * before
    assert found.remarks[-1] == found.warnings[-1]
    assert not prepared(y, how=Adapting(stripes=False)).warnings


def test_offsets_that_each_channel_has_for_itself_are_found_for_each():
    x, rng = photograph("coffee", 256), np.random.default_rng(4)
    y = rounded(x + rng.normal(0, 15 / 255, (1, x.shape[1], 3)))
    found = stripes(y, (y > 0) & (y < 1), 1)
    correlations = np.corrcoef(found.offsets.T)[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < 0.5
    assert found.deviation == pytest.approx(15 / 255, rel=0.35)


def test_lines_from_top_to_bottom_are_no_stripes():
    y = with_noise(photograph("chelsea"), 10)
    y[:, 20:24], y[:, 70] = 0.1, 0.9
    assert stripes(y, everywhere(y), 1) is None


@pytest.mark.parametrize("period", [3, 5, 8])
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_pattern_from_top_to_bottom_is_the_pictures_own(name, period):
    x = photograph(name)
    fence = np.where(np.arange(x.shape[1]) % period < period / 3, 0.15, 0)
    assert stripes(np.clip(x + fence[None, :, None], 0, 1), everywhere(x), 1) is None
    code = np.repeat(np.random.default_rng(6).random(x.shape[1]) < 0.5, 2)[: x.shape[1]]
    bars = np.where(code, 0.3, -0.3)[None, :, None]
    assert stripes(np.clip(x + bars, 0, 1), everywhere(x), 1) is None


@pytest.mark.parametrize("value", [0.0, 1.0, 0.4])
@pytest.mark.parametrize("name", ["coffee", "camera"])
def test_bars_have_no_say_in_a_fit_and_stay_as_they_are(name, value):
    y = with_noise(photograph(name), 22)
    y[:18] = value
    found = prepared(y)
    assert found.still[:18].all() and found.still[18:].mean() < 0.02
    assert not np.asarray(found.observation.known)[:18].any()
    assert "regions of one value" in found.remarks[0]
    assert prepared(y, how=NOTHING).still is None


def test_values_that_are_rounded_are_not_taken_for_regions_without_noise():
    x = np.full((64, 64, 1), 0.5) + np.random.default_rng(5).normal(0, 1 / 255, (64, 64, 1))
    assert not still(rounded(x)).any()


def test_a_picture_of_one_value_is_still_a_picture():
    y = np.full((48, 48, 3), 0.3, np.float32)
    found = prepared(y)
    assert found.still is None and np.asarray(found.observation.known).all()


def test_a_picture_that_fills_little_of_its_scale_is_fitted_at_full_contrast():
    x = photograph("chelsea")
    y = (100 + 900 * x) / 65535
    found = prepared(y)
    seen = np.asarray(found.observation.y)
    assert np.ptp(seen) > 0.8 and found.remarks[-1].endswith("they are fitted at full contrast")
    assert np.allclose(found.to_picture(seen), y, atol=0.5 / 65535)
    whole = prepared(y, data_range=(0.0, 1.0))  # what a person says rules
    assert whole.tone is None


def test_a_mask_does_not_decide_how_much_of_its_scale_a_picture_fills():
    y = (0.1 + 0.1 * photograph("coffee")).astype(np.float32)
    fill = np.zeros(y.shape[:2], bool)
    fill[10:30, 10:30] = True
    y[fill] = 1.0
    found = prepared(y, fill)
    assert np.ptp(np.asarray(found.observation.y)[~fill]) > 0.6
    few = np.zeros(y.shape, bool)
    few[:5, :5] = True
    assert range_filled(y, few) is None


def test_stars_keep_a_picture_from_full_contrast_and_that_is_told():
    y = (0.01 + 0.02 * photograph("coffee")).astype(np.float32)
    y[30, 30], y[60, 40:42] = 0.9, 0.6
    found = prepared(y)
    assert found.tone is None and "all but a few values are from" in found.warnings[0]
    assert np.asarray(found.observation.y).max() == np.float32(0.9)


def test_a_channel_of_one_value_hides_neither_bars_nor_stripes():
    y = with_noise(photograph("astronaut"), 22)
    y[:20], y[..., 2] = 0, 0
    assert prepared(y).still[:20].all()
    offsets = np.random.default_rng(7).normal(0, 15 / 255, (1, y.shape[1], 1))
    y = np.clip(photograph("astronaut") + offsets, 0, 1)
    y[..., 2] = 1
    found = stripes(y, (y > 0) & (y < 1), 1)
    assert found.deviation == pytest.approx(15 / 255, rel=0.35) and not found.offsets[:, 2].any()


def test_what_is_unknown_in_a_bar_is_filled_by_what_is_around_it():
    y = with_noise(photograph("coffee"), 22)
    y[:25] = 0
    y[10, 40] = np.nan
    found = prepared(y)
    known = np.asarray(found.observation.known)[..., 0] > 0
    assert not known[10, 40] and known[8:13, 38:43].sum() == 24 and not known[3:20, :20].any()


@pytest.mark.parametrize("side", [64, 96])
def test_lines_of_text_are_no_stripes(side):
    from skimage import data

    page = data.page()[:, :, None] / 255
    places = [(i, j) for i in range(0, 191 - side, 21) for j in range(0, 384 - side, 40)]
    seen = [stripes(z, everywhere(z), 0) for i, j in places for z in [page[i:, j:][:side, :side]]]
    assert sum(one is not None for one in seen) <= 0.03 * len(seen)
