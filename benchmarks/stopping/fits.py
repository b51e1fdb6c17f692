"""Fits that many criteria look at, step by step, and stop none of."""

import dataclasses
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.common.beginning import begin, make_chunk
from benchmarks.common.samples import damaged
from dip_jax.finish import composite
from dip_jax.fit.criteria import Criterion, Judgement, View, heldout, wmv
from dip_jax.fit.fitting import make_fit
from dip_jax.fit.state import RUNNING
from dip_jax.forward import metrics
from dip_jax.forward.observation import observe
from dip_jax.settings import build, tasks
from dip_jax.settings.fields import override

HELDOUT_PATIENCES = (50, 100, 150, 200, 300, 500)
WMV_PATIENCES = (300, 1000)


@dataclasses.dataclass(frozen=True)
class Case:
    """One picture and task."""

    task: str
    picture: str
    steps: int
    changes: tuple[tuple[str, Any], ...] = ()
    seed: int = 0
    side: int | None = None


PUBLISHED_STEPS = {"denoise": 1800, "text_inpaint": 6001, "hole_fill": 5001, "reconstruct": 11000}


class Track(NamedTuple):
    """What one criterion with one patience has chosen so far, and whether it has stopped."""

    carry: Any
    score: jax.Array
    step: jax.Array
    psnr: jax.Array
    psnr_raw: jax.Array
    stopped_at: jax.Array


def watch_all(criteria: dict[str, Criterion], psnr_of: Any, steps: int) -> Criterion:
    """A criterion that lets many criteria judge the same run, and stops for none of them.

    Args:
        criteria: by name.
        psnr_of: gives, for an image of the network, the PSNR in dB of what a person would get, and
            that of the image itself.
        steps: the length of the run, for its curves.
    """

    def init(lane):
        unknown = jnp.float32(jnp.nan)
        nothing = (jnp.float32(-jnp.inf), jnp.int32(0), unknown, unknown, jnp.int32(0))
        tracks = {name: Track(c.init(lane), *nothing) for name, c in criteria.items()}
        return tracks, jnp.full((steps, 6), jnp.nan)

    def update(carry, view: View):
        tracks, curves = carry
        out, avg = psnr_of(view.x_out), psnr_of(view.x_avg)
        row = jnp.stack([out[0], avg[0], *view.psnr_heldout, out[1], avg[1]])
        curves = curves.at[view.step - 1].set(row)
        updated = {}
        for name, track in tracks.items():
            inner, judgement = criteria[name].update(track.carry, view)
            by_avg = judgement.score_avg >= judgement.score_out
            score = jnp.where(by_avg, judgement.score_avg, judgement.score_out)
            chosen = [jnp.where(by_avg, a, o) for o, a in zip(out, avg, strict=True)]
            running = track.stopped_at == 0
            better = running & (score > track.score)
            updated[name] = Track(
                inner,
                jnp.where(better, score, track.score),
                jnp.where(better, view.step, track.step),
                jnp.where(better, chosen[0], track.psnr),
                jnp.where(better, chosen[1], track.psnr_raw),
                jnp.where(running & judgement.stop, view.step, track.stopped_at),
            )
        stay = Judgement(jnp.float32(0), jnp.float32(0), jnp.bool_(False))
        return (updated, curves), stay

    return Criterion(init, update)


def case_config(case: Case, changes: dict[str, Any]) -> dict[str, Any]:
    """The settings of a case: the task's defaults with its changes."""
    return override(tasks.defaults(case.task), dict(case.changes) | changes)


def fit_case(case: Case, side: int, changes: dict[str, Any]) -> dict[str, Any]:
    """Fits one case for its steps; gives what every criterion would have chosen."""
    config = case_config(case, changes)
    settings = build.fit_settings(config)
    clean, y, fill = damaged(config, case.picture, side)
    h, w, channels = clean.shape
    observation, _ = observe(y, fill)

    def psnr_of(x):
        x = x[:h, :w]
        given = x if fill is None else composite.seamless(x, observation)
        everywhere = jnp.ones((h, w, 1))
        return [metrics.psnr(image, jnp.asarray(clean), everywhere) for image in (given, x)]

    criteria: dict[str, Criterion] = {}
    if config["heldout"]["share"]:
        for patience in HELDOUT_PATIENCES:
            criteria[f"heldout {patience}"] = heldout(
                patience=patience, only_avg=config["stop"]["only_avg"]
            )
    for patience in WMV_PATIENCES:
        criteria[f"wmv {patience}"] = wmv(patience=patience)
    fit = make_fit(settings, watch_all(criteria, psnr_of, case.steps), channels)
    lane, state = begin(fit, observation, case.steps, case.seed, clean)
    chunk = make_chunk(fit.step, 100)
    state, _ = chunk(state, lane, jnp.int32(1))
    start = time.perf_counter()
    while int(state.step) < case.steps and int(state.status) == RUNNING:
        state, _ = chunk(state, lane, jnp.int32(case.steps))
    seconds = (time.perf_counter() - start) / max(1, int(state.step) - 1)
    tracks, curves = state.criterion
    curves = np.asarray(curves)
    best = int(np.nanargmax(np.fmax(curves[:, 0], curves[:, 1])))
    published = min(int(state.step), PUBLISHED_STEPS[case.task])
    return {
        "task": case.task,
        "picture": case.picture,
        "shape": [h, w, channels],
        "steps": int(state.step),
        "seconds_per_step": seconds,
        "rollbacks": int(state.rollbacks),
        "degraded": float(metrics.psnr(jnp.asarray(y), jnp.asarray(clean), jnp.ones((h, w, 1)))),
        "oracle": {
            "psnr": float(np.nanmax(curves[best, :2])),
            "step": best + 1,
            "psnr_raw": float(np.nanmax(curves[:, 4:])),
        },
        "published": {"psnr": float(curves[published - 1, 1]), "step": published},
        "criteria": {
            name: {
                "psnr": float(track.psnr),
                "psnr_raw": float(track.psnr_raw),
                "step": int(track.step),
                "stopped_at": int(track.stopped_at),
            }
            for name, track in tracks.items()
        },
        "curves": [[round(float(v), 3) for v in row] for row in curves[9::10]],
    }
