"""A lane while it is fitted: begun, looked at after every chunk of steps, ended.

What a lane is fitted to and its state are on the device; here is what the host knows of it.
"""

import dataclasses
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from dip_jax import compiling
from dip_jax.errors import WORKDIR, InputError, field
from dip_jax.fit.fitting import Fit
from dip_jax.fit.hyperparameters import FitSettings
from dip_jax.fit.lane import Lane
from dip_jax.fit.state import AVG, RUNNING, LaneState
from dip_jax.fit.vectors import as_trees, as_vectors
from dip_jax.forward.data_term import total
from dip_jax.forward.model import Measured
from dip_jax.lanes import figures, programs
from dip_jax.lanes.jobs import LaneJob, Log, Restoration, Row, check_size, fingerprint
from dip_jax.lanes.slots import Advance, Shape
from dip_jax.networks.network import Params


class Schedule(NamedTuple):
    """After how many steps what is done.

    Attributes:
        num_steps: the largest number of steps of a lane; one may have fewer.
        log_every: steps between two logs.
        preview_every: steps between two previews; 0 for none.
        checkpoint_every: steps between two checkpoints.
    """

    num_steps: int
    log_every: int
    preview_every: int
    checkpoint_every: int

    def after(self, step: int) -> int:
        """The next step at which there is something to do, beside the last."""
        every = (self.log_every, self.preview_every, self.checkpoint_every)
        return min((step // n + 1) * n for n in every if n)

    def steps_of(self, job: LaneJob) -> int:
        """The largest number of steps of a lane."""
        return self.num_steps if job.num_steps is None else min(job.num_steps, self.num_steps)


class Programs(NamedTuple):
    """What every lane of one shape needs besides its steps; `weights` alone is not compiled."""

    make_lane: Callable[..., Lane]
    init: Callable[[Array, Lane], LaneState]
    ssims: figures.Ssims
    weights: Callable[[Lane], Params]


def programs_of(fit: Fit, shape: Shape) -> Programs:
    """Those of a fit, for lanes of a shape."""

    def make() -> Programs:
        once = programs.compiler_options(lasting=False)
        return Programs(
            make_lane=jax.jit(fit.make_lane, compiler_options=once),
            init=programs.kept(
                jax.jit(fit.init, compiler_options=once), fit.label and f"init {fit.label}"
            ),
            ssims=programs.kept(
                jax.jit(figures.ssims, compiler_options=compiling.options(lasting=False)), "ssims"
            ),
            weights=fit.weights,
        )

    return programs.shared(fit.label and f"lane {shape} {fit.label}", make)


@dataclasses.dataclass
class Running:
    """What the host knows of a lane.

    Attributes:
        job: what was asked.
        mark: the fingerprint of its picture.
        num_steps: the largest number of its steps.
        step: steps made.
        first_step: steps that earlier sessions had made.
        seconds: its share of the time, all sessions together.
        begin: when it began, by `time.perf_counter`.
        first_seconds: from then to the end of its first step.
        first_share: what it counts of that as its own.
        this_session: its share of the time of this session.
    """

    job: LaneJob
    mark: str
    num_steps: int
    step: int
    first_step: int
    seconds: float
    begin: float
    first_seconds: float | None = None
    first_share: float = 0.0
    this_session: float = 0.0

    @property
    def size(self) -> tuple[int, int]:
        """Of the picture, without padding."""
        h, w, _ = self.job.observation.shape
        return h, w

    def until(self, schedule: Schedule) -> int:
        """The step that its next chunk ends at: the first alone, so that its time is known."""
        if self.step == self.first_step:
            return self.step + 1
        return min(self.num_steps, schedule.after(self.step))

    def spend(self, seconds: float) -> None:
        """Counts time as spent on it."""
        self.seconds += seconds
        self.this_session += seconds


def begun(
    job: LaneJob, settings: FitSettings, made: Programs, num_steps: int, begin: float
) -> tuple[Running, Lane, LaneState]:
    """A lane made ready: from its checkpoint, if there is one.

    Args:
        job: what is asked.
        settings: the hyper-parameters.
        made: the programs of its shape.
        num_steps: the largest number of its steps.
        begin: when it began, by `time.perf_counter`.

    Raises:
        InputError: if the picture is too small for the network, too little of it is known, or the
            checkpoint belongs to another picture.
    """
    h, w, _ = job.observation.shape
    check_size(h, w, settings)
    mark = fingerprint(job.observation, job.clean)
    lane_key, state_key = jax.random.split(jax.random.key(job.seed))
    lane = made.make_lane(lane_key, job.observation, job.clean, num_steps)
    if not float(total(lane.fit, jnp.sum)):
        raise InputError(
            "no known value is left to fit after holding some out: lower ",
            field("heldout.share"),
            " or ",
            field("heldout.block"),
            ", or use a mask that fills less",
        )
    if settings.heldout_share and not float(total(lane.held, jnp.sum)):
        raise InputError(
            "no measurement can be held out: of every array one value is known, or all of them are "
            "held out together; lower ",
            field("heldout.block"),
            ", or set ",
            field("heldout.share"),
            " to 0 with another ",
            field("stop.criterion"),
        )
    state = made.init(state_key, lane)
    seconds = 0.0
    if job.checkpoints is not None and job.checkpoints.latest_step() is not None:
        trees, record = job.checkpoints.restore(as_trees(state, made.weights(lane)))
        state = as_vectors(trees, state)
        if record.get("observation") != mark:
            raise InputError(
                "the checkpoint belongs to another picture or mask than this one: give it back "
                "the files that it was started with, or choose another folder with ",
                WORKDIR,
            )
        seconds = record["seconds"]
    step = int(state.step)
    return Running(job, mark, num_steps, step, step, seconds, begin), lane, state


def has_ended(run: Running, state: LaneState) -> bool:
    """Whether there is no step left to make."""
    return run.step >= run.num_steps or int(state.status) != RUNNING


def take_in(run: Running, made: int, step: int) -> None:
    """Learns that `made` steps have led to `step`."""
    run.step = step
    if made and run.first_seconds is None:
        run.first_seconds = time.perf_counter() - run.begin
        run.first_share = run.this_session / made


def log(run: Running, lane: Lane, state: LaneState, row: Row, rollbacks: int, made: Programs):
    """Tells of a logged step; whether all are to end.

    Args:
        run: the lane.
        lane: what is fitted.
        state: its state.
        row: the figures that the step itself has found.
        rollbacks: how often it has gone back.
        made: the programs of its shape.
    """
    row = {"step": run.step} | row | figures.measured(made.ssims, lane, state.x_out, state.x_avg)
    row = {name: value for name, value in row.items() if not np.isnan(value)}
    row["seconds"] = round(run.seconds, 3)
    if run.job.on_log is None:
        return False
    fetch = _fetch(run, state.x_avg)
    return bool(run.job.on_log(Log(run.job.seed, run.step, row, rollbacks, fetch)))


def row_of(advance: Advance, i: int) -> Row:
    """The figures that the last step of place `i` has found."""
    last = int(advance.made[i]) - 1
    return {name: float(v[i, last]) for name, v in advance.history._asdict().items()}


def preview(run: Running, state: LaneState) -> None:
    """Shows the moving average."""
    if run.job.on_preview is not None:
        h, w = run.size
        run.job.on_preview(run.step, np.asarray(state.x_avg)[:h, :w])


def save(run: Running, lane: Lane, state: LaneState, made: Programs) -> None:
    """Leaves a checkpoint, unless there is one of this step."""
    checkpoints = run.job.checkpoints
    if checkpoints is not None and checkpoints.latest_step() != run.step:
        trees = as_trees(state, made.weights(lane))
        checkpoints.save(trees, {"observation": run.mark, "seconds": run.seconds})


def result_of(
    run: Running,
    lane: Lane,
    state: LaneState,
    made: Programs,
    settings: FitSettings,
    asked: bool,
) -> Restoration:
    """The result of a lane that has ended, or was `asked` to.

    Raises:
        InputError: if no step has given an image.
    """
    best, (h, w) = figures.best_of(state), run.size
    if not int(best.step):
        raise InputError(
            "the fit fell apart from its first step on, and there is nothing to show: lower ",
            field("learning_rate"),
            ", or check the picture",
        )
    later = run.step - run.first_step - 1
    speed = float("nan")
    asked = asked and run.step < run.num_steps
    reason = figures.stop_reason(state, asked, settings.schedule)
    if run.first_seconds is not None and later > 0:
        speed = later / (run.this_session - run.first_share)
    return Restoration(
        seed=run.job.seed,
        x=np.asarray(best.x)[:h, :w],
        x_out=np.asarray(best.x_out)[:h, :w],
        x_avg=np.asarray(best.x_avg)[:h, :w],
        steps=run.step,
        chosen_step=int(best.step),
        chosen_image="avg" if int(best.kind) == AVG else "out",
        stop_reason=reason,
        rollbacks=int(state.rollbacks),
        oracle=figures.oracle_of(state),
        figures=figures.figures_of(best, lane, made.ssims),
        seconds=run.seconds,
        seconds_to_first_step=run.first_seconds,
        steps_per_second=speed,
        held=_held_of(lane, (h, w)),
        usable=reason != "asked" or figures.is_usable(best, lane, run.step),
    )


def _held_of(lane: Lane, size: tuple[int, int]) -> Any:
    if isinstance(lane.forward, Measured):
        return jax.tree.map(lambda held: np.asarray(held) > 0, lane.held)
    h, w = size
    return np.asarray(lane.held)[:h, :w] > 0


def _fetch(run: Running, x: Array) -> Callable[[], np.ndarray]:
    h, w = run.size
    return lambda: np.asarray(x[:h, :w])
