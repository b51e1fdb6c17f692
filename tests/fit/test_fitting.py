"""One fit: the step against optax by hand, purity, lanes, chunks, best state, going back."""

import functools
from types import SimpleNamespace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiers import first_always

from dip_jax.fit import criteria
from dip_jax.fit.fitting import make_fit, make_steps
from dip_jax.fit.hyperparameters import FitSettings
from dip_jax.fit.state import AVG, DIVERGED, RUNNING, STOPPED
from dip_jax.fit.step import _average, _loss_scale, _select
from dip_jax.fit.vectors import as_trees, as_vectors
from dip_jax.forward.data_term import masked_mse
from dip_jax.forward.observation import observe
from dip_jax.networks.hourglass import Hourglass, hourglass

SMALL = Hourglass(
    down=(4, 4),
    up=(4, 4),
    skip=(2, 2),
    down_kernel=(3, 3),
    up_kernel=(3, 3),
    skip_kernel=(1, 1),
    upsampling=("nearest", "nearest"),
)
SETTINGS = FitSettings(
    architecture=SMALL,
    input_kind="noise",
    input_depth=4,
    input_scale=0.1,
    input_noise=0.03,
    learning_rate=0.01,
    average=0.99,
    average_share=0.0,
    heldout_share=0.1,
    heldout_block=1,
    heldout_per_channel=False,
    jump=5.0,
    snapshot_every=3,
    max_failures=5,
)


def picture(h=14, w=13):
    rows, columns = np.mgrid[0:h, 0:w] / max(h, w)
    return np.stack([rows, columns, 0.5 + 0 * rows], axis=-1).astype(np.float32)


@functools.cache
def a_fit(patience=0, **changes):
    """A step, its lane and its first state; and a chunk of 20 steps."""
    settings = FitSettings(**(SETTINGS.__dict__ | changes))
    fit = make_fit(settings, criteria.heldout(patience=patience), 3)
    clean = picture()
    noisy = clean + 0.1 * np.random.default_rng(0).normal(size=clean.shape).astype(np.float32)
    observation, _ = observe(noisy.clip(0, 1))
    lane = jax.jit(fit.make_lane)(jax.random.key(1), observation, clean)
    state = jax.jit(fit.init)(jax.random.key(2), lane)
    return jax.jit(fit.step), lane, state, jax.jit(make_steps(fit.step, 20), donate_argnums=0)


def fresh(state):
    return jax.tree.map(jnp.copy, state)


@pytest.mark.thorough
@pytest.mark.parametrize(("precision", "apart"), [("bfloat16", 0.2), ("float16", 0.02)])
def test_steps_in_16_bits_follow_those_in_float32(precision, apart):
    """In float16 unscaled gradients with respect to single values would be 0."""
    losses = []
    for kind in ("float32", precision):
        _, lane, state, chunk = a_fit(precision=kind, input_noise=0.0)
        state, info = chunk(fresh(state), lane, 5)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))
        losses.append(np.asarray(info.loss[:5]))
    assert losses[0][4] < 0.97 * losses[0][0]
    fallen = [(loss[0] - loss)[1:] for loss in losses]
    np.testing.assert_allclose(*fallen, atol=apart * fallen[0][-1])


@pytest.mark.parametrize("side", [16, 512, 8192])
def test_a_float16_gradient_has_a_size_that_float16_has(side):
    """That of a value that is off by 1/256, and that of a weight that all values depend on."""
    values = 3 * side**2
    scale = _loss_scale("float16", values)
    assert scale * 2 / 256 / values > 6e-8 and scale * 0.5 < 6.6e4
    assert _loss_scale("float32", values) == _loss_scale("bfloat16", values) == 1


def test_the_lane_is_padded_and_the_padding_is_unknown():
    _, lane, _, _ = a_fit()
    assert lane.y.shape == (16, 16, 3) and lane.z.shape == (16, 16, 4)
    known = lane.fit + lane.held
    assert known[:14, :13].all() and not known[14:].any() and not known[:, 13:].any()
    assert lane.inside.sum() == 14 * 13


