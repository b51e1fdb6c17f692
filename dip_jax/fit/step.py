"""The step of one lane: output, judgement, then the new weights.

`train_step` is pure and written for one lane; several lanes are `jax.vmap` over it. What it changes
is in `LaneState`, what stays is in `Lane`.

The step is the one of Ulyanov, Vedaldi, Lempitsky, "Deep Image Prior", CVPR 2018: Adam on the data
term `E(θ) = mean (A f(θ, z + s·n) − y)²` over the fitted values, with fresh normal noise n in every
step, and a moving average of the outputs. The exponential average corrects its bias towards the
first outputs as Adam does (Kingma, Ba, "Adam", ICLR 2015, section 3), so it may be a long one. It
can also grow with the number of steps, which is the polynomial-decay averaging of Shamir, Zhang,
"Stochastic Gradient Descent for Non-smooth Optimization", ICML 2013, section 4.
"""

import functools
import math
from typing import TypeVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool

from dip_jax.fit.criteria import Criterion, View
from dip_jax.fit.hyperparameters import FitSettings
from dip_jax.fit.lane import Lane
from dip_jax.fit.learning_rate import Rate
from dip_jax.fit.state import (
    AVG,
    DIVERGED,
    OUT,
    RUNNING,
    STOPPED,
    Best,
    LaneState,
    Oracle,
    Snapshot,
    StepInfo,
)
from dip_jax.forward import metrics
from dip_jax.forward.data_term import data_term
from dip_jax.forward.model import Measured
from dip_jax.networks.network import Network

Tree = TypeVar("Tree")


def train_step(
    state: LaneState,
    lane: Lane,
    *,
    network: Network,
    optimiser: optax.GradientTransformation,
    rate: Rate,
    criterion: Criterion,
    settings: FitSettings,
) -> tuple[LaneState, StepInfo]:
    """One step of one lane: output, judgement, then the new weights.

    The output and all figures belong to the weights before the update. If the data term is not
    finite or jumps, nothing is judged: weights, optimiser and average go back to the snapshot, with
    a fresh key and, until the next snapshot, half the step size for every failure in a row.
    """
    noise = jax.random.normal(jax.random.fold_in(state.key, state.step), lane.z.shape)
    z = lane.z + settings.input_noise * noise

    scale = _loss_scale(settings.precision, math.prod(lane.shape))

    def scaled(params):
        x_out = network.apply(params, z)
        loss = data_term(x_out, lane.y, lane.fit, lane.forward)
        return scale * _with_prior(loss, x_out, lane), (loss, x_out)

    (_, (loss, x_out)), gradient = jax.value_and_grad(scaled, has_aux=True)(state.params)
    gradient = jax.tree.map(lambda g: g / scale, gradient)
    healthy = _is_healthy(loss, state.loss_avg, settings.jump)
    started = jnp.isfinite(state.loss_avg)
    x_avg, avg_length = _average(state, x_out, settings)
    loss_avg = jnp.where(started, 0.9 * state.loss_avg + 0.1 * loss, loss)

    info = _measure(loss, x_out, x_avg, lane)
    best, criterion_state, stop = _judge(state, lane, info, x_out, x_avg, criterion)
    oracle = None if state.oracle is None else _advance_oracle(state.oracle, info, state.step + 1)

    updates, opt_state = optimiser.update(gradient, state.opt_state, state.params)
    caution = jnp.exp2(-state.failures.astype(jnp.float32))
    length = caution * rate(state.step, lane.num_steps)
    params = optax.apply_updates(state.params, jax.tree.map(lambda u: length * u, updates))

    next_state = state._replace(
        params=params,
        opt_state=opt_state,
        x_out=x_out,
        x_avg=x_avg,
        avg_length=avg_length,
        loss_avg=loss_avg,
        best=best,
        criterion=criterion_state,
        oracle=oracle,
        status=jnp.where(stop, STOPPED, RUNNING).astype(jnp.int32),
    )
    due = state.step - state.snapshot.since >= settings.snapshot_every
    next_state = _select(due, _take_snapshot(next_state, state), next_state)
    next_state = _select(healthy, next_state, _roll_back(state, settings.max_failures))
    return next_state._replace(step=state.step + 1), info


def _with_prior(loss, x_out, lane: Lane):
    return loss + lane.forward.penalty(x_out) if isinstance(lane.forward, Measured) else loss


