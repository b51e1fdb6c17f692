"""When a person is told that the patches alone would do."""

import numpy as np
import pytest

from dip_jax.finish import filling
from dip_jax.pictures.arrays import Layout
from dip_jax.prepare.prepared import Adapting, prepare
from dip_jax.settings import fields, tasks, without_network

RANDOM = np.random.default_rng(5)


def prepared(y, fill=None):
    layout = Layout(y.shape, np.dtype(np.float32), -1, None)
    return prepare(y.astype(np.float32), fill, layout, Adapting())


def smooth(channels):
    rows, columns = np.mgrid[:96, :96]
    x = 0.5 + 0.3 * np.sin(rows / 17) * np.cos(columns / 11)
    return np.repeat(x[..., None], channels, 2)


def noisy(channels, sigma):
    x = smooth(channels)
    return prepared(np.clip(x + sigma / 255 * RANDOM.standard_normal(x.shape), 0, 1))


@pytest.mark.parametrize(
    ("channels", "sigma", "told"), [(3, 30, True), (3, 10, False), (1, 30, False)]
)
def test_it_is_told_in_strong_noise_of_colours(channels, sigma, told):
    lines = without_network.advice(tasks.defaults("denoise"), noisy(channels, sigma))
    assert [("refine_alone" in line) for line in lines] == [True] * told


def test_it_is_told_of_large_pictures_with_single_pixels_missing(monkeypatch):
    x, scattered = smooth(3), RANDOM.random((96, 96)) < 0.5
    stroke = np.zeros((96, 96), bool)
    stroke[40:44, 10:80] = True
    config = tasks.defaults("reconstruct")
    assert not without_network.advice(config, prepared(x, scattered))
    monkeypatch.setattr(filling, "_LARGE", 96 * 96 - 1)
    assert len(without_network.advice(config, prepared(x, scattered))) == 1
    assert not without_network.advice(config, prepared(x, stroke))


def test_what_was_chosen_is_not_advised():
    picture = noisy(3, 30)
    assert not without_network.advice(tasks.defaults("denoise", "draft"), picture)
    not_refined = fields.override(tasks.defaults("denoise"), {"refine": False})
    assert not without_network.advice(not_refined, picture)
