"""What clipped noise does to the mean of a picture is undone, and nothing else is touched."""

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.ndimage import uniform_filter

from dip_jax.pictures import samples
from dip_jax.pictures.arrays import Layout
from dip_jax.pictures.values import to_float
from dip_jax.prepare import clipping
from dip_jax.prepare.clipping import unclipped
from dip_jax.prepare.prepared import Adapting, prepare

SIDE = 96


def rounded(y):
    return (np.round(np.clip(y, 0, 1) * 255) / 255).astype(np.float32)


def photograph(name):
    return to_float(samples.sample(name, SIDE).pixels)


def noisy(x, sigma=25.0, seed=0):
    return rounded(x + np.random.default_rng(seed).normal(0, sigma / 255, x.shape))


def everywhere(y):
    return np.ones(y.shape, bool)


def halves(dark, bright, channels=1):
    """Half of it nearly black, half nearly white, between them a ramp."""
    row = np.interp(np.arange(SIDE), [0, 40, 56, SIDE], [dark, dark, bright, bright])
    return np.broadcast_to(row[None, :, None], (SIDE, SIDE, channels))


@pytest.mark.parametrize("inside", [0, 10])
@pytest.mark.parametrize("sigma", [12, 25])
def test_the_mean_of_clipped_noise_is_that_of_the_picture_again(inside, sigma):
    x = halves(inside / 255, 1 - inside / 255)
    y = noisy(x, sigma)
    found, share, *_ = unclipped(y, everywhere(y))
    for place in (np.s_[:, 4:36], np.s_[:, 60:92]):
        before, after = (abs(np.mean(image[place] - x[place])) for image in (y, found))
        assert after < 0.06 * sigma / 255  # of up to 0.4
        assert after < 0.5 * before or before < 0.06 * sigma / 255
    clipped = (y <= 0) | (y >= 1)
    assert 0.5 * clipped.mean() < share <= clipped.mean()
    np.testing.assert_array_equal(found[~clipped], y[~clipped])
    assert found.min() < 0 and found.max() > 1


def test_the_local_means_of_a_dark_photograph_are_far_nearer():
    clean = to_float(samples.sample("astronaut").pixels)[208:304, 208:304]
    y = noisy(clean)

    def off(picture):
        return np.sqrt(np.mean(uniform_filter(picture - clean, (9, 9, 0)) ** 2))

    assert off(unclipped(y, everywhere(y)).y) < 0.6 * off(y)


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_a_picture_with_no_noise_is_left_as_it_is(name):
    y = photograph(name)
    assert unclipped(y, everywhere(y)) is None


def test_noise_that_does_not_reach_the_ends_is_left_as_it_is():
    x = 0.35 + 0.3 * photograph("coffee")
    y = noisy(x, 15)
    assert unclipped(y, everywhere(y)) is None


def test_noise_that_is_weak_in_the_dark_is_taken_as_weak_there():
    x = np.clip(halves(2 / 255, 0.6), 0, 1)
    rng = np.random.default_rng(0)
    y = rounded(x + rng.normal(size=x.shape) * np.where(x < 0.1, 5, 25) / 255)
    found, *_ = unclipped(y, everywhere(y))
    assert abs(np.mean(found[:, 4:36] - x[:, 4:36])) < 1.5 / 255
    assert found.min() > -10 / 255


def test_single_wrong_values_stay_at_the_ends():
    y = noisy(0.25 + 0.5 * photograph("camera"), 15)
    rng = np.random.default_rng(1)
    y[rng.random(y.shape) < 0.1] = 0
    y[rng.random(y.shape) < 0.1] = 1
    found = unclipped(y, everywhere(y))
    assert found is None or found.share < 0.01


def test_unknown_values_have_no_say_and_stay():
    x = halves(5 / 255, 0.6, 3)
    y = noisy(x)
    known = np.random.default_rng(2).random(y.shape) < 0.95
    with_gaps = np.where(known, y, np.nan).astype(np.float32)
    found, *_ = unclipped(with_gaps, known)
    np.testing.assert_array_equal(np.isnan(found), ~known)
    dark = known[:, 4:36]
    assert abs(np.mean((found - x)[:, 4:36][dark])) < 0.06 * 25 / 255


