"""The loop around the device: chunks of steps, checkpoints, what is logged, and why it ended.

`restore` takes an observation and gives the restored image with the figures. It knows nothing of
files but through the `Checkpoints` that it is given, and shows what it does only through `on_log`.
"""

import dataclasses
import hashlib
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from dip_jax import metrics
from dip_jax.checkpoints import Checkpoints
from dip_jax.errors import InputError
from dip_jax.fitting import (
    AVG,
    DIVERGED,
    RUNNING,
    Fit,
    FitSettings,
    Lane,
    LaneState,
    make_chunk,
    make_fit,
)
from dip_jax.observation import Observation
from dip_jax.stopping import Criterion

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Log:
    """What `on_log` sees at every logged step.

    Attributes:
        step: steps made so far.
        row: the figures of this step, those of `metrics.jsonl`; PSNRs in dB.
        rollbacks: how often the fit has fallen apart and gone back, since the start.
    """

    step: int
    row: Row
    rollbacks: int


@dataclasses.dataclass(frozen=True)
class Restoration:
    """The result of a fit.

    Attributes:
        x: the best image, `(h, w, c)` float32 in [0, 1]: the raw network, nothing composited.
        x_out: the output at the chosen step.
        x_avg: the moving average at the chosen step.
        steps: steps made.
        chosen_step: the step that `x` comes from, counted from 1.
        chosen_image: "out" or "avg".
        stop_reason: "num_steps", "criterion", "diverged" or "asked".
        rollbacks: how often the fit has fallen apart and gone back.
        oracle: the highest `psnr_true` of "out" and "avg" and their steps; empty if there is no
            clean image.
        figures: for "out" and "avg" at the chosen step, their PSNRs in dB and SSIMs.
        seconds: time spent fitting, all sessions of a resumed run together.
        seconds_to_first_step: from the call to the end of its first step, compilation included;
            None if there was no step left to make.
        steps_per_second: after the first step.
    """

    x: np.ndarray
    x_out: np.ndarray
    x_avg: np.ndarray
    steps: int
    chosen_step: int
    chosen_image: str
    stop_reason: str
    rollbacks: int
    oracle: dict[str, float]
    figures: dict[str, dict[str, float]]
    seconds: float
    seconds_to_first_step: float | None
    steps_per_second: float


