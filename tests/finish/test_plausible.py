"""What cannot be the picture gives way to the smooth surface; all else stays the network's."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dip_jax.finish.composite import seamless
from dip_jax.finish.ensemble import Ending, shown
from dip_jax.finish.plausible import plausible
from dip_jax.finish.surface import surface
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
    x[_discs(8)[0]] = [1.0, 1.0, 0.98]  # which is white, where all that is lacking is added
    observation = _observed(clean, hole)
    met = np.asarray(seamless(jnp.asarray(plausible(x, observation)), observation))
    expected = surface(np.where(hole[..., None], np.float32(0), clean), hole)
    np.testing.assert_allclose(met, expected, atol=1e-4)


def test_between_the_limits_the_surface_has_a_share(monkeypatch):
    clean, (hole, _) = _flat(), _discs(12)
    x = clean.copy()
    x[hole] += np.float32([-0.1, 0, 0])
    observation = _observed(clean, hole)
    monkeypatch.setattr("dip_jax.finish.plausible._WORSE", 0.0)
    monkeypatch.setattr("dip_jax.finish.plausible._MUCH_WORSE", 10.0)
    found = plausible(x, observation)
    there = surface(np.where(hole[..., None], np.float32(0), clean), hole)
    way = (there - x)[hole]
    share = float(((found - x)[hole] * way).sum() / np.square(way).sum())
    assert 0.1 < share < 0.9
    np.testing.assert_allclose((found - x)[hole], share * way, atol=1e-3)


@pytest.mark.parametrize("uneven", [0, 1, 2])
def test_one_side_of_a_hole_may_be_uneven(uneven, monkeypatch):
    """As beside an edge; of two uneven ones it is not known which the hole is like."""
    monkeypatch.setattr("dip_jax.finish.plausible._AWAY", (28,))
    clean, (hole,) = _flat(), _discs(12, SIDE, ((48, 48),))
    noise = np.random.default_rng(1).uniform(-0.4, 0.4, (8, 12, 3)).astype(np.float32)
    for place in (np.s_[44:52, 14:26], np.s_[44:52, 70:82])[:uneven]:
        clean[place] = 0.5 + noise
    x = clean.copy()
    x[hole] = clean[hole] + np.float32(0.06)
    gives_way = (plausible(x, _observed(clean, hole)) != x).any()
    assert gives_way == (uneven < 2)


def test_a_grey_picture_too():
    clean, (hole, _) = _flat()[..., :1], _discs(12)
    x = np.where(hole[..., None], np.float32(0.3), clean)
    observation = _observed(clean, hole)
    met = np.asarray(seamless(jnp.asarray(plausible(x, observation)), observation))
    assert np.sqrt(np.square(met - clean)[hole].mean()) < 0.03


@pytest.mark.thorough
@pytest.mark.parametrize("around_damage", [False, True])
def test_it_is_part_of_what_a_person_gets(around_damage):
    clean, (hole, _) = _flat(), _discs(12)
    x = clean + 0.02 * np.random.default_rng(2).standard_normal(clean.shape).astype(np.float32)
    x[_discs(8)[0]] = [1.0, 1.0, 0.5]
    how = Ending(keep_known=True, seamless=True, refine=True, around_damage=around_damage)
    made = shown(x, _observed(clean, hole), how, refined=True)
    assert np.sqrt(np.square(made - clean)[hole].mean()) < 0.03


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
        fill[..., 0] = hole
        observation, _ = observe(np.where(fill, np.float32(0), clean), fill)
    else:
        observation = _observed(clean, np.ones_like(hole) if case == "nothing" else hole)
    np.testing.assert_array_equal(plausible(x, observation), x)
