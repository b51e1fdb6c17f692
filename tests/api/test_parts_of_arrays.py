"""Large arrays from Python: only what is around the damage is fitted, or tiles are."""

import numpy as np
import pytest

import dip_jax
from dip_jax.api import parted_fit
from dip_jax.api.array_fit import prepare
from dip_jax.errors import FitError, InputError
from dip_jax.settings import parting, tasks

TINY = {
    "network.scales": 1,
    "network.down": 4,
    "network.up": 4,
    "network.skip": 4,
    "input.depth": 4,
    "input.kind": "noise",
    "refine": False,
    "log_every": 2,
    "schedule.kind": "constant",
    "stop.patience": 0,
}
FEW = TINY | {"parts.steps": 4}


def picture(shape, dtype=np.uint8):
    waves = np.sum(np.sin(np.indices(shape) / 7.0), axis=0) / 6 + 0.5
    if np.dtype(dtype).kind == "f":
        return waves.astype(dtype)
    return np.rint(waves * np.iinfo(dtype).max).astype(dtype)


def two_scratches(h=200, w=300):
    fill = np.zeros((h, w), bool)
    fill[20:23, 30:60] = True
    fill[170:180, 250:254] = True
    return fill


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_only_what_is_around_the_damage_is_fitted(dtype):
    x, fill = picture((200, 300, 3), dtype), two_scratches()
    damaged = np.where(fill[..., None], x.max(), x).astype(dtype)
    restored, info = dip_jax.inpaint(damaged, fill, options=FEW, return_info=True)
    assert restored.dtype == dtype and restored.shape == x.shape
    np.testing.assert_array_equal(restored[~fill], damaged[~fill])
    assert (restored[fill] != damaged[fill]).mean() > 0.9
    assert [part.part.size for part in info.parts] == [(96, 96), (96, 96)]
    assert info.steps == 8 and info.results == () and set(info.chosen_steps) == {0}
    assert {row["part"] for row in info.history} == {0, 1}
    assert any("only what is around the damage" in line for line in info.remarks)


def test_a_part_does_not_depend_on_the_others():
    x, fill = picture((200, 300, 3)), two_scratches()
    one = fill & (np.arange(300) < 150)
    both = dip_jax.fill_hole(x, fill, options=FEW)
    alone = dip_jax.fill_hole(x, one, options=FEW)
    np.testing.assert_array_equal(both[one], alone[one])


@pytest.mark.thorough
def test_the_whole_can_be_asked_for_and_small_pictures_are_fitted_as_before():
    x, fill = picture((200, 300, 3)), two_scratches()
    options = TINY | {"parts.kind": "whole", "num_steps": 2}
    _, info = dip_jax.inpaint(x, fill, options=options, return_info=True)
    assert info.parts == () and info.results[0].x.shape == x.shape
    _, info = dip_jax.inpaint(
        x[:96, :128], fill[:96, :128], options=TINY | {"num_steps": 2}, return_info=True
    )
    assert info.parts == ()


def test_channels_first_single_values_and_several_seeds():
    x = picture((3, 200, 300), np.float32)
    fill = np.zeros(x.shape, bool)
    fill[1, 20:40, 20:40] = True
    x[fill] = np.nan  # the mask says so as well
    restored, info = dip_jax.inpaint(
        x, fill, channel_axis=0, seeds=2, options=FEW, return_info=True
    )
    assert np.isfinite(restored).all()
    assert any("400 values are NaN or infinite" in line for line in info.remarks)
    np.testing.assert_array_equal(restored[~fill], x[~fill])
    assert info.uncertainty.shape == (200, 300) and (info.uncertainty[25:35, 25:35] > 0).all()
    assert not info.uncertainty[100:].any() and set(info.chosen_steps) == {0, 1}


@pytest.mark.thorough
def test_tiles_of_a_noisy_picture():
    rng = np.random.default_rng(0)
    clean = picture((160, 230, 1), np.float32)[..., 0]
    noisy = np.clip(clean + 0.1 * rng.standard_normal(clean.shape), 0, 1).astype(np.float32)
    noisy[3, 5] = np.nan
    options = TINY | {
        "parts.kind": "tiles",
        "parts.side": 128,
        "num_steps": 20,
        "learning_rate": 0.05,
    }
    restored, info = dip_jax.denoise(noisy, options=options, return_info=True)
    assert len(info.parts) == 6 and restored.shape == noisy.shape
    assert np.isfinite(restored).all()
    inside = np.isfinite(noisy)
    whole = dip_jax.denoise(noisy, options=options | {"parts.kind": "whole"})
    in_tiles, at_once = (np.square(x - clean)[inside].mean() for x in (restored, whole))
    assert in_tiles < 1.2 * at_once