def test_a_step_is_adam_on_the_data_term():
    step, lane, state, _ = a_fit(input_noise=0.0)
    network, adam = hourglass(SMALL, 3), optax.adam(SETTINGS.learning_rate)
    weights = jax.eval_shape(network.init, jax.random.key(0), lane.z)

    def data_term(params):
        return masked_mse(network.apply(params, lane.z), lane.y, lane.fit)

    params = as_trees(state, weights).params
    loss, gradient = jax.jit(jax.value_and_grad(data_term))(params)
    with jax.numpy_dtype_promotion("standard"):  # optax needs it
        updates, _ = adam.update(gradient, adam.init(params))
    expected = optax.apply_updates(params, updates)
    after, info = step(state, lane)
    assert info.loss == pytest.approx(float(loss), rel=1e-5)
    # The bias before a norm has no gradient but rounding, which Adam blows up; it has no effect.
    live = [k for k in expected if not (k.endswith("conv") and not k.startswith("out"))]
    found = as_trees(after, weights).params
    chex.assert_trees_all_close(
        {k: found[k] for k in live}, {k: expected[k] for k in live}, atol=1e-3
    )


def test_a_step_of_muon_is_that_of_adam_but_for_kernels_wider_than_a_pixel():
    found = {}
    for kind in ("adam", "muon"):
        step, lane, state, _ = a_fit(input_noise=0.0, optimiser=kind)
        weights = jax.eval_shape(hourglass(SMALL, 3).init, jax.random.key(0), lane.z)
        after, _ = step(state, lane)
        chex.assert_trees_all_equal_shapes(after, state)
        before, now = as_trees(state, weights).params, as_trees(after, weights).params
        found[kind] = jax.tree.map(lambda b, a: a - b, before, now)
    wide = []
    for (path, adam), muon in zip(
        jax.tree_util.tree_leaves_with_path(found["adam"]),
        jax.tree.leaves(found["muon"]),
        strict=True,
    ):
        if adam.ndim == 4 and adam.shape[0] > 1:
            wide.append(path)
            assert not np.allclose(adam, muon, atol=1e-3)
            assert np.sqrt(np.square(muon).mean()) == pytest.approx(0.002, rel=0.6)
        else:
            np.testing.assert_array_equal(adam, muon)
    assert len(wide) == 6  # of two scales: two on the way down each, one on the way up


def test_a_state_with_trees_is_that_of_vectors():
    _, lane, state, chunk = a_fit()
    state, _ = chunk(fresh(state), lane, jnp.int32(3))
    weights = jax.eval_shape(hourglass(SMALL, 3).init, jax.random.key(0), lane.z)
    trees = as_trees(state, weights)
    for tree in (trees.params, trees.best.params, trees.snapshot.params, trees.opt_state[0].mu):
        chex.assert_trees_all_equal_shapes(tree, weights)
    number = sum(leaf.size for leaf in jax.tree.leaves(weights))
    assert all(leaf.shape != (number,) for leaf in jax.tree.leaves(trees))
    for tree, vector in (
        (trees.params, state.params),
        (trees.opt_state[0].mu, state.opt_state[0].mu),
    ):
        assert vector[-4:].all() and list(tree)[-1] == "up1_norm"
        np.testing.assert_array_equal(tree["up1_norm"]["scale"], vector[-4:])
    with jax.numpy_dtype_promotion("standard"):  # optax needs it
        of_trees = optax.adam(1.0).init(trees.params)
    chex.assert_trees_all_equal_shapes(trees.opt_state, of_trees)
    chex.assert_trees_all_equal_shapes(trees.snapshot.opt_state, of_trees)
    chex.assert_trees_all_equal(as_vectors(trees, state), state)


def test_weights_of_a_single_array_are_a_vector_too():
    _, _, state, _ = a_fit()
    single = jax.ShapeDtypeStruct((state.params.size, 1), jnp.float32)
    trees = as_trees(state, single)
    assert trees.params.shape == trees.opt_state[0].mu.shape == single.shape
    chex.assert_trees_all_equal(as_vectors(trees, state), state)


def test_a_step_is_as_long_as_the_schedule_says():
    step, lane, state, _ = a_fit(input_noise=0.0)
    cycled, *_ = a_fit(input_noise=0.0, schedule="one_cycle", peak=3.0)
    lane = lane._replace(num_steps=jnp.int32(100))
    of_constant, of_cycle = (
        jax.tree.map(jnp.subtract, made(state, lane)[0].params, state.params)
        for made in (step, cycled)
    )
    first = 3.0 / 25  # of the constant rate
    expected = jax.tree.map(lambda way: first * way, of_constant)
    chex.assert_trees_all_close(of_cycle, expected, atol=1e-6)


