"""What is known, what is held out, and the data term."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dip_jax.forward.observation import hold_out, hold_out_measured, observe, pad


def known_with_hole(h=40, w=30, channels=1):
    known = np.ones((h, w, channels), np.float32)
    known[10:20, 5:15] = 0
    return jnp.asarray(known)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_held_out_values_are_the_share_asked_for(share, channels):
    known = known_with_hole(channels=channels)
    fit, held = hold_out(jax.random.key(0), known, share)
    np.testing.assert_array_equal(fit + held, known)
    assert held.sum() == round(share * float(known.sum()))


def test_channels_are_held_out_each_for_itself():
    _, held = hold_out(jax.random.key(0), known_with_hole(channels=3), 0.1)
    assert (held[..., 0] != held[..., 1]).any()


def test_blocks_are_squares_of_known_pixels():
    known = known_with_hole(64, 64)
    fit, held = hold_out(jax.random.key(0), known, 0.2, block=8)
    np.testing.assert_array_equal(fit + held, known)
    assert 0.1 < held.sum() / known.sum() < 0.3
    cells = np.asarray(held[..., 0]).reshape(8, 8, 8, 8).swapaxes(1, 2).reshape(64, 64)
    whole = np.asarray(known[..., 0]).reshape(8, 8, 8, 8).swapaxes(1, 2).reshape(64, 64)
    for cell, there in zip(cells, whole, strict=True):
        assert not cell.any() or (cell == there).all()


@pytest.mark.parametrize(("kind", "axis"), [("rows", 1), ("columns", 0)])
@pytest.mark.parametrize("block", [1, 3])
def test_rows_and_columns_are_held_out_whole(kind, axis, block):
    known = known_with_hole(60, 30)
    fit, held = hold_out(jax.random.key(0), known, 0.2, block, kind)
    np.testing.assert_array_equal(fit + held, known)
    assert 0.1 < held.sum() / known.sum() < 0.4
    lines = held.sum(axis=axis)[:, 0]
    whole = np.where(lines > 0, known.sum(axis=axis)[:, 0], 0)
    np.testing.assert_array_equal(lines, whole)
    side_by_side = np.asarray(lines > 0).reshape(-1, block)
    assert (side_by_side == side_by_side[:, :1]).all()


def test_of_every_array_some_measurements_are_left():
    known = {"row": jnp.ones(7), "grid": jnp.ones((4, 6)), "image": jnp.ones((8, 8, 1))}
    fit, held = hold_out_measured(jax.random.key(0), known, 0.2, 4)
    for name, all_of_it in known.items():
        np.testing.assert_array_equal(fit[name] + held[name], all_of_it)
        assert fit[name].any() and held[name].any()
    fit, held = hold_out_measured(jax.random.key(0), known, 0.2, 8)
    assert not any(array.any() for array in held.values())
    fit, held = hold_out_measured(jax.random.key(0), known, 0.2, kind="columns")
    assert (held["grid"] == held["grid"][:1]).all() and held["row"].sum() == 1


def test_nothing_is_held_out_at_share_zero():
    known = known_with_hole()
    fit, held = hold_out(jax.random.key(0), known, 0.0)
    np.testing.assert_array_equal(fit, known)
    assert not held.any()


def test_a_tiny_share_holds_out_one_value():
    assert hold_out(jax.random.key(0), known_with_hole(), 1e-6)[1].sum() == 1


def test_other_keys_hold_out_other_pixels():
    known = known_with_hole()
    first, second = (hold_out(jax.random.key(i), known, 0.1)[1] for i in range(2))
    assert (first != second).any()


def test_values_that_are_not_finite_are_unknown():
    y = np.full((4, 4, 3), 0.5, np.float32)
    y[0, 0, 1], y[2, 3, 0] = np.nan, np.inf
    fill = np.zeros((4, 4), bool)
    fill[3] = True
    observation, count = observe(y, fill)
    assert count == 2
    assert jnp.isfinite(observation.y).all()
    assert observation.known.shape == (4, 4, 3)
    assert observation.known.sum() == 4 * 3 * 3 - 2


def test_padding_keeps_the_picture_and_marks_the_rest_unknown():
    x = jax.random.uniform(jax.random.key(0), (3, 5, 2))
    padded = pad(x, 8, 8)
    np.testing.assert_array_equal(padded[:3, :5], x)
    assert (padded[7, 7] == x[2, 4]).all()
    assert pad(jnp.ones((3, 5, 1)), 8, 8, mode="zero").sum() == 15
