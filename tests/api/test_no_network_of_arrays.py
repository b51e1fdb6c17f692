"""Arrays restored by their patches alone: a draft, where that suffices."""

import numpy as np
import pytest

import dip_jax
from dip_jax.api.array_fit import ArrayFit, prepare
from dip_jax.errors import InputError, Interrupted
from dip_jax.pictures import samples
from dip_jax.settings import parting

SMALL = {
    "network.scales": 1,
    "network.down": (4,),
    "network.up": (4,),
    "network.skip": (4,),
}


@pytest.fixture(scope="module")
def clean():
    return samples.sample("chelsea", 96).pixels[:64, 16:80]


@pytest.fixture(scope="module")
def half(clean):
    return np.random.default_rng(1).random(clean.shape[:2]) < 0.5


def wide(clean):
    fill = np.zeros(clean.shape[:2], bool)
    fill[20:40, 24:44] = True
    return fill


def psnr(x, clean):
    return 20 * np.log10(255) - 10 * np.log10(np.square(x.astype(float) - clean).mean())


def test_a_draft_of_narrow_gaps_fits_no_network(clean, half):
    steps = []
    given = np.where(half[..., None], 0, clean).astype(np.uint8)
    restored, info = dip_jax.reconstruct(
        given, half, preset="draft", seeds=2, callback=steps.append, return_info=True
    )
    np.testing.assert_array_equal(restored[~half], clean[~half])
    assert psnr(restored, clean) > 30
    assert not steps and info.steps == 0 and info.stop_reason == "alone"
    assert info.chosen_steps == {} and info.parts == () and info.uncertainty is None
    assert any("by its own patches, with no network" in line for line in info.remarks)
    assert info.config["refine_alone"] and info.config["refine"]


def test_it_may_be_told_to_fit_one(clean, half):
    options = {"refine_alone": False, "num_steps": 3, "refine": False} | SMALL
    _, info = dip_jax.reconstruct(clean, half, preset="draft", options=options, return_info=True)
    assert info.steps == 3 and info.stop_reason != "alone"


def test_wide_holes_are_for_a_network(clean):
    assert isinstance(prepare("hole_fill", clean, wide(clean), preset="draft"), ArrayFit)
    assert not isinstance(
        prepare("hole_fill", clean, np.eye(64, dtype=bool), preset="draft"), ArrayFit
    )


@pytest.mark.parametrize("change", [{"refine": False}, {"seamless": False}, {"keep_known": False}])
def test_what_is_not_refined_is_fitted(clean, half, change):
    how = {"keep_known": change.pop("keep_known", True)}
    fit = prepare("reconstruct", clean, half, preset="draft", options=change, **how)
    assert isinstance(fit, ArrayFit)


def test_by_default_a_network_is_fitted(clean, half):
    assert isinstance(prepare("reconstruct", clean, half), ArrayFit)


def test_a_draft_of_white_noise_is_as_good_as_the_patches(clean):
    noise = 25 * np.random.default_rng(2).standard_normal(clean.shape)
    given = np.clip(np.round(clean + noise), 0, 255).astype(np.uint8)
    restored, info = dip_jax.denoise(given, preset="draft", return_info=True)
    assert info.stop_reason == "alone"
    assert psnr(restored, clean) > psnr(given, clean) + 6


@pytest.mark.thorough
def test_tiles_with_no_network_are_like_the_whole():
    clean = samples.sample("chelsea", 300).pixels[:160, :160]
    noise = 25 * np.random.default_rng(2).standard_normal(clean.shape)
    given = np.clip(np.round(clean + noise), 0, 255).astype(np.uint8)
    tiles = {"parts.kind": "tiles", "parts.side": 128}
    options = {"preset": "draft", "return_info": True}
    in_tiles, info = dip_jax.denoise(given, options=tiles, **options)
    whole, _ = dip_jax.denoise(given, **options)
    assert len(prepare("denoise", given, preset="draft", options=tiles).division.alone) == 4
    assert info.stop_reason == "alone"
    assert psnr(in_tiles, clean) > psnr(whole, clean) - 0.3


@pytest.mark.thorough
def test_a_scratch_in_texture_is_filled_with_no_network_in_its_square():
    clean = samples.sample("chelsea", 300).pixels
    fill = np.zeros(clean.shape[:2], bool)
    fill[100:102, 100:160] = True
    given = np.where(fill[..., None], 255, clean).astype(np.uint8)
    restored, info = dip_jax.inpaint(given, fill, preset="draft", return_info=True)
    assert info.stop_reason == "alone" and info.steps == 0
    np.testing.assert_array_equal(restored[~fill], clean[~fill])
    assert np.abs(restored[fill].astype(float) - clean[fill]).mean() < 8


def test_a_smooth_hole_in_a_draft_is_said_to_be_smooth():
    """It is too wide for patches, and the surface is what continues it."""
    rows, columns = np.mgrid[:300, :300]
    x = np.repeat((40 + 0.3 * rows + 0.2 * columns)[..., None], 3, 2).round().astype(np.uint8)
    fill = np.zeros(x.shape[:2], bool)
    fill[140:160, 140:160] = True
    _, info = dip_jax.fill_hole(
        np.where(fill[..., None], 255, x).astype(np.uint8), fill, preset="draft", return_info=True
    )
    assert info.stop_reason == "no_fit"
    (line,) = (line for line in info.remarks if "no network" in line)
    assert "smooth all around" in line and "continue_smooth" in line


def test_a_scratch_beside_a_wide_hole_is_told_apart(clean):
    x = samples.sample("chelsea", 300).pixels
    fill = np.zeros(x.shape[:2], bool)
    fill[20:23, 20:60] = fill[150:170, 200:220] = True
    division = prepare("hole_fill", x, fill, preset="draft").division
    assert len(division.alone) == 1 and len(division.plan.parts) == 1 and not division.smooth
    assert division.alone[0].top == 0
    (line, *_) = parting.about(division)
    assert "by its own patches in 1 of 2 places" in line


def test_tiles_with_no_network_may_be_ended():
    clean = samples.sample("chelsea", 300).pixels[:160, :160]
    given = np.clip(clean + 25 * np.random.default_rng(2).standard_normal(clean.shape), 0, 255)
    given = given.round().astype(np.uint8)
    options = {"parts.kind": "tiles", "parts.side": 128}
    fit = prepare("denoise", given, preset="draft", options=options)
    with pytest.raises(Interrupted):
        fit.run(asked=lambda: True)
    answers = iter([False, True])
    pixels, info = fit.run(asked=lambda: next(answers))
    assert info.stop_reason == "asked"
    assert any("3 of 4 parts have no result" in line for line in info.remarks)
    np.testing.assert_array_equal(pixels[-20:, -20:], given[-20:, -20:])
    assert np.abs(pixels[:60, :60].astype(int) - given[:60, :60]).mean() > 5


@pytest.mark.parametrize("restored", [dip_jax.deblur, dip_jax.demosaic])
def test_measurements_are_never_refined_alone(clean, restored):
    blur = [np.ones((3, 3)) / 9] if restored is dip_jax.deblur else []
    x = clean if blur else clean[..., 0]
    with pytest.raises(InputError, match="'refine_alone' is for pictures whose own pixels"):
        restored(x, *blur, options={"refine_alone": True})
