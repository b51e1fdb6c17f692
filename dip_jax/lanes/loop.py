"""The loop around the device: lanes into slots, chunks of steps, checkpoints, what is logged.

`fit_lanes` fits any number of lanes of any number of pictures. It knows nothing of files but
through the `Checkpoints` that it is given, and shows what it does only through callbacks.
"""

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from dip_jax.errors import InputError, field, joined
from dip_jax.fit.criteria import Criterion
from dip_jax.fit.fitting import Fit, make_fit
from dip_jax.fit.hyperparameters import FitSettings
from dip_jax.fit.lane import Lane
from dip_jax.fit.state import LaneState
from dip_jax.forward.model import Measured
from dip_jax.lanes import our_jax
from dip_jax.lanes.jobs import LaneJob, LaterJob
from dip_jax.lanes.memory import lanes_that_fit, memory_exhausted
from dip_jax.lanes.running import (
    Programs,
    Running,
    Schedule,
    begun,
    has_ended,
    log,
    preview,
    programs_of,
    result_of,
    row_of,
    save,
    take_in,
)
from dip_jax.lanes.slots import Advance, Shape, Slots, expect, shape_of_measured
from dip_jax.networks.fields import widths


@our_jax.as_needed()
def fit_lanes(
    jobs: Sequence[LaneJob | LaterJob],
    *,
    settings: FitSettings,
    criterion: Criterion,
    num_steps: int,
    log_every: int = 50,
    preview_every: int = 0,
    checkpoint_every: int = 500,
    at_once: int = 0,
    form: str = "auto",
    say: Callable[[str], None] = lambda text: None,
) -> bool:
    """Fits lanes, so many at once as the devices hold; a lane that ends makes room for the next.

    Pictures of different sizes share a program, and the places in it, where their padded sizes are
    the same. What a picture is padded to depends on the picture alone: a lane gives the same image
    whatever it is batched with.

    Args:
        jobs: the lanes.
        settings: the hyper-parameters.
        criterion: judges every step and may end a lane.
        num_steps: the largest number of steps of each; a lane may have fewer of its own.
        log_every: steps between two calls of a lane's `on_log`.
        preview_every: steps between two calls of `on_preview`; 0 for none.
        checkpoint_every: steps between two checkpoints; there is one at the end as well.
        at_once: lanes on each device; 0 for as many as its memory holds, up to eight (on a
            CPU, one).
        form: how they share a device; see `slots`.
        say: told of what a person should know, such as fewer lanes for want of memory.

    Returns:
        Whether all have ended, and none was asked to.

    Raises:
        InputError: from a lane without `on_failed`: if a picture is too small for the network, too
            little of it is known, a checkpoint belongs to another picture, no usable image comes
            out, or the memory is too small for a single lane.
    """
    schedule = Schedule(num_steps, log_every, preview_every, checkpoint_every)
    plan = _Plan(settings, criterion, schedule, at_once, form, say, time.perf_counter())
    queues: _Queues = {}
    for job in jobs:
        queues.setdefault(_shape_of(job, settings), deque()).append(job)
    failures: list[InputError] = []

    def fail(job: LaneJob | LaterJob, error: InputError) -> None:
        if job.on_failed is not None:
            job.on_failed(error)
        else:
            failures.append(error)

    asked = False
    while queues and not asked:
        shape = next(iter(queues))
        queue = queues.pop(shape)
        group = _group(plan, shape)
        while (queue or group.running) and not asked:
            try:
                _fill(plan, group, queue, queues, fail)
                asked = _advance(plan, group, fail)
            except Exception as error:
                if not memory_exhausted(error):
                    raise
                _take_fewer(plan, group, queue, fail)
    if failures:
        raise failures[0]
    return not asked


_Queue = deque[LaneJob | LaterJob]
_Queues = dict[Shape, _Queue]
_Fail = Callable[[LaneJob | LaterJob, InputError], None]


