"""One fit: the state of a lane, and the step that changes it.

A lane is one picture with one seed. `train_step` is written for one lane and is pure; several lanes
are `jax.vmap` over it. Everything that a step changes is in `LaneState`, so that a checkpoint of it
is the whole run; everything that stays is in `Lane`.

The step is the one of Ulyanov, Vedaldi, Lempitsky, "Deep Image Prior", CVPR 2018: Adam on the data
term `E(θ) = mean (f(θ, z + s·n) − y)²` over the fitted values, with fresh normal noise n in every
step, and a moving average of the outputs. The exponential average corrects its bias towards the
first outputs as Adam does (Kingma, Ba, "Adam", ICLR 2015, section 3), so it may be a long one. It
can also grow with the number of steps, which is the polynomial-decay averaging of Shamir, Zhang,
"Stochastic Gradient Descent for Non-smooth Optimization", ICML 2013, section 4.
"""

import contextlib
import dataclasses
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool

from dip_jax.fit_state import (
    AVG,
    DIVERGED,
    OUT,
    RUNNING,
    STOPPED,
    Best,
    Lane,
    LaneState,
    Oracle,
    Snapshot,
    StepInfo,
)
from dip_jax.forward import metrics
from dip_jax.forward.observation import Observation, hold_out, masked_mse, pad
from dip_jax.networks.hourglass import Architecture, hourglass
from dip_jax.networks.inputs import network_input
from dip_jax.networks.network import Network
from dip_jax.stopping import Criterion, View

Tree = TypeVar("Tree")


@dataclasses.dataclass(frozen=True)
class FitSettings:
    """The hyper-parameters of one fit.

    Attributes:
        architecture: the network.
        input_kind: "noise" or "meshgrid"; see `inputs.network_input`.
        input_depth: channels d of `z`.
        input_scale: upper end of the uniform distribution of `z`.
        input_noise: standard deviation s of the noise that every step adds to `z`.
        learning_rate: of Adam.
        average: weight a of the past in the moving average of the outputs, in [0, 1).
        average_share: lower limit of the mean age of the averaged outputs, as a share s of the
            steps made, in [0, 0.5]: 0 leaves the length to `average`, 0.5 is the mean of all.
        heldout_share: share of the known values that are held out, in [0, 1).
        heldout_block: side in pixels of the squares that are held out together.
        heldout_per_channel: whether each channel has its own held-out values.
        jump: rise of the data term over its recent average, in dB, that counts as falling apart.
        snapshot_every: steps between the states that a failed fit goes back to.
        max_failures: failures in a row that end the fit.
        precision: of the network's convolutions and of what is kept between them, one of
            `PRECISIONS`; "tf32" makes a difference on accelerators alone. float16 rounds as finely
            as TF32 and takes as long as bfloat16. Weights, norms and data term are float32 whatever
            it is.
        remat: whether activations are computed again for the gradient in place of being kept.
    """

    architecture: Architecture
    input_kind: str
    input_depth: int
    input_scale: float
    input_noise: float
    learning_rate: float
    average: float
    average_share: float
    heldout_share: float
    heldout_block: int
    heldout_per_channel: bool
    jump: float
    snapshot_every: int
    max_failures: int
    precision: str = "float32"
    remat: bool = False


PRECISIONS = ("float32", "tf32", "float16", "bfloat16")


class Fit(NamedTuple):
    """A fit as pure functions of a lane.

    Attributes:
        make_lane: `make_lane(key, observation, clean=None)` pads and splits the observation.
        init: `init(key, lane)` gives the first state.
        step: `step(state, lane)` gives the next state and its `StepInfo`.
        label: all that it depends on, by which compiled programs are told apart; "" if not known.
    """

    make_lane: Callable[..., Lane]
    init: Callable[[Array, Lane], LaneState]
    step: Callable[[LaneState, Lane], tuple[LaneState, StepInfo]]
    label: str = ""


