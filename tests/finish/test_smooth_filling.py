"""Where a picture is smooth, a smooth surface fills it; elsewhere the network's image does."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dip_jax.finish.filling import filled
from dip_jax.finish.smooth_filling import continued, filled_smoothly, is_smooth
from dip_jax.forward.observation import observe

SIDE = 48


def _hole(side=SIDE):
    fill = np.zeros((side, side), bool)
    fill[22:25, 14:34] = True
    return fill


def _smooth(side=SIDE, seed=5):
    """Nothing in it is like anything else, so that its patches do not tell."""
    noise = np.random.default_rng(seed).standard_normal((side, side, 3))
    smooth = gaussian_filter(noise, (4, 4, 0))
    return (0.5 + 0.15 * smooth / smooth.std()).clip(0, 1).astype(np.float32)


def _error(image, clean, fill):
    return float(np.square(image - clean)[fill].mean())


def test_a_smooth_picture_is_filled_by_a_smooth_surface():
    clean, fill = _smooth(), _hole()
    x = np.clip(clean + 0.3 * (_smooth(seed=6) - 0.5), 0, 1).astype(np.float32)
    observation, _ = observe(np.where(fill[..., None], 0, clean), fill)
    found = filled_smoothly(x, observation)
    np.testing.assert_array_equal(found[~fill], clean[~fill])
    alone = filled(x, observation)
    assert _error(found, clean, fill) < 0.5 * _error(alone, clean, fill)


def test_detail_is_left_to_the_network():
    fill = _hole()
    rng = np.random.default_rng(1)
    clean = np.clip(_smooth() + 0.2 * rng.standard_normal((SIDE, SIDE, 3)), 0, 1)
    clean = clean.astype(np.float32)
    x = np.clip(clean + 0.02 * rng.standard_normal(clean.shape), 0, 1).astype(np.float32)
    observation, _ = observe(np.where(fill[..., None], 0, clean), fill)
    found = filled_smoothly(x, observation)
    np.testing.assert_array_equal(found, filled(x, observation))


def test_single_values_are_left_to_the_network():
    clean, fill = _smooth(), _hole()
    single = np.zeros(clean.shape, bool)
    single[..., 1] = fill
    observation, _ = observe(np.where(single, 0, clean), single)
    np.testing.assert_array_equal(filled_smoothly(clean, observation), filled(clean, observation))


def _wide(detail=()):
    """A smooth picture of 96 pixels with a scratch in its middle, and detail in some columns."""
    clean = np.array(_smooth(96)) * np.float32(0.5) + np.float32(0.25)
    if detail:
        there = np.random.default_rng(2).standard_normal((96, detail[1] - detail[0], 3))
        clean[:, slice(*detail)] += 0.1 * there.astype(np.float32)
    fill = np.zeros((96, 96), bool)
    fill[46:49, 40:56] = True
    return clean.clip(0, 1), fill


def _of(clean, fill):
    return observe(np.where(fill if fill.ndim == 3 else fill[..., None], 0, clean), fill)[0]


def test_where_all_around_is_smooth_no_network_is_needed():
    clean, fill = _wide()
    observation = _of(clean, fill)
    assert is_smooth(observation)
    found = continued(observation)
    np.testing.assert_array_equal(found[~fill], clean[~fill])
    assert np.abs(found - clean)[fill].max() < 2 / 255


@pytest.mark.parametrize("detail", [(60, 96), (0, 96)])
def test_where_there_is_detail_on_one_side_it_is(detail):
    assert not is_smooth(_of(*_wide(detail)))


def test_what_is_unknown_in_one_channel_or_near_all_borders_is_not_called_smooth():
    clean, fill = _wide()
    single = np.zeros(clean.shape, bool)
    single[..., 1] = fill
    assert not is_smooth(_of(clean, single))
    little = np.s_[40:55, 34:62]  # no room for the scratch on four sides
    assert not is_smooth(_of(clean[little], fill[little]))
