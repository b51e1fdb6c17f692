"""What is told of a lane: its figures while it runs, and its best image once it has ended.

PSNRs are in dB; a figure that does not apply is left out.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from dip_jax.fit.lane import Lane
from dip_jax.fit.state import AVG, DIVERGED, RUNNING, Best, LaneState
from dip_jax.forward import metrics
from dip_jax.forward.data_term import total
from dip_jax.forward.model import Measured

Ssims = Callable[[Array, Array, Lane], dict[str, Array]]


def ssims(x_out: Array, x_avg: Array, lane: Lane) -> dict[str, Array]:
    """The SSIMs of a logged step: too dear for every step, so they are a program of their own."""
    values = {}
    for name, x in (("out", x_out), ("avg", x_avg)):
        if not isinstance(lane.forward, Measured):  # else what was observed is no image
            known = lane.fit + lane.held
            values[f"ssim_observed_{name}"] = metrics.ssim_observed(x, lane.y, known, lane.inside)
        if lane.true is not None:
            values[f"ssim_true_{name}"] = metrics.ssim(x, lane.true, lane.inside)
    return values


def measured(ssims: Ssims, lane: Lane, x_out: Array, x_avg: Array) -> dict[str, float]:
    """The SSIMs of two images as numbers, by the program `ssims`."""
    return {name: float(value) for name, value in ssims(x_out, x_avg, lane).items()}


def figures_of(best: Best, lane: Lane, ssims: Ssims) -> dict[str, dict[str, float]]:
    """Those of the output ("out") and of the moving average ("avg") at the chosen step."""
    figures: dict[str, dict[str, float]] = {}
    of_both = measured(ssims, lane, best.x_out, best.x_avg)
    known = jax.tree.map(jnp.add, lane.fit, lane.held)
    for name, x in (("out", best.x_out), ("avg", best.x_avg)):
        psnrs = {
            "psnr_heldout": metrics.psnr_observed(x, lane.y, lane.held, lane.forward),
            "psnr_observed": metrics.psnr_observed(x, lane.y, known, lane.forward),
        }
        if lane.true is not None:
            psnrs["psnr_true"] = metrics.psnr(x, lane.true, lane.inside)
        values = {key: float(value) for key, value in psnrs.items()}
        values |= {key[: -len(f"_{name}")]: v for key, v in of_both.items() if key.endswith(name)}
        figures[name] = {key: value for key, value in values.items() if not np.isnan(value)}
    return figures


def best_of(state: LaneState) -> Best:
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


_SETTLED = 100  # steps; by then the moving average has lost what it began with


def is_usable(best: Best, lane: Lane, steps: int) -> bool:
    """Whether an image is worth more than nothing: it was fitted for a while, or shows something.

    Shows something: on the values that were held out, or where none were on all that are known, it
    is nearer to the picture than the mean colour of what was fitted. A picture that is flat but for
    noise has nothing more to show; so after 100 steps any image will do.

    Args:
        best: the image.
        lane: what was fitted.
        steps: that were made.
    """
    if steps >= _SETTLED:
        return True
    if isinstance(lane.forward, Measured):
        any_held = float(total(lane.held, jnp.sum)) > 0
        judged_by, flat = lane.held if any_held else lane.fit, jnp.full_like(best.x, 0.5)
        psnrs = [metrics.psnr_observed(x, lane.y, judged_by, lane.forward) for x in (best.x, flat)]
        return float(psnrs[0]) > float(psnrs[1])
    x, y, fit, held = (np.asarray(a) for a in (best.x, lane.y, lane.fit, lane.held))
    fit = np.broadcast_to(fit, y.shape)
    judged = np.broadcast_to(held if held.any() else fit, y.shape) > 0
    colour = (y * fit).sum(axis=(0, 1)) / np.maximum(fit.sum(axis=(0, 1)), 1)
    return bool(np.square(x - y)[judged].mean() < np.square(colour - y)[judged].mean())


def oracle_of(state: LaneState) -> dict[str, float]:
    """The highest `psnr_true` and its step, of both images; empty without a clean image."""
    if state.oracle is None:
        return {}
    oracle = state.oracle
    return {
        "psnr_true_out": float(oracle.psnr_out),
        "step_out": int(oracle.step_out),
        "psnr_true_avg": float(oracle.psnr_avg),
        "step_avg": int(oracle.step_avg),
    }


def stop_reason(state: LaneState, asked: bool, schedule: str) -> str:
    """Why a lane has ended; see `jobs.Restoration`.

    Args:
        state: its last.
        asked: whether it was asked to, before its last step.
        schedule: of the learning rate.
    """
    if int(state.status) == DIVERGED:
        return "diverged"
    if int(state.status) != RUNNING:
        return "criterion"
    if asked:
        return "asked"
    return "num_steps" if schedule == "constant" else "schedule"