def _loss_scale(precision: str, values: int) -> float:
    """What the data term is multiplied by for the gradient, a power of 2.

    The data term is a mean, so its gradient with respect to one of n values is of the order 1/n,
    too small for float16, while that with respect to a weight, the sum over them, may be of the
    order 1: with a factor that grows as √n, up to 2^16, both stay within its range, 6e-8 to 6e4.
    Source: Micikevicius et al., "Mixed Precision Training", ICLR 2018, section 3.2.
    """
    return 2.0 ** min(16, 6 + values.bit_length() // 2) if precision == "float16" else 1.0


def _average(state: LaneState, x_out, settings: FitSettings):
    """The moving average with one more output, and its length L.

    `L' = max(a·L + 1, L + s / (1 - s))`, and the newest output weighs `1 / L'`. The first of the
    two is the exponential average with its bias corrected, of length `1 / (1 - a)` in the end. The
    second alone weighs output i as `i^(1/s - 2)`, so that their mean age is s of the steps made.
    """
    share = settings.average_share
    steady = settings.average * state.avg_length + 1
    length = jnp.maximum(steady, state.avg_length + share / (1 - share))
    return state.x_avg + (x_out - state.x_avg) / length, length


def _select(condition: Bool[Array, ""], if_true: Tree, if_false: Tree) -> Tree:
    # `lax.select` is traced several times as fast as `jnp.where`, and this is every leaf.
    return jax.tree.map(
        lambda a, b: a if a is b else jax.lax.select(condition, a, b), if_true, if_false
    )


def _is_healthy(loss, loss_avg, jump: float):
    """Finite, and not `jump` dB above its recent average (which is infinite at the start).

    A data term below 1e-4 (40 dB) is always healthy: there a jump is only the noise of the input.
    """
    calm = (loss <= 10 ** (jump / 10) * loss_avg) | (loss < 1e-4)
    return jnp.isfinite(loss) & calm


def _measure(loss, x_out, x_avg, lane: Lane) -> StepInfo:
    known = jax.tree.map(jnp.add, lane.fit, lane.held)

    def both(psnr, reference, mask):
        return psnr(x_out, reference, mask), psnr(x_avg, reference, mask)

    nothing = (jnp.float32(jnp.nan), jnp.float32(jnp.nan))
    true = nothing if lane.true is None else both(metrics.psnr, lane.true, lane.inside)
    observed = functools.partial(metrics.psnr_observed, forward=lane.forward)
    held = both(observed, lane.y, lane.held)
    return StepInfo(loss, *held, *true, *both(observed, lane.y, known))


def _judge(state: LaneState, lane: Lane, info: StepInfo, x_out, x_avg, criterion: Criterion):
    view = View(
        step=state.step + 1,
        x_out=x_out,
        x_avg=x_avg,
        psnr_heldout=(info.psnr_heldout_out, info.psnr_heldout_avg),
        psnr_true=None if lane.true is None else (info.psnr_true_out, info.psnr_true_avg),
        lane=lane,
    )
    criterion_state, judgement = criterion.update(state.criterion, view)
    score_out, score_avg = (
        jnp.where(jnp.isnan(score), -jnp.inf, score)
        for score in (judgement.score_out, judgement.score_avg)
    )
    avg_is_better = score_avg >= score_out
    score = jnp.where(avg_is_better, score_avg, score_out)
    candidate = Best(
        score=score,
        step=state.step + 1,
        kind=jnp.where(avg_is_better, AVG, OUT).astype(jnp.int32),
        x=jnp.where(avg_is_better, x_avg, x_out),
        x_out=x_out,
        x_avg=x_avg,
        params=state.params,
    )
    # Until the criterion has chosen for the first time, the latest state stands in.
    better = (score > state.best.score) | jnp.isneginf(state.best.score)
    best = _select(better, candidate, state.best)
    return best, criterion_state, judgement.stop


def _advance_oracle(oracle: Oracle, info: StepInfo, step) -> Oracle:
    out = info.psnr_true_out > oracle.psnr_out
    avg = info.psnr_true_avg > oracle.psnr_avg
    return Oracle(
        jnp.where(out, info.psnr_true_out, oracle.psnr_out),
        jnp.where(out, step, oracle.step_out),
        jnp.where(avg, info.psnr_true_avg, oracle.psnr_avg),
        jnp.where(avg, step, oracle.step_avg),
    )


def _take_snapshot(state: LaneState, before: LaneState) -> LaneState:
    """Remembers the weights of `before`: those whose data term this step has found healthy."""
    snapshot = Snapshot(
        since=before.step,
        params=before.params,
        opt_state=before.opt_state,
        x_avg=state.x_avg,
        avg_length=state.avg_length,
        loss_avg=state.loss_avg,
    )
    return state._replace(snapshot=snapshot, failures=jnp.zeros_like(state.failures))


def _roll_back(state: LaneState, max_failures: int) -> LaneState:
    failures = state.failures + 1
    rollbacks = state.rollbacks + 1
    good = state.snapshot
    return state._replace(
        key=jax.random.fold_in(state.key, 2**31 - 1),
        params=good.params,
        opt_state=good.opt_state,
        x_avg=good.x_avg,
        avg_length=good.avg_length,
        loss_avg=good.loss_avg,
        snapshot=good._replace(since=state.step),
        failures=failures,
        rollbacks=rollbacks,
        status=jnp.where(failures >= max_failures, DIVERGED, RUNNING).astype(jnp.int32),
    )