def test_held_out_values_do_not_enter_the_step():
    step, lane, state, _ = a_fit()
    other = lane._replace(y=jnp.where(lane.held > 0, 1 - lane.y, lane.y))
    chex.assert_trees_all_equal(step(state, lane)[0].params, step(state, other)[0].params)


def test_a_chunk_is_its_steps_and_wherever_it_is_cut():
    step, lane, state, chunk = a_fit()
    whole, history = chunk(fresh(state), lane, jnp.int32(7))
    parts, _ = chunk(fresh(state), lane, jnp.int32(3))
    parts, _ = chunk(parts, lane, jnp.int32(7))
    chex.assert_trees_all_equal(whole, parts)
    assert int(whole.step) == 7
    assert np.isfinite(history.loss[:7]).all() and np.isnan(history.loss[7:]).all()
    stepwise = state
    losses = []
    for _ in range(7):
        stepwise, info = step(stepwise, lane)
        losses.append(info.loss)
    np.testing.assert_allclose(history.loss[:7], losses, rtol=1e-3)


def test_the_step_is_compiled_once():
    step, lane, state, _ = a_fit()
    chex.clear_trace_counter()
    counted = chex.assert_max_traces(
        step.__wrapped__, n=2
    )  # the shapes of its report, and the loop's body
    chunk = jax.jit(make_steps(counted, 5), donate_argnums=0)
    state = fresh(state)
    for until in (1, 4, 9, 14):
        state, _ = chunk(state, lane, jnp.int32(until))
    assert int(state.step) == 14


def test_a_fit_learns_and_keeps_the_best_by_held_out_psnr():
    _, lane, state, chunk = a_fit()
    scores, outs, states = [], [], fresh(state)
    for until in range(20, 101, 20):
        states, history = chunk(states, lane, jnp.int32(until))
        scores += history.psnr_heldout_avg.tolist()
        outs += history.psnr_heldout_out.tolist()
        trues = history.psnr_true_avg
    best = states.best
    # An output is chosen over the averages only if it is better than all of them, and then for less
    # than it measures; see `criteria.heldout`.
    at = int(best.step) - 1
    assert float(best.score) >= max(scores) - 1e-5
    if int(best.kind) == AVG:
        assert float(best.score) == pytest.approx(scores[at], abs=1e-5)
    else:
        assert max(scores) < float(best.score) < outs[at]
    assert trues[-1] > 15
    assert float(states.oracle.psnr_avg) >= float(trues[-1])
    kind = best.x_avg if int(best.kind) == 1 else best.x_out
    np.testing.assert_array_equal(best.x, kind)


def test_the_average_weighs_the_outputs_alike_however_early():
    step, lane, state, _ = a_fit()
    outs, state = [], fresh(state)
    for _ in range(3):
        state, _ = step(state, lane)
        outs.append(np.asarray(state.x_out))
    weights = np.array([0.99**2, 0.99, 1.0])
    expected = np.tensordot(weights / weights.sum(), np.stack(outs), 1)
    np.testing.assert_allclose(state.x_avg, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("share", "weights"),
    first_always([(1 / 3, [1, 2, 3, 4]), (0.5, [1, 1, 1, 1]), (0.25, [1, 3, 6, 10])]),
)
def test_an_average_that_grows_weighs_the_outputs_by_a_power_of_their_step(share, weights):
    # 1/4: the rising factorials i (i + 1) / 2, the exact form of i^2 in the source.
    step, lane, state, _ = a_fit(average=0.0, average_share=share)
    outs, state = [], fresh(state)
    for _ in weights:
        state, _ = step(state, lane)
        outs.append(np.asarray(state.x_out))
    expected = np.average(np.stack(outs), axis=0, weights=weights)
    np.testing.assert_allclose(state.x_avg, expected, atol=1e-6)


def test_the_mean_age_of_what_is_averaged_is_its_share_of_the_steps():
    settings = FitSettings(**(SETTINGS.__dict__ | {"average": 0.9, "average_share": 0.4}))
    state = SimpleNamespace(x_avg=jnp.float32(0), avg_length=jnp.float32(0))
    for i in range(1, 601):  # the average of the steps' numbers
        x_avg, length = _average(state, jnp.float32(i), settings)
        state = SimpleNamespace(x_avg=x_avg, avg_length=length)
    assert (600 - float(state.x_avg)) / 600 == pytest.approx(0.4, abs=0.01)


