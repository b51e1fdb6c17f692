"""In large pictures whose pixels are missing all over, the network's image has a rival."""

import numpy as np
import pytest

from dip_jax.finish import filling
from dip_jax.finish.pilot import by_the_others
from dip_jax.forward.observation import observe
from dip_jax.pictures import samples
from dip_jax.pictures.values import to_float


@pytest.fixture(scope="module")
def clean():
    return to_float(samples.sample("chelsea", 160).pixels)[:64, :64]


@pytest.fixture(scope="module")
def seen(clean):
    random = np.random.default_rng(4)
    fill = random.random(clean.shape[:2]) < 0.5
    held = (random.random((*fill.shape, 1)) < 0.1) & ~fill[..., None]
    return observe(np.where(fill[..., None], np.float32(0), clean), fill)[0], held


@pytest.fixture(scope="module")
def rival(seen):
    observation, held = seen
    known = np.asarray(observation.known) > 0
    plate = by_the_others(np.asarray(observation.y), (known & ~held)[..., 0])
    return filling.filled(plate, observation, held, alone=True)


def error(x, clean):
    return np.sqrt(np.square(x - clean).mean())


def test_a_network_that_has_learnt_little_is_left_out(clean, seen, rival, monkeypatch):
    x = np.full_like(clean, clean.mean())
    alone = filling.filled(x, *seen)
    monkeypatch.setattr(filling, "_LARGE", 0)
    made = filling.filled(x, *seen)
    assert error(made, clean) < error(alone, clean) * 0.9
    assert error(made, clean) < error(rival, clean) * 1.02
    known = np.asarray(seen[0].known)[..., 0] > 0
    np.testing.assert_array_equal(made[known], np.asarray(seen[0].y)[known])


@pytest.mark.thorough
def test_a_network_that_is_nearer_is_kept(clean, seen, rival, monkeypatch):
    x = clean + np.float32(0.01) * np.random.default_rng(3).standard_normal(clean.shape)
    x = np.clip(x, 0, 1).astype(np.float32)
    own = filling.filled(x, *seen)
    monkeypatch.setattr(filling, "_LARGE", 0)
    made = filling.filled(x, *seen)
    assert error(made, clean) < error(own, clean) * 1.02
    assert error(made, clean) < error(rival, clean)
