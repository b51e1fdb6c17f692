"""The worked examples for contributors do what their pages say."""

import importlib.util

import jax.numpy as jnp
import numpy as np
import pytest
from checkout import ROOT

import dip_jax
from dip_jax import operators
from dip_jax.api.array_fit import prepare
from dip_jax.fit import criteria
from dip_jax.fit.criteria import View
from dip_jax.networks import registry
from dip_jax.settings import limits, tasks

TINY = {"network.scales": 1, "network.down": 4, "network.up": 4, "network.skip": 4, "log_every": 2}
Y = np.random.default_rng(0).integers(0, 255, (24, 20, 3)).astype(np.uint8)


def example(name):
    path = ROOT / "docs" / "contributing" / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"example_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_network_is_chosen_by_its_name_and_learns(monkeypatch):
    flat = example("network").Flat
    monkeypatch.setitem(registry.KINDS, "flat", flat)
    monkeypatch.setitem(limits.CHOICES, "network.kind", tuple(registry.KINDS))
    options = TINY | {"network.kind": "flat", "network.scales": 2, "refine": False}
    restored, info = dip_jax.denoise(Y, num_steps=6, options=options, return_info=True)
    assert restored.shape == Y.shape and info.config["network"]["kind"] == "flat"
    losses = [row["loss"] for row in info.history]
    assert losses[-1] < losses[0]
    small, large = (flat((4, 4), (3, 3)).cost(side, side, 8, 3) for side in (32, 64))
    assert large == pytest.approx(tuple(4 * value for value in small))
    with pytest.raises(dip_jax.InputError, match="odd"):
        flat((4,), (2,))


def test_the_operator_has_its_adjoint_and_restores():
    exposure = example("operator").exposure
    rng = np.random.default_rng(0)
    gain = rng.random((24, 20)).astype(np.float32)
    x, v = (rng.random((24, 20, 3)).astype(np.float32) for _ in "xv")
    camera = exposure(gain)
    np.testing.assert_allclose(camera(jnp.asarray(x)), gain[..., None] * x, rtol=1e-6)
    back = operators.adjoint(camera, x.shape)(jnp.asarray(v))
    assert np.vdot(camera(jnp.asarray(x)), v) == pytest.approx(np.vdot(x, back), rel=1e-5)
    options = TINY | {"refine": False}
    restored = dip_jax.restore(
        gain[..., None] * x, camera, shape=x.shape, num_steps=2, options=options
    )
    assert restored.shape == x.shape
    with pytest.raises(dip_jax.InputError, match="no value below 0"):
        exposure(-gain)
    with pytest.raises(dip_jax.InputError, match=r"gain has shape \(5, 20\); expected \(24, 20\)"):
        dip_jax.restore(x, exposure(gain[:5]), shape=x.shape, options=options)


def test_the_criterion_stops_where_it_should_and_is_chosen_by_its_name(monkeypatch):
    good_enough = example("criterion").good_enough
    criterion = good_enough(patience=0, wanted=20.0)
    image, carry = jnp.zeros((4, 4, 1)), criterion.init(None)
    for step, avg in enumerate((10.0, 19.9, 20.0), 1):
        pair = (jnp.float32(5), jnp.float32(avg))
        view = View(jnp.int32(step), image, image, pair, None, None)
        carry, judgement = criterion.update(carry, view)
        assert bool(judgement.stop) == (step == 3) and float(judgement.score_avg) == np.float32(avg)
    monkeypatch.setitem(
        criteria.CRITERIA, "good_enough", lambda **given: good_enough(wanted=-99.0, **given)
    )
    monkeypatch.setitem(limits.CHOICES, "stop.criterion", tuple(criteria.CRITERIA))
    options = TINY | {"refine": False}
    _, info = dip_jax.denoise(
        Y, criterion="good_enough", num_steps=6, options=options, return_info=True
    )
    assert info.steps < 6 and info.stop_reason == "criterion"


def test_the_task_has_settings_and_restores(monkeypatch):
    dust = example("task").DUST
    monkeypatch.setitem(tasks.TASKS, dust.name, dust)
    for preset in tasks.PRESETS:
        assert tasks.defaults("dust", preset)["average"] == 0.995
    mask = np.zeros(Y.shape[:2], bool)
    mask[5:7] = True
    fit = prepare("dust", Y, mask, num_steps=2, options=TINY | {"refine": False})
    restored, _ = fit.run()
    assert (restored[~mask] == Y[~mask]).all()


def test_every_example_has_its_page():
    folder = ROOT / "docs" / "contributing"
    for path in (folder / "examples").glob("*.py"):
        assert f"examples/{path.name}" in (folder / f"{path.stem}.md").read_text(encoding="utf-8")