def test_a_callback_sees_the_picture_with_the_part_in_it_and_may_end_it():
    x, fill = picture((200, 300, 3)), two_scratches()
    seen = []

    def callback(step):
        if step.part == 0:
            preview = step.preview
            assert preview.shape == x.shape
            changed = (preview != x).any(axis=2)
            assert changed.any() and not changed[~fill].any() and not changed[150:].any()
        seen.append((step.part, step.parts, step.step))
        return step.part == 1

    restored, info = dip_jax.inpaint(x, fill, options=FEW, callback=callback, return_info=True)
    assert {part for part, _, _ in seen} == {0, 1} and {parts for _, parts, _ in seen} == {2}
    assert info.stop_reason == "asked"
    np.testing.assert_array_equal(restored[~fill], x[~fill])


def test_a_hole_wider_than_any_square():
    x = picture((700, 800, 3))
    fill = np.zeros((700, 800), bool)
    fill[200:500, 250:550] = True
    restored, info = dip_jax.fill_hole(
        np.where(fill[..., None], 0, x).astype(np.uint8),
        fill,
        options=FEW,
        return_info=True,
    )
    (part,) = info.parts
    assert part.part.reduced > 1 and max(part.part.size) <= 256
    np.testing.assert_array_equal(restored[~fill], x[~fill])
    # It meets the known pixels without a seam.
    step = np.abs(restored[199, 260:540].astype(int) - restored[200, 260:540]).mean()
    assert step < 12


@pytest.mark.thorough
def test_dense_masks_are_fitted_in_tiles_if_so_asked():
    x = picture((130, 260, 3))
    fill = np.random.default_rng(0).random((130, 260)) < 0.3
    fill[:, 200:] = False
    options = TINY | {"parts.kind": "tiles", "parts.side": 128, "num_steps": 4}
    restored, info = dip_jax.reconstruct(x, fill, options=options, return_info=True)
    np.testing.assert_array_equal(restored[~fill], x[~fill])
    # Three columns of two rows; the last has nothing to fill beyond 200.
    assert len(info.parts) == 8
    assert (restored[fill] != 0).all()


@pytest.mark.parametrize(
    "options, words",
    [
        ({"parts.kind": "some"}, "'auto', 'whole', 'damage', 'tiles'"),
        ({"parts.side": 64}, "at least 128"),
        ({"parts.steps": 0}, "at least 1"),
    ],
)
def test_options_that_cannot_be(options, words):
    with pytest.raises(InputError, match=words):
        dip_jax.inpaint(picture((200, 300, 3)), two_scratches(), options=options)


def test_around_damage_the_network_is_wide_at_its_finest_scale():
    photo, fill = picture((200, 300, 3)), two_scratches()
    widths = {}
    for task in ("hole_fill", "text_inpaint"):
        whole, parts = (
            prepare(task, photo, fill, options={"parts.kind": kind, "parts.continue_smooth": False})
            for kind in ("whole", "auto")
        )
        assert len(parts.shapes) == 2 and whole.shapes == [(200, 300, 3)]
        for kind in ("down", "up"):
            assert parts.config["network"][kind] == (32,)
            assert parts.config["optimiser"] == "adam"
            widths[task, kind] = whole.config["network"][kind]
    assert widths["hole_fill", "down"][0] < 32 and widths["text_inpaint", "up"][0] < 32
    own = prepare(
        "hole_fill",
        photo,
        fill,
        options={"network.down": (12,), "parts.continue_smooth": False},
    )
    assert own.config["network"]["down"] == (12,) and own.config["network"]["up"] == (32,)
    assert tasks.around_damage("paper")["network"]["down"] == (128,)


def test_around_damage_an_optimiser_that_was_set_stands():
    options = {"optimiser": "muon", "parts.continue_smooth": False}
    found = prepare("hole_fill", picture((200, 300, 3)), two_scratches(), options=options)
    assert len(found.shapes) == 2 and found.config["optimiser"] == "muon"


def smooth_but_for(columns, h=200, w=300):
    """A smooth picture in 8 bits, with detail in some columns."""
    rows, across = np.mgrid[:h, :w]
    x = np.stack([128 + 60 * np.sin(rows / 90 + k) * np.cos(across / 120) for k in range(3)], -1)
    x[:, columns] += 30 * np.random.default_rng(0).standard_normal(x[:, columns].shape)
    return np.rint(x.clip(0, 255)).astype(np.uint8)


REFINED = FEW | {"refine": True}


