"""Every network that can be chosen is fitted by the same code, and says what is wrong with it."""

import jax
import numpy as np
import pytest

import dip_jax
from dip_jax.fit.fitting import make_fit
from dip_jax.forward.observation import observe
from dip_jax.lanes.memory import lane_bytes
from dip_jax.networks.registry import KINDS, fields_of
from dip_jax.settings import build, tasks

TINY = {"network.scales": 2, "network.down": 4, "network.up": 4, "network.skip": 2}


def config_of(kind, **network):
    config = tasks.defaults("denoise")
    config["network"] |= {"kind": kind, "scales": 2, "down": (4,), "up": (4,)} | network
    return config


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_is_chosen_by_its_name_and_restores(kind):
    """From Python, at a size that it has to pad, with a held-out share and a mask."""
    y = np.random.default_rng(0).integers(0, 255, (13, 18, 3)).astype(np.uint8)
    mask = np.zeros((13, 18), bool)
    mask[4:7, 5:9] = True
    options = TINY | {"network.kind": kind, "log_every": 2}
    restored, info = dip_jax.reconstruct(
        y, mask, num_steps=4, options=options, return_info=True, seeds=2
    )
    assert restored.shape == y.shape and (restored[~mask] == y[~mask]).all()
    assert info.config["network"]["kind"] == kind
    assert len({result.x.tobytes() for result in info.results}) == 2
    losses = [row["loss"] for row in info.history if row["seed"] == 0]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_fit_takes_from_the_network(kind):
    settings = build.fit_settings(config_of(kind))
    architecture = settings.architecture
    fit = make_fit(settings, build.criterion(config_of(kind)), 3)
    observation, _ = observe(np.zeros((33, 40, 3), np.float32))
    lane = jax.eval_shape(fit.make_lane, jax.random.key(0), observation)
    size = architecture.padded(33, 40)
    assert lane.y.shape[:2] == size and lane.z.shape[:2] == architecture.input_size(*size)
    state = jax.eval_shape(fit.init, jax.random.key(0), lane)
    assert state.x_out.shape == lane.y.shape
    small, large = (architecture.cost(side, side, 32, 3) for side in (64, 128))
    for few, many in zip(small, large, strict=True):
        assert many == pytest.approx(4 * few)
    assert lane_bytes(settings, fit, lane) > 4 * architecture.cost(33, 40, 32, 3).feature_values


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_that_the_network_reads_is_checked_and_no_other(kind):
    for name in ("down", "up", "skip", "up_kernel", "upsampling"):
        bad = ("none",) if name == "upsampling" else (-1,)
        config = config_of(kind, **{name: bad})
        if name in fields_of(kind):
            with pytest.raises(dip_jax.InputError, match=rf"config\.network\.{name} "):
                build.fit_settings(config)
        else:
            build.fit_settings(config)


def test_an_unknown_network_is_refused_with_those_that_there_are():
    with pytest.raises(dip_jax.InputError, match="kind is 'resnet', expected one"):
        build.fit_settings(config_of("resnet"))