class _Plan(NamedTuple):
    """What all lanes of a call have in common; see `fit_lanes`. It began at `begin`."""

    settings: FitSettings
    criterion: Criterion
    schedule: Schedule
    at_once: int
    form: str
    say: Callable[[str], None]
    begin: float

    @property
    def length(self) -> int:
        """The most steps of a chunk: as many as from one log to the next, or more.

        A power of 2, so that other intervals mostly do with the program that there is.
        """
        wanted = min(self.schedule.log_every, self.schedule.num_steps)
        return max(_SHORTEST, 1 << (wanted - 1).bit_length())


_SHORTEST = 16  # steps


@dataclasses.dataclass
class _Group:
    """The lanes of one shape, in their places.

    Attributes:
        shape: of them all.
        fit: their fit.
        made: their compiled functions.
        at_once: how many there are on each device; 0 as long as that is not known.
        slots: their places; None as long as none has begun.
        running: what is in which place.
    """

    shape: Shape
    fit: Fit
    made: Programs
    at_once: int
    slots: Slots | None = None
    running: dict[int, Running] = dataclasses.field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        return self.slots is not None and len(self.running) >= self.slots.count


def _shape_of(job: LaneJob | LaterJob, settings: FitSettings) -> Shape:
    if isinstance(job, LaterJob):
        h, w, channels = job.shape
        known = channels if settings.heldout_per_channel else 1
        return Shape(settings.architecture.padded(h, w), channels, known, not job.with_clean)
    h, w, channels = job.observation.shape
    size = settings.architecture.padded(h, w)
    y, mask, forward = job.observation
    if isinstance(forward, Measured):
        if settings.heldout_per_channel:
            mask = jax.tree.map(lambda m, a: jax.ShapeDtypeStruct(a.shape, m.dtype), mask, y)
        return shape_of_measured(size, y, mask, forward, job.clean is None)
    known = channels if settings.heldout_per_channel else mask.shape[2]
    return Shape(size, channels, known, job.clean is None)


def _group(plan: _Plan, shape: Shape) -> _Group:
    fit = make_fit(plan.settings, plan.criterion, shape.channels)
    if shape.foreign:  # its code may change, and nothing would tell
        fit = fit._replace(label="")
    expect(fit, plan.length, plan.form, shape)
    return _Group(shape, fit, programs_of(fit, shape), plan.at_once)


def _fill(plan: _Plan, group: _Group, queue: _Queue, queues: _Queues, fail: _Fail) -> None:
    """Gives free places to the next lanes."""
    while queue and not group.is_full:
        job = _opened(plan, group, queue, queues, fail)
        if job is None:
            continue
        try:
            _start(plan, group, job, len(queue), fail)
        except InputError as error:
            fail(job, error)
        queue.popleft()  # only now: if the memory was too small, it is still to be done


def _opened(
    plan: _Plan, group: _Group, queue: _Queue, queues: _Queues, fail: _Fail
) -> LaneJob | None:
    """The next lane, made ready; None if it cannot be, or has another shape than it seemed."""
    job = queue[0]
    if isinstance(job, LaneJob):
        return job
    try:
        ready = job.open()
    except InputError as error:
        fail(queue.popleft(), error)
        return None
    shape = _shape_of(ready, plan.settings)
    if shape != group.shape:
        queues.setdefault(shape, deque()).append(ready)
        queue.popleft()
        return None
    queue[0] = ready
    return ready


def _start(plan: _Plan, group: _Group, job: LaneJob, waiting: int, fail: _Fail) -> None:
    """Puts a lane into a free place; one that has no step left to make has ended."""
    begin = plan.begin if group.slots is None else time.perf_counter()
    steps = plan.schedule.steps_of(job)
    run, lane, state = begun(job, plan.settings, group.made, steps, begin)
    if has_ended(run, state):
        state = jax.device_put(state)  # a checkpoint's is in the host's memory
        _end(plan, group, run, lane, state, fail)
        return
    if group.slots is None:
        group.slots = _make_slots(plan, group, lane, state, waiting)
    place = next(i for i in range(group.slots.count) if i not in group.running)
    group.slots.put(place, lane, state)
    group.running[place] = run


