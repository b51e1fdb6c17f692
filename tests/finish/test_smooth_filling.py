"""Where a picture is smooth, a smooth surface fills it; elsewhere the network's image does."""

import numpy as np
from scipy.ndimage import gaussian_filter

from dip_jax.finish.filling import filled
from dip_jax.finish.smooth_filling import filled_smoothly
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
