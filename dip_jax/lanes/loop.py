"""The loop around the device: lanes into slots, chunks of steps, checkpoints, what is logged.

`restore` takes an observation and seeds, and gives the restored image with the figures. `fit_lanes`
does the same for any number of lanes of any number of pictures. Both know nothing of files but
through the `Checkpoints` that they are given, and show what they do only through callbacks.
"""

import dataclasses
import functools
import time
from collections import deque
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from dip_jax.errors import InputError
from dip_jax.fit.criteria import Criterion
from dip_jax.fit.fitting import Fit, make_fit
from dip_jax.fit.hyperparameters import FitSettings
from dip_jax.fit.lane import Lane
from dip_jax.fit.state import AVG, DIVERGED, RUNNING, Best, LaneState
from dip_jax.forward import metrics
from dip_jax.forward.observation import Observation
from dip_jax.lanes import programs
from dip_jax.lanes.jobs import LaneJob, LaterJob, Log, Restoration, Row, check_size, fingerprint
from dip_jax.lanes.memory import device_bytes, lane_bytes, memory_exhausted
from dip_jax.lanes.slots import Advance, Slots, expect


def restore(
    observation: Observation,
    *,
    seeds: Sequence[int] = (0,),
    clean: np.ndarray | None = None,
    on_log: Callable[[Log], bool] | None = None,
    on_failed: Callable[[int, InputError], None] | None = None,
    **how,
) -> list[Restoration]:
    """Fits the network to one observation, once for every seed; see `fit_lanes` for `how`.

    Args:
        observation: the degraded image, `(h, w, c)`, and what is known of it.
        seeds: to fit with, one after the other or at once.
        clean: the clean image of an experiment, `(h, w, c)` in [0, 1].
        on_log: as in `LaneJob`.
        on_failed: called with a seed and what makes its result impossible. Without it the first
            such error is raised once all have ended.
        how: as in `fit_lanes`.

    Returns:
        The result of every seed that has one, in their order. Their images' mean is the ensemble's
        result.
    """
    results: dict[int, Restoration] = {}

    def keep(result: Restoration) -> None:
        results[result.seed] = result

    def job(seed: int) -> LaneJob:
        failed = functools.partial(on_failed, seed) if on_failed is not None else None
        return LaneJob(observation, seed, clean, on_log=on_log, on_done=keep, on_failed=failed)

    fit_lanes([job(seed) for seed in seeds], **how)
    return [results[seed] for seed in seeds if seed in results]


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
        num_steps: the largest number of steps of each.
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
    loop = _Loop(
        settings, criterion, num_steps, log_every, preview_every, checkpoint_every, form, say
    )
    queues: _Queues = {}
    for job in jobs:
        queues.setdefault(loop.shape(job), deque()).append(job)
    asked = False
    while queues and not asked:
        shape = next(iter(queues))
        queue = queues.pop(shape)
        loop.use(make_fit(settings, criterion, shape[1]), at_once, shape)
        while (queue or loop.running) and not asked:
            try:
                asked = loop.go_on(queue, queues)
            except Exception as error:
                if not memory_exhausted(error):
                    raise
                loop.take_fewer(queue)
    if loop.failure is not None:
        raise loop.failure
    return not asked


# The convolutions of lanes side by side are unrolled: more lanes compile longer, and a lane of 8 of
# 512×512 pixels takes hardly less time than one of 4.
_MOST_AT_ONCE = 8

# What lanes of one program have in common: the padded size, the channels of the picture and of what
# is known of it, and whether there is no clean image.
_Shape = tuple[tuple[int, int], int, int, bool]
_Queues = dict[_Shape, deque[LaneJob | LaterJob]]


@dataclasses.dataclass
class _Running:
    """A lane in its place."""

    job: LaneJob
    mark: str
    step: int
    first_step: int
    seconds: float
    begin: float
    first_seconds: float | None = None
    first_share: float = 0.0
    this_session: float = 0.0

    @property
    def size(self) -> tuple[int, int]:
        h, w, _ = self.job.observation.y.shape
        return h, w