def restore(
    observation: Observation,
    *,
    settings: FitSettings,
    criterion: Criterion,
    num_steps: int,
    seed: int = 0,
    clean: np.ndarray | None = None,
    log_every: int = 50,
    on_log: Callable[[Log], bool] | None = None,
    preview_every: int = 0,
    on_preview: Callable[[int, np.ndarray], None] | None = None,
    checkpoints: Checkpoints | None = None,
    checkpoint_every: int = 500,
) -> Restoration:
    """Fits the network to one observation and gives the best image by the criterion.

    Args:
        observation: the degraded image, `(h, w, c)`, and what is known of it.
        settings: the hyper-parameters.
        criterion: judges every step and may end the fit.
        num_steps: the largest number of steps.
        seed: of the weights, the input, its noise and the held-out values.
        clean: the clean image of an experiment, `(h, w, c)` in [0, 1].
        log_every: steps between two calls of `on_log`.
        on_log: called at the first, at every logged and at the last step; True ends the fit.
        preview_every: steps between two calls of `on_preview`; 0 for none.
        on_preview: called with the step and the moving average, `(h, w, c)` in [0, 1].
        checkpoints: where to save, and to go on from if there is something.
        checkpoint_every: steps between two checkpoints; there is one at the end as well.

    Raises:
        InputError: if the picture is too small for the network, too little of it is known, the
            checkpoint belongs to another picture, or no usable image comes out.
    """
    begin = time.perf_counter()
    h, w, channels = observation.y.shape
    check_size(h, w, settings)
    fit = make_fit(settings, criterion, channels)
    lane, state = _first_state(fit, observation, seed, clean)
    if not float(jnp.sum(lane.fit)):
        raise InputError(
            "no known value is left to fit after holding some out: lower config.heldout.share or "
            "config.heldout.block, or use a mask that fills less"
        )
    mark = fingerprint(observation, clean)
    seconds_before = 0.0
    if checkpoints is not None and checkpoints.latest_step() is not None:
        state, record = checkpoints.restore(state)
        if record["observation"] != mark:
            raise InputError(
                "the checkpoint belongs to another picture or mask than this one: give it back the "
                "files that it was started with, or use another work directory"
            )
        seconds_before = record["seconds"]

    def save(state: LaneState) -> None:
        if checkpoints is not None:
            seconds = seconds_before + time.perf_counter() - begin
            checkpoints.save(state, {"observation": mark, "seconds": seconds})

    chunk = make_chunk(fit.step, min(log_every, num_steps))
    measure = _make_measure(h, w)
    every = [n for n in (log_every, preview_every, checkpoint_every) if n]
    first_step = done = int(state.step)
    first_seconds, asked = None, False
    while done < num_steps and int(state.status) == RUNNING and not asked:
        until = min(num_steps, *((done // n + 1) * n for n in every))
        if done == first_step:
            until = done + 1  # so that the first step's time is known
        state, history = chunk(state, lane, jnp.int32(until))
        done, made = int(state.step), int(state.step) - done
        if first_seconds is None:
            first_seconds = time.perf_counter() - begin
        ended = done == num_steps or int(state.status) != RUNNING
        if done == 1 or done % log_every == 0 or ended:
            row: Row = {"step": done}
            row |= {name: float(h[made - 1]) for name, h in history._asdict().items()}
            row |= measure(state.x_out, state.x_avg, lane)
            row = {name: value for name, value in row.items() if not np.isnan(value)}
            row["seconds"] = round(seconds_before + time.perf_counter() - begin, 3)
            if on_log is not None:
                asked = bool(on_log(Log(done, row, int(state.rollbacks))))
        if preview_every and done % preview_every == 0 and on_preview is not None:
            on_preview(done, np.asarray(state.x_avg[:h, :w]))
        if done % checkpoint_every == 0:
            save(state)
    save(state)

    elapsed = time.perf_counter() - begin
    later = done - first_step - 1
    best = state.best
    if not int(best.step):
        raise InputError(
            "the fit fell apart from its first step on, and there is nothing to show: lower "
            "config.learning_rate, or check the picture"
        )
    speed = float("nan")
    if first_seconds is not None and later > 0:
        speed = later / (elapsed - first_seconds)
    return Restoration(
        x=np.asarray(best.x[:h, :w]),
        x_out=np.asarray(best.x_out[:h, :w]),
        x_avg=np.asarray(best.x_avg[:h, :w]),
        steps=done,
        chosen_step=int(best.step),
        chosen_image="avg" if int(best.kind) == AVG else "out",
        stop_reason=_stop_reason(state, asked and done < num_steps),
        rollbacks=int(state.rollbacks),
        oracle=_oracle(state),
        figures=_figures(best, lane, measure),
        seconds=seconds_before + elapsed,
        seconds_to_first_step=first_seconds,
        steps_per_second=speed,
    )


def check_size(h: int, w: int, settings: FitSettings) -> None:
    """Refuses a picture that is smaller than the network's scales need.

    Raises:
        InputError: if a side is shorter than 2^S pixels.
    """
    least = settings.architecture.min_side
    if min(h, w) < least:
        raise InputError(
            f"the picture is {w} x {h} pixels, smaller than the {least} x {least} that a network "
            f"of {settings.architecture.scales} scales needs: use a larger picture, or fewer scales"
        )


def _first_state(
    fit: Fit, observation: Observation, seed: int, clean: np.ndarray | None
) -> tuple[Lane, LaneState]:
    lane_key, state_key = jax.random.split(jax.random.key(seed))
    lane = jax.jit(fit.make_lane)(lane_key, observation, clean)
    # Separate buffers for what starts out equal: the chunk takes the state's buffers over.
    state = jax.tree.map(jnp.copy, jax.jit(fit.init)(state_key, lane))
    return lane, state


def fingerprint(observation: Observation, clean: np.ndarray | None) -> str:
    """A digest of the picture, of what is known of it, and of the clean picture."""
    digest = hashlib.sha256()
    for array in (*observation, *(() if clean is None else (clean,))):
        digest.update(str(array.shape).encode())
        digest.update(np.asarray(array).tobytes())
    return digest.hexdigest()


def _make_measure(h: int, w: int) -> Callable[[Array, Array, Lane], dict[str, float]]:
    """The SSIMs of a logged step: too dear for every step, so they are a program of their own."""

    @jax.jit
    def measure(x_out, x_avg, lane):
        values = {}
        y, known = lane.y[:h, :w], (lane.fit + lane.held)[:h, :w]
        for name, x in (("out", x_out[:h, :w]), ("avg", x_avg[:h, :w])):
            values[f"ssim_observed_{name}"] = metrics.ssim_observed(x, y, known)
            if lane.true is not None:
                values[f"ssim_true_{name}"] = metrics.ssim(x, lane.true[:h, :w])
        return values

    return lambda *args: {name: float(value) for name, value in measure(*args).items()}


def _figures(best, lane: Lane, measure) -> dict[str, dict[str, float]]:
    figures: dict[str, dict[str, float]] = {}
    ssims = measure(best.x_out, best.x_avg, lane)
    for name, x in (("out", best.x_out), ("avg", best.x_avg)):
        psnrs = {
            "psnr_heldout": metrics.psnr(x, lane.y, lane.held),
            "psnr_observed": metrics.psnr(x, lane.y, lane.fit + lane.held),
        }
        if lane.true is not None:
            psnrs["psnr_true"] = metrics.psnr(x, lane.true, lane.inside)
        values = {key: float(value) for key, value in psnrs.items()}
        values |= {key[: -len(f"_{name}")]: v for key, v in ssims.items() if key.endswith(name)}
        figures[name] = {key: value for key, value in values.items() if not np.isnan(value)}
    return figures


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