def make_fit(settings: FitSettings, criterion: Criterion, channels: int) -> Fit:
    """The fit of pictures with `channels` channels under the given settings."""
    dtype = jnp.float32
    if settings.precision in ("float16", "bfloat16"):
        dtype = jnp.dtype(settings.precision)
    network = hourglass(
        settings.architecture, channels, dtype=jnp.dtype(dtype), remat=settings.remat
    )
    optimiser = _adam(settings.learning_rate)

    def make_lane(key: Array, observation: Observation, clean: Array | None = None) -> Lane:
        h, w, _ = observation.y.shape
        size = settings.architecture.padded(h, w)
        input_key, split_key = jax.random.split(key)
        known = observation.known
        if settings.heldout_per_channel:
            known = jnp.broadcast_to(known, observation.y.shape)
        fit, held = hold_out(split_key, known, settings.heldout_share, settings.heldout_block)
        return Lane(
            z=network_input(
                input_key, settings.input_kind, *size, settings.input_depth, settings.input_scale
            ),
            y=pad(observation.y, *size),
            fit=pad(fit, *size, mode="zero"),
            held=pad(held, *size, mode="zero"),
            inside=pad(jnp.ones((h, w, 1)), *size, mode="zero"),
            true=None if clean is None else pad(jnp.asarray(clean), *size),
        )

    def init(key: Array, lane: Lane) -> LaneState:
        params_key, steps_key = jax.random.split(key)
        params = network.init(params_key, lane.z)
        opt_state = optimiser.init(params)
        x = jnp.zeros_like(lane.y)
        zero, lowest, unknown = jnp.int32(0), jnp.float32(-jnp.inf), jnp.float32(jnp.inf)
        return LaneState(
            step=zero,
            key=steps_key,
            params=params,
            opt_state=opt_state,
            x_out=x,
            x_avg=x,
            avg_length=jnp.float32(0),
            loss_avg=unknown,
            best=Best(lowest, zero, zero, x, x, x, params),
            criterion=criterion.init(lane),
            oracle=None if lane.true is None else Oracle(lowest, zero, lowest, zero),
            snapshot=Snapshot(zero, params, opt_state, x, jnp.float32(0), unknown),
            failures=zero,
            rollbacks=zero,
            status=jnp.int32(RUNNING),
        )

    def step(state: LaneState, lane: Lane) -> tuple[LaneState, StepInfo]:
        with _matmul_precision(settings.precision):
            return train_step(
                state,
                lane,
                network=network,
                optimiser=optimiser,
                criterion=criterion,
                settings=settings,
            )

    label = f"{settings} {criterion.label} {channels}" if criterion.label else ""
    return Fit(make_lane, init, step, label)


def _matmul_precision(precision: str) -> contextlib.AbstractContextManager:
    """What JAX does with float32 products: on an accelerator its own default may be less."""
    if jax.default_backend() == "cpu":  # which has one precision, and faster paths without a word
        return contextlib.nullcontext()
    return jax.default_matmul_precision("tensorfloat32" if precision == "tf32" else "float32")


def _adam(learning_rate: float) -> optax.GradientTransformation:
    adam = optax.adam(learning_rate)

    def update(updates, state, params=None):
        # optax relies on a promotion that a strict session forbids.
        with jax.numpy_dtype_promotion("standard"):
            return adam.update(updates, state, params)

    return optax.GradientTransformation(adam.init, update)


def train_step(
    state: LaneState,
    lane: Lane,
    *,
    network: Network,
    optimiser: optax.GradientTransformation,
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

    scale = _loss_scale(settings.precision, lane.y.size)

    def scaled(params):
        x_out = network.apply(params, z)
        loss = masked_mse(x_out, lane.y, lane.fit)
        return scale * loss, (loss, x_out)

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
    params = optax.apply_updates(state.params, jax.tree.map(lambda u: caution * u, updates))

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
    known = lane.fit + lane.held

    def both(reference, mask):
        return metrics.psnr(x_out, reference, mask), metrics.psnr(x_avg, reference, mask)

    nothing = (jnp.float32(jnp.nan), jnp.float32(jnp.nan))
    true = nothing if lane.true is None else both(lane.true, lane.inside)
    return StepInfo(loss, *both(lane.y, lane.held), *true, *both(lane.y, known))


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


def make_steps(
    step: Callable[[LaneState, Lane], tuple[LaneState, StepInfo]], length: int
) -> Callable[[LaneState, Lane, Array], tuple[LaneState, StepInfo]]:
    """Many steps as one pure function.

    Args:
        step: the step of one lane.
        length: the largest number of steps.

    Returns:
        `steps(state, lane, until)`: makes steps until there are `length` of them, or the lane's own
        step count reaches `until`, or its status is no longer RUNNING. Gives the new state and the
        `StepInfo` of each step as arrays of `length` entries, NaN for steps not made.
    """

    def steps(state, lane, until):
        history = StepInfo(*[jnp.full(length, jnp.nan, jnp.float32)] * len(StepInfo._fields))

        def going_on(carry):
            i, state, _ = carry
            return (i < length) & (state.step < until) & (state.status == RUNNING)

        def one(carry):
            i, state, history = carry
            state, info = step(state, lane)
            history = jax.tree.map(lambda h, v: h.at[i].set(v), history, info)
            return i + 1, state, history

        _, state, history = jax.lax.while_loop(going_on, one, (jnp.int32(0), state, history))
        return state, history

    return steps


def make_chunk(
    step: Callable[[LaneState, Lane], tuple[LaneState, StepInfo]], length: int
) -> Callable[[LaneState, Lane, Array], tuple[LaneState, StepInfo]]:
    """`make_steps` as one jitted program that does not come back to Python in between.

    The given state's buffers are reused and must not be used again.
    """
    return jax.jit(make_steps(step, length), donate_argnums=0)