def test_where_the_picture_is_smooth_no_network_is_fitted():
    x, fill = smooth_but_for(slice(160, 300)), two_scratches()
    damaged = np.where(fill[..., None], 255, x).astype(np.uint8)
    restored, info = dip_jax.inpaint(damaged, fill, seeds=2, options=REFINED, return_info=True)
    np.testing.assert_array_equal(restored[~fill], x[~fill])
    left = fill & (np.arange(300) < 150)
    assert np.abs(restored[left].astype(int) - x[left]).max() <= 2
    assert (restored[fill & ~left] != 255).mean() > 0.9
    assert len(info.parts) == 1 and info.steps == 8
    assert any("smooth around 1 of 2 places" in line for line in info.remarks)
    assert info.uncertainty is not None
    assert not info.uncertainty[left].any() and info.uncertainty[fill & ~left].all()
    options = REFINED | {"parts.continue_smooth": False}
    fitted = prepare("text_inpaint", damaged, fill, options=options)
    assert len(fitted.shapes) == 2 and not any("smooth" in line for line in fitted.advice())


@pytest.mark.parametrize(
    ("rough", "apart", "kind", "looked_at"),
    [
        # In 168 squares of 96 pixels, 1.4 times as many as the picture has.
        (0.0, 40, "damage", 168),
        (0.2, 40, "damage", 168),
        (1.0, 40, "tiles", 120),  # as soon as there are as many as in the picture
        (1.0, 36, "tiles", 64),  # 1.76 times: long before that
        (0.0, 33, "tiles", 0),  # more than twice
    ],
)
def test_squares_that_need_no_fit_do_not_count(monkeypatch, rough, apart, kind, looked_at):
    fill = np.zeros((1100, 1000), bool)
    for i in (0, 1, 2):
        fill[20 + i : -20 : apart, 20:-20:apart] = True
    x = np.full((*fill.shape, 1), 0.5, np.float32)
    x[:, : round(rough * fill.shape[1])] = 0.25  # what is said to be rough
    seen = []

    def is_smooth(observation):
        seen.append(observation.y.shape)
        return bool(np.median(observation.y) > 0.4)

    monkeypatch.setattr(parting, "is_smooth", is_smooth)
    fit = prepare("text_inpaint", x, fill, options={"adapt.contrast": False})
    assert fit.division.plan.kind == kind and len(seen) == looked_at
    if kind == "damage":
        made = [*fit.division.plan.parts, *fit.division.unfitted]
        assert len(made) == len(set(made)) == looked_at
        of_rough = len(fit.division.plan.parts) / looked_at
        assert abs(of_rough - rough) < 0.05
        total = len(fit.division.unfitted)
        told = [n for n in range(1, total + 1) if parting.about_made(n, fit.division)]
        assert len(told) in (10, 11) and told[-1] == total
    else:
        assert not fit.division.unfitted


def test_what_is_smooth_is_kept_where_the_fits_fail(monkeypatch):
    def fail(jobs, **how):
        for job in jobs:
            job.on_failed(InputError("gone"))

    monkeypatch.setattr(parted_fit, "fit_lanes", fail)
    x, fill = smooth_but_for(slice(160, 300)), two_scratches()
    damaged = np.where(fill[..., None], 255, x).astype(np.uint8)
    with pytest.warns(RuntimeWarning, match="gone"):
        restored, info = dip_jax.inpaint(damaged, fill, options=REFINED, return_info=True)
    left = fill & (np.arange(300) < 150)
    assert np.abs(restored[left].astype(int) - x[left]).max() <= 2
    np.testing.assert_array_equal(restored[~left], damaged[~left])
    assert list(info.failed) == [0] and info.steps == 0 and info.parts == ()
    assert info.stop_reason == "failed"
    assert any("1 of 1 parts have no result" in line for line in info.remarks)
    with pytest.raises(FitError, match="gone"):
        dip_jax.inpaint(
            damaged, fill, options=REFINED | {"parts.continue_smooth": False}, return_info=True
        )


def test_a_picture_that_is_smooth_all_over_makes_no_steps():
    x, fill = smooth_but_for(slice(0)), two_scratches()
    steps = []
    restored, info = dip_jax.inpaint(
        np.where(fill[..., None], 255, x).astype(np.uint8),
        fill,
        options=REFINED,
        callback=steps.append,
        return_info=True,
    )
    assert np.abs(restored.astype(int) - x).max() <= 2
    assert not steps and info.steps == 0 and info.stop_reason == "no_fit"
    assert info.parts == () and info.chosen_steps == {} and info.figures == {}
    assert any("smooth all around" in line for line in info.remarks)