def _make_slots(plan: _Plan, group: _Group, lane: Lane, state: LaneState, waiting: int) -> Slots:
    devices = jax.local_devices()[:waiting]
    if not group.at_once:
        group.at_once = 1
        if devices[0].platform != "cpu":
            group.at_once = lanes_that_fit(plan.settings, group.fit, lane, devices[0])
    group.at_once = min(group.at_once, -(-waiting // len(devices)))
    return Slots(
        group.fit,
        lane,
        state,
        per_device=group.at_once,
        devices=devices,
        length=plan.length,
        form=plan.form,
    )


def _advance(plan: _Plan, group: _Group, fail: _Fail) -> bool:
    """Makes one chunk of steps, and tells; whether all were asked to end."""
    if not group.running or group.slots is None:
        return False
    until = np.zeros(group.slots.count, np.int64)
    for i, run in group.running.items():
        until[i] = run.until(plan.schedule)
    begin = time.perf_counter()
    advance = group.slots.advance(until)
    share = (time.perf_counter() - begin) / max(1, advance.made.sum())
    asked = False
    for i, run in list(group.running.items()):
        run.spend(share * int(advance.made[i]))
        asked |= _look_at(plan, group, i, advance, fail)
    if asked:
        for i, run in list(group.running.items()):
            _end(plan, group, run, group.slots.lane(i), group.slots.get(i), fail, asked=True)
            del group.running[i]
    return asked


def _look_at(plan: _Plan, group: _Group, i: int, advance: Advance, fail: _Fail) -> bool:
    """Logs, shows, saves and ends the lane in place `i`, as it is due; whether all are to end."""
    run, made = group.running[i], int(advance.made[i])
    take_in(run, made, int(advance.steps[i]))
    if made == 0:
        return False
    step, schedule = run.step, plan.schedule
    ended = step >= run.num_steps or not advance.running[i]
    logged = step == 1 or step % schedule.log_every == 0 or ended
    previewed = schedule.preview_every and step % schedule.preview_every == 0
    saved = run.job.checkpoints is not None and step % schedule.checkpoint_every == 0
    if not (logged or previewed or saved):
        return False
    assert group.slots is not None
    lane, state = group.slots.lane(i), group.slots.get(i)
    asked = False
    if logged:
        rollbacks = int(advance.rollbacks[i])
        asked = log(run, lane, state, row_of(advance, i), rollbacks, group.made)
    if previewed:
        preview(run, state)
    if saved:
        save(run, lane, state, group.made)
    if ended:
        _end(plan, group, run, lane, state, fail)
        del group.running[i]
    return asked


def _end(
    plan: _Plan,
    group: _Group,
    run: Running,
    lane: Lane,
    state: LaneState,
    fail: _Fail,
    asked: bool = False,
) -> None:
    """Saves a lane and gives its result, or says why there is none."""
    save(run, lane, state, group.made)
    try:
        result = result_of(run, lane, state, group.made, plan.settings, asked)
        if run.job.on_done is not None:
            run.job.on_done(result)
    except InputError as error:
        fail(run.job, error)


def _take_fewer(plan: _Plan, group: _Group, queue: _Queue, fail: _Fail) -> None:
    """After the memory was exhausted: starts again, from the checkpoints, with half as many."""
    queue.extendleft(run.job for run in reversed(group.running.values()))
    group.slots, group.running = None, {}
    if group.at_once > 1:
        group.at_once //= 2
        plan.say(f"the memory is too small: going on with {group.at_once} lanes on each device")
        return
    error = InputError(
        "the memory is too small for this picture and network: use a smaller picture or fewer "
        "channels (",
        *joined(field(name) for name in widths(plan.settings.architecture)),
        ")",
    )
    while queue:  # all of one size
        fail(queue.popleft(), error)
