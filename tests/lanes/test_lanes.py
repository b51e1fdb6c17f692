"""Lanes: the same result alone, in a batch, in refilled slots, and on many devices."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from checkout import ROOT

from dip_jax.errors import InputError
from dip_jax.fit.fitting import make_fit, make_steps
from dip_jax.fit.vectors import as_trees
from dip_jax.forward.observation import observe
from dip_jax.lanes import memory
from dip_jax.lanes.checkpoints import Checkpoints
from dip_jax.lanes.jobs import LaneJob
from dip_jax.lanes.loop import fit_lanes
from dip_jax.lanes.memory import lane_bytes
from dip_jax.lanes.seeds import restore
from dip_jax.lanes.slots import Slots
from dip_jax.pictures import samples
from dip_jax.pictures.values import to_float
from dip_jax.settings import build, tasks

STEPS = 12


def settings_and_criterion(**changes):
    config = tasks.defaults("hole_fill")
    config["network"] |= {"scales": 1, "down": (4,), "up": (4,)}
    # In float32 a fit at 0.01 magnifies rounding errors a thousandfold within a few steps.
    config["learning_rate"] = 1e-4
    config["stop"] |= changes
    return build.fit_settings(config), build.criterion(config)


def observation(side=24):
    clean = to_float(samples.sample("coffee", side).pixels)
    fill = np.zeros(clean.shape[:2], bool)
    fill[4:8, 5:11] = True
    return observe(np.where(fill[..., None], 0, clean), fill)[0], clean


def fitted(seeds, steps=STEPS, checkpoints=None, **how):
    """The results of seeds; `checkpoints` is that of the only one, or gives each seed's."""
    settings, criterion = settings_and_criterion()
    seen, clean = observation()
    results = {}

    def keep(result):
        results[result.seed] = result

    where = checkpoints if callable(checkpoints) else lambda seed: checkpoints
    jobs = [LaneJob(seen, seed, clean, checkpoints=where(seed), on_done=keep) for seed in seeds]
    how = {"settings": settings, "criterion": criterion, "log_every": 5} | how
    fit_lanes(jobs, num_steps=steps, **how)
    return [results[seed] for seed in seeds]


_QUICK = ("DIP_JAX_COMPILE_EFFORT", "JAX_DISABLE_MOST_OPTIMIZATIONS", "XLA_FLAGS")


def said_by(program, without=()):
    """What a program says, in a process of its own that finds this module."""
    folders = ROOT, ROOT / "tests", Path(__file__).parent
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, folders)),
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={name: value for name, value in environment.items() if name not in without},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def fitted_lane():
    """The first state of a lane, as checkpoints have it."""
    settings, criterion = settings_and_criterion()
    fit = make_fit(settings, criterion, 3)
    lane = fit.make_lane(jax.random.key(0), *observation())
    return as_trees(fit.init(jax.random.key(0), lane), fit.weights(lane))


@pytest.fixture(scope="module")
def alone():
    return [fitted([seed])[0] for seed in range(4)]


@pytest.mark.parametrize("form", ["loop", "vmap"])
def test_four_lanes_are_four_single_runs(form, alone):
    together = fitted(range(4), at_once=4, form=form)
    for one, other in zip(alone, together, strict=True):
        assert one.chosen_step == other.chosen_step and one.steps == other.steps
        np.testing.assert_allclose(one.x, other.x, atol=1e-5)
        assert one.oracle == pytest.approx(other.oracle, abs=1e-3)
        assert one.figures["avg"] == pytest.approx(other.figures["avg"], abs=1e-3)
    assert np.abs(alone[0].x - alone[1].x).max() > 1e-3


_THE_SAME_BITS = """
import numpy as np
from test_lanes import fitted
together = fitted(range(4), at_once=4, form="loop")
for seed, one in enumerate(together):
    np.testing.assert_array_equal(one.x, fitted([seed])[0].x)
"""


@pytest.mark.thorough
@pytest.mark.slow
def test_on_a_cpu_one_after_another_gives_the_same_bits():
    # As a person's process compiles them: the quick way of the tests rounds otherwise.
    said_by(_THE_SAME_BITS, without=_QUICK)