def test_a_patience_ends_the_fit_by_itself():
    _, lane, state, chunk = a_fit(patience=2)
    state, _ = fresh(state), None
    for until in range(20, 401, 20):
        state, _ = chunk(state, lane, jnp.int32(until))
        if int(state.status) != RUNNING:
            break
    assert int(state.status) == STOPPED
    assert int(state.step) == int(state.best.step) + 2
    assert int(state.criterion.step) == int(state.best.step)


@pytest.mark.slow
def test_lanes_are_independent_of_each_other():
    step, lane, state, _ = a_fit()
    other_lane = lane._replace(y=lane.y[::-1], z=lane.z + 0.01)
    other = state._replace(key=jax.random.key(5), params=jax.tree.map(jnp.cos, state.params))
    lanes, states = (
        jax.tree.map(lambda *leaves: jnp.stack(leaves), *pair)
        for pair in ((lane, other_lane), (state, other))
    )

    together = jax.jit(jax.vmap(step))
    for _ in range(3):
        states, infos = together(states, lanes)
        state, info = step(state, lane)
        other, other_info = step(other, other_lane)
    np.testing.assert_allclose(infos.loss, [info.loss, other_info.loss], rtol=1e-3)
    np.testing.assert_allclose(states.x_out[0], state.x_out, atol=2e-3)
    np.testing.assert_allclose(states.x_out[1], other.x_out, atol=2e-3)


def poisoned(state):
    return state._replace(params=jax.tree.map(lambda p: p * jnp.nan, state.params))


def test_a_fit_that_falls_apart_goes_back_with_a_fresh_key():
    step, lane, state, chunk = a_fit()
    good, _ = chunk(fresh(state), lane, jnp.int32(10))
    broken = poisoned(good)
    after, info = step(broken, lane)
    assert not np.isfinite(info.loss)
    chex.assert_trees_all_equal(after.params, good.snapshot.params)
    chex.assert_trees_all_equal(after.opt_state, good.snapshot.opt_state)
    chex.assert_trees_all_equal(after.x_avg, good.snapshot.x_avg)
    chex.assert_trees_all_equal(after.best, good.best)
    assert (jax.random.key_data(after.key) != jax.random.key_data(good.key)).any()
    assert int(after.failures) == int(after.rollbacks) == 1
    going_on, _ = chunk(after, lane, jnp.int32(20))
    assert int(going_on.step) == 20 and int(going_on.failures) == 0
    assert np.isfinite(going_on.x_out).all()


@pytest.mark.parametrize("when", range(8, 12))
def test_one_bad_update_is_got_over_whenever_it_comes(when):
    step, lane, state, chunk = a_fit()
    good, _ = chunk(fresh(state), lane, jnp.int32(when))
    # The update of this step goes wrong: the weights that it leaves are not finite.
    broken = poisoned(step(good, lane)[0])
    after, _ = chunk(broken, lane, jnp.int32(when + 10))
    assert int(after.status) == RUNNING and int(after.rollbacks) == 1
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after.params))


def test_a_jump_of_the_data_term_counts_as_falling_apart():
    step, lane, state, chunk = a_fit()
    good, _ = chunk(fresh(state), lane, jnp.int32(10))
    shaken = good._replace(loss_avg=good.loss_avg / 100)
    assert int(step(shaken, lane)[0].rollbacks) == 1


def test_too_many_failures_in_a_row_end_the_fit_with_the_best_so_far():
    _, lane, state, chunk = a_fit(max_failures=2)
    good, _ = chunk(fresh(state), lane, jnp.int32(10))
    bad = lane._replace(y=lane.y * jnp.nan)
    after, _ = chunk(fresh(good), bad, jnp.int32(20))
    assert int(after.status) == DIVERGED and int(after.step) == 12
    chex.assert_trees_all_equal(after.best, good.best)


def test_select_takes_all_of_one_state():
    _, _, state, _ = a_fit()
    other = state._replace(step=state.step + 5, x_avg=state.x_avg + 1)
    chex.assert_trees_all_equal(_select(jnp.bool_(True), other, state), other)
    chex.assert_trees_all_equal(_select(jnp.bool_(False), other, state), state)