class _Loop:
    """The lanes of one shape and their slots."""

    def __init__(
        self,
        settings: FitSettings,
        criterion: Criterion,
        num_steps: int,
        log_every: int,
        preview_every: int,
        checkpoint_every: int,
        form: str,
        say: Callable[[str], None],
    ) -> None:
        self._settings, self._criterion, self._num_steps = settings, criterion, num_steps
        self._log_every, self._preview_every = log_every, preview_every
        self._checkpoint_every, self._form, self._say = checkpoint_every, form, say
        self._length = min(log_every, num_steps)
        self._begin = time.perf_counter()
        self.failure: InputError | None = None

    def shape(self, job: LaneJob | LaterJob) -> _Shape:
        if isinstance(job, LaterJob):
            h, w, channels = job.shape
            known = channels if self._settings.heldout_per_channel else 1
            return self._settings.architecture.padded(h, w), channels, known, not job.with_clean
        h, w, channels = job.observation.y.shape
        size = self._settings.architecture.padded(h, w)
        return size, channels, job.observation.known.shape[2], job.clean is None

    def use(self, fit: Fit, at_once: int, shape: _Shape | None = None) -> None:
        """Begins with lanes of another shape."""
        self._fit, self._shape, self._at_once = fit, shape, at_once
        expect(fit, self._length, self._form)
        self._make_lane = jax.jit(fit.make_lane)
        self._ssims = programs.kept(jax.jit(_ssims), "ssims")
        self._init = programs.kept(jax.jit(fit.init), fit.label and f"init {fit.label}")
        self._slots: Slots | None = None
        self.running: dict[int, _Running] = {}

    def take_fewer(self, queue: deque[LaneJob | LaterJob]) -> None:
        """After the memory was exhausted: starts again, from the checkpoints, with half as many."""
        queue.extendleft(run.job for run in reversed(self.running.values()))
        self._slots, self.running = None, {}
        if self._at_once > 1:
            self._at_once //= 2
            self._say(
                f"the memory is too small: going on with {self._at_once} lanes on each device"
            )
            return
        while queue:  # all of one size
            self._fail(
                queue.popleft(),
                InputError(
                    "the memory is too small for this picture and network: use a smaller picture "
                    "or fewer channels (config.network.down and config.network.up)"
                ),
            )

    def _fail(self, job: LaneJob | LaterJob, error: InputError) -> None:
        if job.on_failed is not None:
            job.on_failed(error)
        elif self.failure is None:
            self.failure = error

    def _opened(self, queue: deque[LaneJob | LaterJob], queues: _Queues) -> LaneJob | None:
        """The next lane, made ready; None if it cannot be, or has another shape than it seemed."""
        job = queue[0]
        if isinstance(job, LaneJob):
            return job
        try:
            ready = job.open()
        except InputError as error:
            self._fail(queue.popleft(), error)
            return None
        if self.shape(ready) != self._shape:
            queues.setdefault(self.shape(ready), deque()).append(ready)
            queue.popleft()
            return None
        queue[0] = ready
        return ready

    def go_on(self, queue: deque[LaneJob | LaterJob], queues: _Queues) -> bool:
        """Fills free places, makes one chunk of steps, and tells; True if asked to end."""
        while queue and (self._slots is None or len(self.running) < self._slots.count):
            job = self._opened(queue, queues)
            if job is None:
                continue
            try:
                self._start(job, len(queue))
            except InputError as error:
                self._fail(job, error)
            queue.popleft()  # only now: if the memory was too small, it is still to be done
        if not self.running or self._slots is None:
            return False
        until = np.zeros(self._slots.count, np.int64)
        for i, run in self.running.items():
            until[i] = self._next_stop(run)
        begin = time.perf_counter()
        advance = self._slots.advance(until)
        share = (time.perf_counter() - begin) / max(1, advance.made.sum())
        asked = False
        for i, run in list(self.running.items()):
            run.seconds += share * int(advance.made[i])
            run.this_session += share * int(advance.made[i])
            asked |= self._look_at(i, run, advance)
        if asked:
            for i, run in list(self.running.items()):
                self._end(run, self._slots.lane(i), self._slots.get(i), asked=True)
                del self.running[i]
        return asked

    def _start(self, job: LaneJob, waiting: int) -> None:
        begin = time.perf_counter() if self._slots is not None else self._begin
        h, w, _ = job.observation.y.shape
        check_size(h, w, self._settings)
        mark = fingerprint(job.observation, job.clean)
        lane_key, state_key = jax.random.split(jax.random.key(job.seed))
        lane = self._make_lane(lane_key, job.observation, job.clean)
        if not float(jnp.sum(lane.fit)):
            raise InputError(
                "no known value is left to fit after holding some out: lower config.heldout.share "
                "or config.heldout.block, or use a mask that fills less"
            )
        state = self._init(state_key, lane)
        seconds = 0.0
        if job.checkpoints is not None and job.checkpoints.latest_step() is not None:
            state, record = job.checkpoints.restore(state)
            if record.get("observation") != mark:
                raise InputError(
                    "the checkpoint belongs to another picture or mask than this one: give it back "
                    "the files that it was started with, or use another work directory"
                )
            seconds = record["seconds"]
        step = int(state.step)
        run = _Running(job, mark, step, step, seconds, begin)
        if step >= self._num_steps or int(state.status) != RUNNING:
            self._end(run, lane, jax.device_put(state))  # a checkpoint's is in the host's memory
            return
        if self._slots is None:
            self._slots = self._make_slots(lane, state, waiting)
        place = next(i for i in range(self._slots.count) if i not in self.running)
        self._slots.put(place, lane, state)
        self.running[place] = run

    def _make_slots(self, lane: Lane, state: LaneState, waiting: int) -> Slots:
        devices = jax.local_devices()[:waiting]
        if not self._at_once:
            self._at_once = 1
            if devices[0].platform != "cpu":
                self._at_once = self._that_fit(lane, devices[0])
        self._at_once = min(self._at_once, -(-waiting // len(devices)))
        return Slots(
            self._fit,
            lane,
            state,
            per_device=self._at_once,
            devices=devices,
            length=self._length,
            form=self._form,
        )

    def _that_fit(self, lane: Lane, device: jax.Device) -> int:
        available = device_bytes(device)
        if available is None:
            return 1
        fitting = int(0.8 * available / lane_bytes(self._settings, self._fit, lane))
        return max(1, min(_MOST_AT_ONCE, fitting))

    def _next_stop(self, run: _Running) -> int:
        if run.step == run.first_step:
            return run.step + 1  # so that the first step's time is known
        every = (self._log_every, self._preview_every, self._checkpoint_every)
        return min(self._num_steps, *((run.step // n + 1) * n for n in every if n))

    def _look_at(self, i: int, run: _Running, advance: Advance) -> bool:
        made, run.step = int(advance.made[i]), int(advance.steps[i])
        job, step = run.job, run.step
        if made == 0:
            return False
        if run.first_seconds is None:
            run.first_seconds = time.perf_counter() - run.begin
            run.first_share = run.this_session / made
        ended = step >= self._num_steps or not advance.running[i]
        logged = step == 1 or step % self._log_every == 0 or ended
        previewed = self._preview_every and step % self._preview_every == 0
        saved = job.checkpoints is not None and step % self._checkpoint_every == 0
        if not (logged or previewed or saved):
            return False
        assert self._slots is not None
        lane, state = self._slots.lane(i), self._slots.get(i)
        asked = False
        if logged:
            row: Row = {"step": step}
            row |= {
                name: float(values[i, made - 1])
                for name, values in advance.history._asdict().items()
            }
            row |= self._measure(lane, state.x_out, state.x_avg)
            row = {name: value for name, value in row.items() if not np.isnan(value)}
            row["seconds"] = round(run.seconds, 3)
            if job.on_log is not None:
                log = Log(job.seed, step, row, int(advance.rollbacks[i]), _fetch(run, state.x_avg))
                asked = bool(job.on_log(log))
        if previewed and job.on_preview is not None:
            h, w = run.size
            job.on_preview(step, np.asarray(state.x_avg)[:h, :w])
        if saved:
            self._save(run, state)
        if ended:
            self._end(run, lane, state)
            del self.running[i]
        return asked

    def _save(self, run: _Running, state: LaneState) -> None:
        if run.job.checkpoints is not None:
            run.job.checkpoints.save(state, {"observation": run.mark, "seconds": run.seconds})

    def _end(self, run: _Running, lane: Lane, state: LaneState, asked: bool = False) -> None:
        """Saves a lane and gives its result, or says why there is none."""
        self._save(run, state)
        try:
            result = self._result(run, lane, state, asked)
            if run.job.on_done is not None:
                run.job.on_done(result)
        except InputError as error:
            self._fail(run.job, error)

    def _result(self, run: _Running, lane: Lane, state: LaneState, asked: bool) -> Restoration:
        best, (h, w) = _best(state), run.size
        if not int(best.step):
            raise InputError(
                "the fit fell apart from its first step on, and there is nothing to show: lower "
                "config.learning_rate, or check the picture"
            )
        later = run.step - run.first_step - 1
        speed = float("nan")
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
            stop_reason=_stop_reason(state, asked and run.step < self._num_steps),
            rollbacks=int(state.rollbacks),
            oracle=_oracle(state),
            figures=self._figures(lane, best),
            seconds=run.seconds,
            seconds_to_first_step=run.first_seconds,
            steps_per_second=speed,
            held=np.asarray(lane.held)[:h, :w] > 0,
        )

    def _measure(self, lane: Lane, x_out: Array, x_avg: Array) -> dict[str, float]:
        return {name: float(value) for name, value in self._ssims(x_out, x_avg, lane).items()}

    def _figures(self, lane: Lane, best) -> dict[str, dict[str, float]]:
        figures: dict[str, dict[str, float]] = {}
        ssims = self._measure(lane, best.x_out, best.x_avg)
        for name, x in (("out", best.x_out), ("avg", best.x_avg)):
            psnrs = {
                "psnr_heldout": metrics.psnr_observed(x, lane.y, lane.held),
                "psnr_observed": metrics.psnr_observed(x, lane.y, lane.fit + lane.held),
            }
            if lane.true is not None:
                psnrs["psnr_true"] = metrics.psnr(x, lane.true, lane.inside)
            values = {key: float(value) for key, value in psnrs.items()}
            values |= {key[: -len(f"_{name}")]: v for key, v in ssims.items() if key.endswith(name)}
            figures[name] = {key: value for key, value in values.items() if not np.isnan(value)}
        return figures


def _ssims(x_out: Array, x_avg: Array, lane: Lane) -> dict[str, Array]:
    """The SSIMs of a logged step: too dear for every step, so they are a program of their own."""
    values, known = {}, lane.fit + lane.held
    for name, x in (("out", x_out), ("avg", x_avg)):
        values[f"ssim_observed_{name}"] = metrics.ssim_observed(x, lane.y, known, lane.inside)
        if lane.true is not None:
            values[f"ssim_true_{name}"] = metrics.ssim(x, lane.true, lane.inside)
    return values


def _fetch(run: _Running, x: Array) -> Callable[[], np.ndarray]:
    h, w = run.size
    return lambda: np.asarray(x[:h, :w])


def _best(state: LaneState) -> Best:
    """The best so far; if nothing could be judged yet (`wmv`, asked to end), the average."""
    if int(state.best.step) or not float(state.avg_length):
        return state.best
    return state.best._replace(
        step=state.step,
        kind=jnp.int32(AVG),
        x=state.x_avg,
        x_out=state.x_out,
        x_avg=state.x_avg,
        params=state.params,
    )


def _oracle(state: LaneState) -> dict[str, float]:
    if state.oracle is None:
        return {}
    oracle = state.oracle
    return {
        "psnr_true_out": float(oracle.psnr_out),
        "step_out": int(oracle.step_out),
        "psnr_true_avg": float(oracle.psnr_avg),
        "step_avg": int(oracle.step_avg),
    }


def _stop_reason(state: LaneState, asked: bool) -> str:
    if int(state.status) == DIVERGED:
        return "diverged"
    if int(state.status) != RUNNING:
        return "criterion"
    return "asked" if asked else "num_steps"
