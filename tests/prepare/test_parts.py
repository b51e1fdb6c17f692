"""Which parts of a picture are fitted: everything is covered, with enough around it."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dip_jax.prepare import parts


def _covered(plan, unknown):
    found = np.zeros_like(unknown)
    for part in plan.parts:
        found[part.place] |= plan.filled_by(part, unknown[part.place])
    return found


def _distance_to_inner_border(part, h, w):
    """Of every pixel of a part, to the nearest of its borders inside of the picture."""
    rows = np.full(part.height, np.inf)
    columns = np.full(part.width, np.inf)
    if part.top > 0:
        rows = np.minimum(rows, np.arange(part.height))
    if part.top + part.height < h:
        rows = np.minimum(rows, np.arange(part.height)[::-1])
    if part.left > 0:
        columns = np.minimum(columns, np.arange(part.width))
    if part.left + part.width < w:
        columns = np.minimum(columns, np.arange(part.width)[::-1])
    return np.minimum(rows[:, None], columns[None])


def _scratched(h, w, seed, count):
    rng = np.random.default_rng(seed)
    unknown = np.zeros((h, w), bool)
    for _ in range(count):
        y, x, angle = rng.uniform(0, h), rng.uniform(0, w), rng.uniform(0, np.pi)
        along = np.arange(-60, 60, 0.5)
        rows = (y + along * np.sin(angle)).astype(int)
        columns = (x + along * np.cos(angle)).astype(int)
        inside = (rows >= 0) & (rows < h - 2) & (columns >= 0) & (columns < w - 2)
        for i, j in zip(rows[inside], columns[inside], strict=True):
            unknown[i : i + 3, j : j + 3] = True
    unknown[0, 0] = True
    return unknown


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(100, 500), st.integers(100, 500), st.integers(0, 6))
def test_every_unknown_pixel_has_a_part_with_known_pixels_around(seed, h, w, count):
    unknown = _scratched(h, w, seed, count)
    before = unknown.copy()
    plan = parts.around_damage(unknown, np.inf)
    np.testing.assert_array_equal(unknown, before)  # it is only looked at
    np.testing.assert_array_equal(_covered(plan, unknown), unknown)
    farthest = np.zeros((h, w))
    for part in plan.parts:
        assert part.top >= 0 and part.top + part.height <= h
        assert part.left >= 0 and part.left + part.width <= w
        here = farthest[part.place]
        np.maximum(here, _distance_to_inner_border(part, h, w), out=here)
    assert farthest[unknown].min() >= 15


def test_the_time_goes_by_the_damage():
    h, w = 2000, 3000
    unknown = np.zeros((h, w), bool)
    unknown[np.arange(500), np.arange(500) + 700] = True  # its box is 250,000 pixels
    plan = parts.around_damage(unknown, np.inf)
    assert plan.kind == "damage"
    assert plan.pixels() < 0.02 * h * w
    # Twice the picture with the same damage is as much work.
    larger = np.zeros((2 * h, w), bool)
    larger[:h] = unknown
    assert parts.around_damage(larger, np.inf).pixels() == plan.pixels()


def test_many_specks_have_squares_of_their_own():
    unknown = np.zeros((1500, 1500), bool)
    unknown[50::100, 50::100] = True
    plan = parts.around_damage(unknown, np.inf)
    assert len(plan.parts) == 15 * 15 and {part.size for part in plan.parts} == {(64, 64)}
    np.testing.assert_array_equal(_covered(plan, unknown), unknown)
    unknown[:, 300:] = unknown[300:] = False  # a few are not worth a program of their own
    assert {part.size for part in parts.around_damage(unknown, np.inf).parts} == {(96, 96)}


def test_wider_damage_has_larger_squares():
    sides = []
    for width in (10, 30, 60, 120):
        unknown = np.zeros((900, 900), bool)
        unknown[400 : 400 + width, 400 : 400 + width] = True
        (part,) = parts.around_damage(unknown, np.inf).parts
        assert part.reduced == 1
        sides.append(part.height)
        margin = _distance_to_inner_border(part, 900, 900)[unknown[part.place]].min()
        assert margin >= width
    assert sides == sorted(set(sides))


def test_a_hole_wider_than_any_square_is_filled_at_a_reduced_size():
    unknown = np.zeros((1200, 1500), bool)
    unknown[300:900, 400:1100] = True
    unknown[20:24, 30:80] = True  # and a scratch, which is not
    plan = parts.around_damage(unknown, np.inf)
    reduced = [part for part in plan.parts if part.reduced > 1]
    (one,) = reduced
    assert max(one.size) <= 256
    np.testing.assert_array_equal(_covered(plan, unknown), unknown)
    assert plan.filled_by(one, unknown[one.place]).sum() == 600 * 700
    (square,) = [part for part in plan.parts if part.reduced == 1]
    assert plan.filled_by(square, unknown[square.place]).sum() == 4 * 50


@pytest.mark.parametrize(
    "kind, worth_it",
    [("3,000 specks", False), ("half", True), ("rim", True), ("single pixels", False)],
)
def test_masks_of_all_kinds_go_the_sensible_way(kind, worth_it):
    h, w = 1000, 1500
    rng = np.random.default_rng(0)
    unknown = np.zeros((h, w), bool)
    if kind == "3,000 specks":
        for y, x in zip(rng.integers(0, h, 3000), rng.integers(0, w, 3000), strict=True):
            unknown[y : y + 3, x : x + 3] = True
    elif kind == "half":
        unknown[:, : w // 2] = True
    elif kind == "rim":
        unknown[:4] = unknown[-4:] = True
        unknown[:, :4] = unknown[:, -4:] = True
    else:
        unknown = rng.random((h, w)) < 0.5
    plan = parts.around_damage(unknown, 0.5 * h * w)
    assert (plan is not None) == worth_it
    if plan is not None:
        np.testing.assert_array_equal(_covered(plan, unknown), unknown)


@pytest.mark.parametrize("h, w, side", [(300, 300, 128), (128, 1000, 128), (700, 513, 256)])
def test_tiles_cover_the_picture_and_overlap(h, w, side):
    plan = parts.tiles(h, w, side)
    weight = np.zeros((h, w))
    for part in plan.parts:
        assert (part.height, part.width) == (min(side, h), min(side, w))
        weight[part.place] += part.weights(h, w, plan.ramp)
    # Everywhere some tile has nearly its full say: no pixel is left to a border.
    assert weight.min() > 0.2
    for axis in (0, 1):
        starts = sorted({(part.top, part.left)[axis] for part in plan.parts})
        assert all(b - a <= side - 64 for a, b in itertools.pairwise(starts))


def test_tiles_without_anything_to_fill_are_left_out():
    unknown = np.zeros((600, 600), bool)
    unknown[50:60, 50:60] = True
    plan = parts.tiles(600, 600, 256, unknown)
    assert [(part.top, part.left) for part in plan.parts] == [(0, 0)]


def test_reduced_pictures_are_means_of_known_pixels():
    y = np.arange(48, dtype=np.float32).reshape(6, 8, 1) / 48
    fill = np.zeros((6, 8, 1), bool)
    fill[1, 1] = fill[:4, 4:7] = True
    fill[0, 4] = False
    small, unknown = parts.reduced(y, fill, 4)  # two rows lack at the end
    assert small.shape == (2, 2, 1)
    np.testing.assert_array_equal(unknown[..., 0], [[False, False], [False, False]])
    assert small[0, 0, 0] == pytest.approx((y[:4, :4].sum() - y[1, 1, 0]) / 15)
    fill[:4, 4:] = True
    assert parts.reduced(y, fill, 4)[1][0, 1, 0]
    fill[:4, 4:] = False
    small, _ = parts.reduced(y, fill, 4)
    assert small[0, 1, 0] == pytest.approx(y[:4, 4:].mean())
    assert small[1, 0, 0] == pytest.approx((y[4, :4].sum() + 3 * y[5, :4].sum()) / 16)


def test_a_scratch_that_touches_a_wide_hole_is_not_wide():
    unknown = np.zeros((900, 1600), bool)
    unknown[300:500, 300:500] = True
    unknown[400:403, 500:1500] = True
    plan = parts.around_damage(unknown, np.inf)
    (hole,) = [part for part in plan.parts if part.reduced > 1]
    assert hole.left + hole.width < 900 and len(plan.parts) > 12
    np.testing.assert_array_equal(_covered(plan, unknown), unknown)


@pytest.mark.parametrize("h, w", [(600, 3000), (40, 3000)])
def test_long_and_wide_damage_keeps_enough_pixels_on_its_shorter_side(h, w):
    unknown = np.zeros((h, w), bool)
    unknown[: min(h, 200), 500:2500] = True
    plan = parts.around_damage(unknown, np.inf)
    np.testing.assert_array_equal(_covered(plan, unknown), unknown)
    for part in plan.parts:
        assert min(part.size) >= min(64, h // 2)
        assert not unknown[part.place].all()


def test_tiles_around_a_gap_that_is_wider_than_they_are_leave_it_to_a_reduced_part():
    unknown = np.zeros((500, 500), bool)
    unknown[:250, :250] = True
    plan = parts.tiles(500, 500, 128, unknown, only_unknown=False)
    everywhere = np.ones_like(unknown)
    (gap,) = [part for part in plan.parts if part.reduced > 1]
    assert plan.filled_by(gap, everywhere[gap.place]).sum() == unknown.sum()
    tiled = np.zeros_like(unknown)
    for part in plan.parts:
        if part.reduced == 1:
            tiled[part.place] |= plan.filled_by(part, everywhere[part.place])
    np.testing.assert_array_equal(tiled, ~unknown)