@pytest.mark.parametrize("form", ["loop", "vmap"])
def test_refilled_slots_give_the_results_of_separate_runs(form, alone):
    for one, other in zip(alone, fitted(range(4), at_once=2, form=form), strict=True):
        np.testing.assert_allclose(one.x, other.x, atol=1e-5)


@pytest.mark.parametrize("form", ["loop", "vmap"])
def test_a_lane_that_stops_makes_room_for_the_next(form):
    """Lanes that stop at different steps, in fewer places than lanes."""
    settings, criterion = settings_and_criterion(criterion="oracle", patience=3)
    seen, clean = observation()
    how = {"settings": settings, "criterion": criterion, "num_steps": 60, "log_every": 20}
    seeds = (3, 4, 5)
    apart = {s: restore(seen, seeds=[s], clean=clean, **how)[0] for s in seeds}
    order = []
    jobs = [LaneJob(seen, s, clean, on_done=order.append) for s in seeds]
    assert fit_lanes(jobs, at_once=2, form=form, **how)
    for result in order:
        one = apart[result.seed]
        assert (result.steps, result.stop_reason) == (one.steps, one.stop_reason)
        # Side by side the products round otherwise, by 1e-6 after a step; a fit may be at a point
        # from where that grows a hundredfold within 20 steps.
        np.testing.assert_allclose(result.x, one.x, atol=1e-5 if form == "loop" else 1e-3)


def test_every_lane_logs_as_it_does_alone():
    def rows_of(seeds, **how):
        rows = []
        settings, criterion = settings_and_criterion()
        seen, _ = observation()

        def on_log(log):
            rows.append((log.seed, log.step, log.row["loss"]))
            return False

        jobs = [LaneJob(seen, seed, on_log=on_log) for seed in seeds]
        fit_lanes(jobs, settings=settings, criterion=criterion, num_steps=STEPS, log_every=5, **how)
        return sorted(rows)

    together = rows_of([3, 5], at_once=2, form="vmap")
    apart = rows_of([3]) + rows_of([5])
    assert [row[:2] for row in together] == [(s, n) for s in (3, 5) for n in (1, 5, 10, 12)]
    np.testing.assert_allclose([r[2] for r in together], [r[2] for r in apart], rtol=1e-4)


def test_pictures_of_different_sizes_each_get_their_own_result():
    settings, criterion = settings_and_criterion()
    how = {"settings": settings, "criterion": criterion, "num_steps": 4, "log_every": 4}
    seen = [observation(side)[0] for side in (24, 40, 23)]
    results = []
    fit_lanes([LaneJob(o, on_done=results.append) for o in seen], at_once=2, **how)
    by_shape = {r.x.shape: r for r in results}
    for o in seen:
        one = restore(o, **how)[0]
        np.testing.assert_allclose(by_shape[o.y.shape].x, one.x, atol=1e-5)


def test_too_little_memory_leads_to_fewer_lanes_and_a_message(alone, monkeypatch):
    advance, said = Slots.advance, []

    def exhausted(self, until):
        if self.count > 1:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return advance(self, until)

    monkeypatch.setattr(Slots, "advance", exhausted)
    results = fitted(range(4), at_once=4, say=said.append)
    assert [line.split()[-5] for line in said] == ["2", "1"], said
    for one, other in zip(alone, results, strict=True):
        np.testing.assert_allclose(one.x, other.x, atol=1e-5)


def test_no_lane_is_lost_when_the_memory_ends_while_one_begins(alone, monkeypatch):
    put, calls = Slots.put, []

    def exhausted(self, *args):
        calls.append(self.count)
        if len(calls) == 2:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return put(self, *args)

    monkeypatch.setattr(Slots, "put", exhausted)
    results = fitted(range(4), at_once=4)
    assert [result.seed for result in results] == [0, 1, 2, 3] and calls[-1] == 2
    np.testing.assert_allclose(results[1].x, alone[1].x, atol=1e-5)


