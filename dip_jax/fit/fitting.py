"""One fit as pure functions of a lane: made ready, begun, gone on with.

A lane is one picture with one seed; several are `jax.vmap` over these functions. The step itself is
in `step`.
"""

import contextlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from dip_jax.fit.criteria import Criterion
from dip_jax.fit.hyperparameters import FitSettings
from dip_jax.fit.lane import Lane
from dip_jax.fit.learning_rate import learning_rate
from dip_jax.fit.optimisers import optimiser
from dip_jax.fit.state import RUNNING, Best, LaneState, Oracle, Snapshot, StepInfo
from dip_jax.fit.step import train_step
from dip_jax.fit.vectors import of_vectors, shapes
from dip_jax.forward.model import Measured
from dip_jax.forward.observation import Observation, hold_out, hold_out_measured, pad
from dip_jax.networks.inputs import network_input
from dip_jax.networks.network import Params


class Fit(NamedTuple):
    """A fit as pure functions of a lane.

    Attributes:
        make_lane: `make_lane(key, observation, clean=None, num_steps=0)` pads and splits the
            observation; how many steps there will be is for the schedule of the learning rate.
        init: `init(key, lane)` gives the first state.
        step: `step(state, lane)` gives the next state and its `StepInfo`.
        weights: `weights(lane)` gives the shapes of the network's weights, as the tree that it
            makes; a state has them as one vector.
        label: all that it depends on, by which compiled programs are told apart; "" if not known.
    """

    make_lane: Callable[..., Lane]
    init: Callable[[Array, Lane], LaneState]
    step: Callable[[LaneState, Lane], tuple[LaneState, StepInfo]]
    weights: Callable[[Lane], Params]
    label: str = ""


def make_fit(settings: FitSettings, criterion: Criterion, channels: int) -> Fit:
    """The fit of pictures with `channels` channels under the given settings."""
    dtype = jnp.float32
    if settings.precision in ("float16", "bfloat16"):
        dtype = jnp.dtype(settings.precision)
    architecture = settings.architecture
    of_trees = architecture.network(channels, dtype=jnp.dtype(dtype), remat=settings.remat)
    network = of_vectors(of_trees)

    def weights(lane: Lane) -> Params:
        return shapes(of_trees, lane.z)

    rate = learning_rate(settings.schedule, settings.learning_rate, settings.peak, settings.rise)

    def make_lane(
        key: Array, observation: Observation, clean: Array | None = None, num_steps: int = 0
    ) -> Lane:
        h, w, _ = observation.shape
        size = architecture.padded(h, w)
        input_key, split_key = jax.random.split(key)
        y, fit, held = _split(split_key, observation, settings, size)
        return Lane(
            z=network_input(
                input_key,
                settings.input_kind,
                *architecture.input_size(*size),
                settings.input_depth,
                settings.input_scale,
            ),
            y=y,
            fit=fit,
            held=held,
            inside=pad(jnp.ones((h, w, 1)), *size, mode="zero"),
            true=None if clean is None else pad(jnp.asarray(clean), *size),
            num_steps=jnp.asarray(num_steps, jnp.int32),
            forward=observation.forward,
        )

    def init(key: Array, lane: Lane) -> LaneState:
        params_key, steps_key = jax.random.split(key)
        params = network.init(params_key, lane.z)
        opt_state = optimiser(settings.optimiser, weights(lane)).init(params)
        x = jnp.zeros(lane.shape, jnp.float32)
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
                optimiser=optimiser(settings.optimiser, weights(lane)),
                rate=rate,
                criterion=criterion,
                settings=settings,
            )

    label = f"{settings} {criterion.label} {channels}" if criterion.label else ""
    return Fit(make_lane, init, step, weights, label)


def _split(key: Array, observation: Observation, settings: FitSettings, size: tuple[int, int]):
    """What was observed, what of it is fitted and what only judges, as a lane has them."""
    y, known, forward = observation
    if settings.heldout_per_channel:
        known = jax.tree.map(lambda m, a: jnp.broadcast_to(m, a.shape), known, y)
    how = (settings.heldout_share, settings.heldout_block, settings.heldout_kind)
    if isinstance(forward, Measured):
        return y, *hold_out_measured(key, known, *how)
    fit, held = hold_out(key, known, *how)
    return pad(y, *size), pad(fit, *size, mode="zero"), pad(held, *size, mode="zero")


def _matmul_precision(precision: str) -> contextlib.AbstractContextManager:
    """What JAX does with float32 products: on an accelerator its own default may be less."""
    if jax.default_backend() == "cpu":  # which has one precision, and faster paths without a word
        return contextlib.nullcontext()
    return jax.default_matmul_precision("tensorfloat32" if precision == "tf32" else "float32")


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

        start = (jnp.int32(0), state, history)
        _, after, history = jax.lax.while_loop(going_on, one, start)
        return after, history

    return steps
