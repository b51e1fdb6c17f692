"""A thin plate has half of the pilot where it is as near to the picture as the network."""

import dataclasses

import numpy as np
import pytest

from dip_jax.finish.ensemble import Ending, shown
from dip_jax.finish.filling import filled
from dip_jax.finish.pilot import by_the_others, piloted
from dip_jax.forward.observation import observe
from dip_jax.pictures import samples
from dip_jax.pictures.values import to_float


@pytest.fixture(scope="module")
def clean():
    return to_float(samples.sample("chelsea", 96).pixels)[:64, 16:80]


@pytest.fixture(scope="module")
def few_steps(clean):
    """As a network has it after a few steps: the picture's colours in squares of 16 pixels."""
    squares = clean.reshape(4, 16, 4, 16, 3).mean(axis=(1, 3))
    return squares.repeat(16, 0).repeat(16, 1).astype(np.float32)


def strokes(clean):
    rows, columns = np.mgrid[: clean.shape[0], : clean.shape[1]]
    return (rows + columns) % 12 < 3


def pixels(clean):
    return np.random.default_rng(4).random(clean.shape[:2]) < 0.5


def hole(clean):
    fill = np.zeros(clean.shape[:2], bool)
    fill[20:40, 24:44] = True
    return fill


def dust(clean):
    """Of which nearly all is missing."""
    return np.random.default_rng(4).random(clean.shape[:2]) < 0.9


def held_of(fill):
    return (np.random.default_rng(0).random((*fill.shape, 1)) < 0.05) & ~fill[..., None]


def observed(clean, fill):
    return observe(np.where(fill[..., None], np.float32(0), clean), fill)[0]


def error(x, clean, fill):
    return np.sqrt(np.square(x - clean)[fill].mean())


@pytest.mark.parametrize(
    ("missing", "has_share"), [(strokes, True), (pixels, True), (hole, False), (dust, False)]
)
def test_where_the_plate_has_a_share(clean, few_steps, missing, has_share):
    fill = missing(clean)
    pilot = piloted(few_steps, observed(clean, fill))
    assert (pilot is not few_steps) == has_share
    if has_share:
        assert error(pilot, clean, fill) < 0.7 * error(few_steps, clean, fill)


def test_a_wide_hole_beside_strokes_is_the_network_s(clean, few_steps):
    wide, fill = hole(clean), strokes(clean)
    fill[14:46, 18:50] = False
    pilot = piloted(few_steps, observed(clean, fill | wide))
    np.testing.assert_array_equal(pilot[wide], few_steps[wide])
    assert error(pilot, clean, fill) < 0.7 * error(few_steps, clean, fill)


def test_strokes_that_come_to_a_wide_hole_keep_the_plate_farther_on(clean, few_steps):
    wide, lines = hole(clean), strokes(clean)
    pilot = piloted(few_steps, observed(clean, lines | wide))
    np.testing.assert_array_equal(pilot[wide], few_steps[wide])
    far = lines.copy()
    far[8:52, 12:56] = False
    assert error(pilot, clean, far) < 0.7 * error(few_steps, clean, far)


def test_of_a_single_known_pixel_there_are_no_others(few_steps):
    y = np.zeros((1, 2, 3), np.float32)
    observation, _ = observe(y, np.array([[False, True]]))
    assert np.isfinite(piloted(few_steps[:1, :2], observation)).all()


def test_channels_of_which_other_pixels_are_known_are_the_network_s(clean, few_steps):
    fill = np.stack([strokes(clean), strokes(clean).T[::-1], strokes(clean)], axis=2)
    observation, _ = observe(clean, fill)
    assert piloted(few_steps, observation) is few_steps


def test_at_a_known_pixel_the_plate_is_what_the_others_say(clean):
    seen = ~strokes(clean)
    other, here = clean.copy(), tuple(np.argwhere(seen)[100])
    other[here] = 1 - clean[here]
    before, after = by_the_others(clean, seen), by_the_others(other, seen)
    np.testing.assert_allclose(after[here], before[here], atol=1e-6)
    assert np.abs(after - before).max() > 0.05
    assert error(before, clean, seen) > 0.005


def test_after_a_few_steps_what_is_filled_is_nearer_than_without(clean, few_steps):
    fill = strokes(clean)
    observation = observed(clean, fill)
    how = Ending(keep_known=True, seamless=True, refine=True, judged=False)
    made = shown(few_steps, observation, how, refined=True, held=held_of(fill))
    alone = filled(few_steps, observation)
    assert error(made, clean, fill) < 0.95 * error(alone, clean, fill)  # 0.75 dB
    np.testing.assert_array_equal(made[~fill], clean[~fill])
    judged = dataclasses.replace(how, judged=True)
    given = shown(few_steps, observation, judged, refined=True)
    np.testing.assert_array_equal(given, alone)  # of many steps, the network's image alone
