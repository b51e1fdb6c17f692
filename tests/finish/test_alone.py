"""A picture restored with no network: which pictures, and how well."""

import dataclasses

import numpy as np
import pytest
from skimage.restoration import inpaint_biharmonic

from dip_jax.finish import denoising
from dip_jax.finish.alone import restored_alone, suffices
from dip_jax.finish.ensemble import Ending
from dip_jax.pictures import samples
from dip_jax.pictures.arrays import Layout
from dip_jax.pictures.values import to_float
from dip_jax.prepare.prepared import Adapting, prepare

FILLING = Ending(keep_known=True, seamless=True, refine=True)
DENOISING = Ending(keep_known=False, seamless=False, refine=True)


@pytest.fixture(scope="module")
def clean():
    return to_float(samples.sample("astronaut", 128).pixels)[:96, 16:112]


def random(shape, share, seed=4):
    return np.random.default_rng(seed).random(shape) < share


def prepared(y, fill=None):
    return prepare(
        y.astype(np.float32), fill, Layout(y.shape, np.dtype(np.float32), -1, None), Adapting()
    )


def to_fill(clean, fill):
    return prepared(np.where(fill[..., None] if fill.ndim == 2 else fill, 0, clean), fill)


def noisy(clean, sigma=25 / 255):
    return np.clip(clean + sigma * np.random.default_rng(2).standard_normal(clean.shape), 0, 1)


def psnr(x, clean):
    return -10 * np.log10(np.square(x - clean).mean())


def stroke(clean, width):
    fill = np.zeros(clean.shape[:2], bool)
    fill[40 : 40 + width, 10:80] = True
    return fill


@pytest.mark.parametrize(
    ("make", "enough"),
    [
        (lambda clean: random(clean.shape[:2], 0.5), True),
        (lambda clean: stroke(clean, 8), True),
        (lambda clean: stroke(clean, 9), False),
        (lambda clean: random(clean.shape[:2], 0.7), False),
        (lambda clean: random(clean.shape, 0.5), False),
        (lambda clean: stroke(clean, 0), False),
    ],
    ids=["half", "8 wide", "9 wide", "70 %", "other values in each channel", "nothing"],
)
def test_it_suffices_where_gaps_are_narrow_and_alike_in_all_channels(clean, make, enough):
    assert suffices(to_fill(clean, make(clean)), FILLING) is enough


def test_it_does_not_suffice_where_nothing_is_refined(clean):
    there = to_fill(clean, stroke(clean, 2))
    assert suffices(there, FILLING)
    assert not suffices(there, dataclasses.replace(FILLING, refine=False))


def test_it_suffices_for_white_noise_and_not_for_other(clean):
    assert suffices(prepared(noisy(clean)), DENOISING)
    white = np.random.default_rng(2).standard_normal(clean.shape)
    grains = (
        white + np.roll(white, 1, 0) + np.roll(white, 1, 1) + np.roll(white, (1, 1), (0, 1))
    ) / 2
    assert not suffices(prepared(np.clip(clean + 25 / 255 * grains, 0, 1)), DENOISING)


def test_it_does_not_suffice_for_noise_with_values_that_are_missing(clean):
    y = noisy(clean)
    y[20:24, 30:34] = np.nan
    assert not suffices(prepared(y), DENOISING)


def test_regions_without_noise_are_not_missing(clean):
    y = noisy(clean)
    y[:, :40] = 1.0
    there = prepared(y)
    assert there.still is not None
    assert suffices(there, DENOISING)


@pytest.mark.parametrize("judged", [True, False])
def test_filling_is_nearer_to_the_picture_than_the_surface(clean, judged):
    fill = random(clean.shape[:2], 0.5)
    there = to_fill(clean, fill)
    how = dataclasses.replace(FILLING, judged=judged)
    made = there.to_picture(restored_alone(there.observation, how))
    y = np.where(fill[..., None], np.float32(0), clean)
    np.testing.assert_allclose(made[~fill], y[~fill], atol=1e-6)
    assert psnr(made, clean) > psnr(inpaint_biharmonic(y, fill, channel_axis=-1), clean) + 0.7


def test_single_wrong_values_are_not_kept(clean, monkeypatch):
    """No network's image tells which they are, and non-local means would keep them."""
    wrong = random(clean.shape[:2], 0.01)
    y = np.where(wrong[..., None], 1.0 - np.round(clean), noisy(clean, 10 / 255))
    made = restored_alone(prepared(y).observation, DENOISING)
    without = restored_alone(prepared(noisy(clean, 10 / 255)).observation, DENOISING)
    off, well = (np.sqrt(np.square(x - clean)[wrong].mean()) for x in (made, without))
    assert off < np.sqrt(np.square(y - clean)[wrong].mean()) / 4
    assert well < off
    # Some detail goes with them, which without any is kept.
    assert psnr(without, clean) > psnr(made, clean) + 1.5
    monkeypatch.setattr(denoising, "_are_everywhere", lambda *_: True)
    looked_for = restored_alone(prepared(noisy(clean, 10 / 255)).observation, DENOISING)
    assert psnr(made[~wrong], clean[~wrong]) > psnr(looked_for[~wrong], clean[~wrong]) - 0.5


@pytest.mark.parametrize(("sigma", "gain"), [(5, 3), (10, 5), (15, 6)])
def test_fine_detail_in_weak_noise_is_not_taken_for_wrong_values(clean, sigma, gain):
    """Single values there are as far off as wrong ones, but stand together."""
    y = noisy(clean, sigma / 255)
    made = restored_alone(prepared(y).observation, DENOISING)
    assert psnr(made, clean) > psnr(y, clean) + gain


def test_noise_that_was_measured_in_a_larger_picture_is_taken(clean):
    observation = prepared(noisy(clean)).observation
    weaker = restored_alone(observation, DENOISING, np.full(3, 5 / 255, np.float32))
    own = restored_alone(observation, DENOISING)
    assert psnr(weaker, clean) < psnr(own, clean) - 1
