"""What cannot be the picture gives way to the smooth surface; all else stays the network's."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dip_jax.finish.composite import seamless
from dip_jax.finish.plausible import plausible
from dip_jax.forward.observation import observe

SIDE = 96
CENTRES = ((30, 30), (64, 62))


def _flat(side=SIDE):
    """One colour with a little grain."""
    grain = gaussian_filter(
        np.random.default_rng(0).standard_normal((side, side, 3)), (1.5, 1.5, 0)
    )
    return (np.array([0.9, 0.6, 0.2]) + 0.02 * grain / grain.std()).astype(np.float32)


def _discs(radius, side=SIDE, centres=CENTRES):
    rows, columns = np.ogrid[:side, :side]
    return [(rows - y) ** 2 + (columns - x) ** 2 < radius**2 for y, x in centres]


def _observed(clean, fill):
    return observe(np.where(fill[..., None], np.float32(0), clean), fill)[0]


def test_a_blob_in_one_of_two_holes_gives_way():
    clean, (good, bad) = _flat(), _discs(12)
    x = np.where(_discs(8)[1][..., None], np.float32([0.98, 0.75, 0.05]), clean)
    observation = _observed(clean, good | bad)
    found = plausible(x, observation)
    np.testing.assert_array_equal(found[~bad], x[~bad])
    met = np.asarray(seamless(jnp.asarray(found), observation))
    assert (
        np.sqrt(np.square(met - clean)[bad].mean())
        < 0.03
        < np.sqrt(np.square(x - clean)[bad].mean())
    )


def test_a_network_that_lacks_what_is_known_is_corrected_to_the_surface():
    clean, (hole, _) = _flat(), _discs(12)
    x = clean - np.float32(0.05)
    x[_discs(8)[0]] = [0.5, 0.5, 0.9]
    observation = _observed(clean, hole)
    met = np.asarray(seamless(jnp.asarray(plausible(x, observation)), observation))
    assert np.sqrt(np.square(met - clean)[hole].mean()) < 0.03


@pytest.mark.parametrize(
    "case", ["right", "thin", "large", "border", "channels", "structure", "nothing"]
)
def test_else_the_networks_image_stays(case):
    side = 160 if case == "large" else SIDE
    clean = _flat(side)
    radius = {"thin": 3, "large": 50}.get(case, 12)
    centre = (4, side // 2) if case == "border" else (side // 2, side // 2)
    (hole,) = _discs(radius, side, (centre,))
    x = clean.copy()
    if case == "structure":  # such as there is all around, where no surface would be right
        rows, columns = np.mgrid[:side, :side]
        board = 0.25 * np.where((rows // 9 + columns // 9) % 2, 1, -1)
        clean = x = np.clip(clean + board[..., None], 0, 1).astype(np.float32)
    elif case != "right":
        x[hole] = [0.5, 0.5, 0.9]
    if case == "channels":
        fill = np.zeros(clean.shape, bool)
        fill[..., 1] = hole
        observation, _ = observe(np.where(fill, np.float32(0), clean), fill)
    else:
        observation = _observed(clean, np.ones_like(hole) if case == "nothing" else hole)
    np.testing.assert_array_equal(plausible(x, observation), x)