@pytest.mark.slow
def test_a_checkpoint_is_not_damaged_because_the_memory_was_full(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    fitted([0], checkpoints=checkpoints, steps=4, checkpoint_every=2)
    read, full = Checkpoints._read, [True, False]

    def exhausted(self, step, like):
        if full and full.pop(0):
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return read(self, step, like)

    monkeypatch.setattr(Checkpoints, "_read", exhausted)
    lane = fitted_lane()
    with pytest.raises(jax.errors.JaxRuntimeError, match="RESOURCE_EXHAUSTED"):
        checkpoints.restore(lane)
    state, _ = checkpoints.restore(lane)
    assert int(state.step) == 4 and checkpoints.passed_over == []
    checkpoints.close()


def test_damaged_checkpoints_are_removed_only_once_an_earlier_one_is_read(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    fitted([0], checkpoints=checkpoints, steps=4, checkpoint_every=2)
    for path in (tmp_path / "4").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    state, _ = checkpoints.restore(fitted_lane())
    assert int(state.step) == 2 and checkpoints.passed_over == [4]
    assert not (tmp_path / "4").exists()
    for path in (tmp_path / "2").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    with pytest.raises(InputError, match="remove that folder"):
        checkpoints.restore(fitted_lane())
    assert (tmp_path / "2").exists()
    checkpoints.close()


def test_a_lane_that_fails_at_its_first_step_leaves_the_others_alone(alone):
    settings, criterion = settings_and_criterion()
    seen, clean = observation()
    infinite = seen._replace(y=np.full_like(seen.y, 1e30))
    done, failed = [], []
    jobs = [
        LaneJob(seen, 0, clean, on_done=done.append),
        LaneJob(infinite, 1, clean, on_done=done.append, on_failed=failed.append),
        LaneJob(seen, 2, clean, on_done=done.append),
    ]
    how = {"settings": settings, "criterion": criterion, "num_steps": STEPS, "log_every": 5}
    assert fit_lanes(jobs, at_once=2, **how)
    assert [result.seed for result in done] == [0, 2]
    np.testing.assert_allclose(done[1].x, alone[2].x, atol=1e-5)
    assert "fell apart from its first step" in str(failed[0])
    with pytest.raises(InputError, match="fell apart"):  # with nobody to tell
        fit_lanes([dataclasses.replace(jobs[1], on_failed=None), jobs[2]], **how)
    assert [result.seed for result in done] == [0, 2, 2]


def test_too_little_memory_for_one_lane_is_one_clear_line(monkeypatch):
    def exhausted(self, until):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")

    monkeypatch.setattr(Slots, "advance", exhausted)
    with pytest.raises(InputError, match="smaller picture"):
        fitted([0])


def test_other_failures_of_the_device_are_not_taken_for_want_of_memory(monkeypatch):
    def broken(self, until):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")

    monkeypatch.setattr(Slots, "advance", broken)
    with pytest.raises(jax.errors.JaxRuntimeError, match="something else"):
        fitted([0], at_once=1)


@pytest.mark.thorough
def test_the_estimate_of_a_lanes_memory_is_near_what_is_reserved():
    config = tasks.defaults("denoise")
    config["network"] |= {"scales": 3, "down": (16,), "up": (16,)}
    settings, criterion = build.fit_settings(config), build.criterion(config)
    fit, seen = make_fit(settings, criterion, 3), observe(np.zeros((96, 96, 3)))[0]
    lane = jax.eval_shape(fit.make_lane, jax.random.key(0), seen)
    state = jax.eval_shape(fit.init, jax.random.key(0), lane)
    program = (
        jax.jit(make_steps(fit.step, 5), donate_argnums=0).lower(state, lane, np.int32(1)).compile()
    )
    sizes = program.memory_analysis()
    reserved = sizes.temp_size_in_bytes + sizes.argument_size_in_bytes
    assert 0.7 < lane_bytes(settings, fit, lane) / reserved < 1.5


def test_the_number_of_lanes_follows_from_the_memory(monkeypatch):
    settings, criterion = settings_and_criterion()
    seen, clean = observation()
    fit = make_fit(settings, criterion, 3)
    lane = fit.make_lane(jax.random.key(0), seen, clean)
    one = lane_bytes(settings, fit, lane)
    asked = []
    for available, wanted in ((one * 5.1 / 0.8, 5), (one * 50, 8), (one / 2, 1), (None, 1)):
        monkeypatch.setattr(memory, "device_bytes", lambda d, n=available: asked.append(d) or n)
        assert memory.lanes_that_fit(settings, fit, lane, jax.devices()[0]) == wanted
    assert len(asked) == 4


_ON_EIGHT = """
import json
import jax
jax.config.update("jax_num_cpu_devices", 8)
assert len(jax.devices()) == 8
import numpy as np
from test_lanes import fitted
results = {{}}
for form, at_once in (("loop", 1), ("vmap", 2)):
    ran = fitted(range(11), steps=6, at_once=at_once, form=form)
    results[f"{{form}} {{at_once}}"] = [float(np.asarray(r.x, np.float64).sum()) for r in ran]
    np.save({out!r} + f"-{{form}}-{{at_once}}.npy", np.stack([r.x for r in ran]))
from dip_jax.lanes.checkpoints import Checkpoints
where = [Checkpoints({out!r} + f"-checkpoints-{{seed}}") for seed in range(11)]
fitted(range(11), steps=3, checkpoints=where.__getitem__)
ran = fitted(range(11), steps=6, checkpoints=where.__getitem__)
np.save({out!r} + "-resumed.npy", np.stack([r.x for r in ran]))
print(json.dumps(results))
"""


@pytest.mark.thorough
@pytest.mark.slow
def test_eight_devices_give_the_results_of_one(tmp_path):
    said = said_by(_ON_EIGHT.format(out=str(tmp_path / "x")))
    assert len(json.loads(said.splitlines()[-1])) == 2
    apart = np.stack([r.x for r in fitted(range(11), steps=6)])
    # One lane at once needs no form, and of two in a loop other tests tell, on one device.
    for form, at_once in (("loop", 1), ("vmap", 2)):
        there = np.load(tmp_path / f"x-{form}-{at_once}.npy")
        np.testing.assert_allclose(there, apart, atol=1e-5)
    resumed = np.load(tmp_path / "x-resumed.npy")
    np.testing.assert_allclose(resumed, apart, atol=1e-5)


@pytest.mark.parametrize("form", ["loop", "vmap"])
def test_a_lane_with_fewer_steps_is_the_fit_of_so_many(form):
    settings, criterion = settings_and_criterion()
    settings = dataclasses.replace(settings, schedule="one_cycle")  # whose length goes by them
    how = {"settings": settings, "criterion": criterion, "log_every": 5}
    seen, _ = observation()
    results, logged = [], []

    def on_log(log):
        logged.append((log.seed, log.step))
        return False

    jobs = [
        LaneJob(seen, seed, num_steps=steps, on_log=on_log, on_done=results.append)
        for seed, steps in enumerate((7, None, 30))
    ]
    assert fit_lanes(jobs, num_steps=STEPS, at_once=3, form=form, **how)
    by_seed = {result.seed: result for result in results}
    assert [by_seed[seed].steps for seed in range(3)] == [7, STEPS, STEPS]
    assert {seed: max(n for s, n in logged if s == seed) for seed in range(3)} == {
        seed: result.steps for seed, result in by_seed.items()
    }
    for seed, result in by_seed.items():
        (one,) = restore(seen, seeds=[seed], num_steps=result.steps, **how)
        assert result.stop_reason == one.stop_reason == "schedule"
        np.testing.assert_allclose(result.x, one.x, atol=1e-5)
    (all_of_them,) = restore(seen, seeds=[0], num_steps=STEPS, **how)
    assert np.abs(all_of_them.x - by_seed[0].x).max() > 1e-3


def test_a_lane_with_fewer_steps_that_has_made_them_makes_no_more(tmp_path):
    settings, criterion = settings_and_criterion()
    how = {"settings": settings, "criterion": criterion, "num_steps": STEPS, "log_every": 5}
    seen, _ = observation()
    results, logged = [], []

    def on_log(log):
        logged.append(log.step)
        return False

    for _ in range(2):
        checkpoints = Checkpoints(tmp_path / "checkpoints")
        job = LaneJob(
            seen, 0, None, 7, checkpoints=checkpoints, on_log=on_log, on_done=results.append
        )
        assert fit_lanes([job], **how)
        checkpoints.close()
    assert logged == [1, 5, 7]
    np.testing.assert_array_equal(results[0].x, results[1].x)
    assert results[1].steps == 7 and results[1].seconds_to_first_step is None