@pytest.mark.parametrize("other", ["unknown", "constant", "not clipped"])
def test_a_channel_has_no_say_in_what_others_were_clipped_of(other):
    y = noisy(halves(4 / 255, 0.6, 3))
    known = everywhere(y)
    alone = unclipped(y, known).y[..., 0]
    if other == "not clipped":
        y[..., 1:] = noisy(halves(0.5, 0.5, 2), seed=1)
    elif other == "constant":
        y[..., 1] = 0
    else:
        known[..., 1] = False
    found = unclipped(y, known)
    assert abs(np.mean(found.y[:, 4:36, 0]) - np.mean(alone[:, 4:36])) < 1 / 255
    np.testing.assert_array_equal(found.y[..., 1], y[..., 1])


def test_what_lies_beyond_the_end_of_a_range_that_is_not_all_of_the_scale_is_no_picture():
    x = np.clip(halves(16 / 255, 1.2), 16 / 255, 235 / 255)
    y = np.clip(noisy(x), 16 / 255, 235 / 255).astype(np.float32)
    found = unclipped(y, everywhere(y))
    assert found.low == np.float32(16 / 255) and found.high == np.float32(235 / 255)
    assert found.y.max() > 240 / 255
    layout = Layout(y.shape, np.dtype(np.uint8), -1, None)
    prepared = prepare(y, None, layout, Adapting())
    x = prepared.to_picture(np.asarray(prepared.observation.y))
    assert x.min() == np.float32(16 / 255) and x.max() == np.float32(235 / 255)


@pytest.mark.parametrize("sigma", [0, 15])
def test_ink_on_paper_is_made_up_for_only_with_noise(sigma):
    page = Image.new("L", (SIDE, SIDE), 255)
    for row in range(0, SIDE, 12):
        ImageDraw.Draw(page).text((2, row), "the quick brown fox", fill=0)
    y = to_float(np.asarray(page)[..., None])
    y = noisy(y, sigma) if sigma else y
    found = unclipped(y, everywhere(y))
    assert (found is not None) == bool(sigma)


@pytest.mark.parametrize("name", samples.SAMPLES)
@pytest.mark.parametrize("contrast", [1.3, 2])
def test_blown_highlights_are_left_as_they_are(name, contrast):
    y = rounded(0.5 + contrast * (photograph(name) - 0.5))
    found = unclipped(y, everywhere(y))
    assert found is None or found.share < 0.005


def test_bands_of_rows_make_no_difference(monkeypatch):
    y = noisy(halves(5 / 255, 0.9))
    whole, *_ = unclipped(y, everywhere(y))
    monkeypatch.setattr(clipping, "_BAND", 24)
    in_bands, *_ = unclipped(y, everywhere(y))
    np.testing.assert_allclose(in_bands, whole, atol=1e-5)


def test_of_a_large_picture_some_rows_tell_how_strong_the_noise_is(monkeypatch):
    monkeypatch.setattr(clipping, "_ROWS", 16)
    monkeypatch.setattr(clipping, "_PIXELS", 48 * SIDE)
    y = noisy(np.concatenate([halves(5 / 255, 0.6)] * 2))
    found, share, *_ = unclipped(y, everywhere(y))
    dark = np.s_[:, 4:36]
    assert abs(np.mean(found[dark] - 5 / 255)) < 0.06 * 25 / 255
    assert share == pytest.approx((y <= 0).mean(), rel=0.1)


def test_it_is_said_and_can_be_switched_off():
    y = noisy(photograph("astronaut"))
    layout = Layout(y.shape, np.dtype(np.uint8), -1, None)
    with_it = prepare(y, None, layout, Adapting())
    assert any("noise is cut off" in remark for remark in with_it.remarks)
    assert np.asarray(with_it.observation.y).min() < 0
    without = prepare(y, None, layout, Adapting(clipping=False))
    np.testing.assert_array_equal(np.asarray(without.observation.y), y)


def test_what_is_filled_is_left_as_it_is():
    y = noisy(photograph("astronaut"))
    fill = np.zeros(y.shape[:2], bool)
    fill[40:60, 40:60] = True
    layout = Layout(y.shape, np.dtype(np.uint8), -1, None)
    found = prepare(y, fill, layout, Adapting())
    np.testing.assert_array_equal(np.asarray(found.observation.y)[~fill], y[~fill])
