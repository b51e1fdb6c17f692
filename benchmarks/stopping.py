"""How near to the best point a fit stops by itself, and what holding pixels out costs.

    python -m benchmarks.stopping               makes benchmarks/results/stopping.md
    python -m benchmarks.stopping --data=DIR    with the published pictures in DIR as well
    python -m benchmarks.stopping --study       makes benchmarks/results/stopping_study.md

Each case is fitted for a fixed number of steps with held-out pixels, and once more with all of
them. The criteria look at every step of the same run, inside the step, so each is judged by what it
would have chosen. All PSNRs are `psnr_true` over the whole picture of what the run would have
given: in the masked tasks that is the composite with the known pixels. "Oracle" is the highest of
them in the run.

Resumable: each finished fit is kept in a file of its own, and only what is missing is run.
"""

import argparse
import dataclasses
import json
import platform
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from dip_jax import startup

startup.keep_freed_memory()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from dip_jax import degrade, images, metrics, stopping, tasks  # noqa: E402
from dip_jax.files import write_bytes  # noqa: E402
from dip_jax.fitting import RUNNING, make_chunk, make_fit  # noqa: E402
from dip_jax.observation import observe  # noqa: E402
from dip_jax.reporting import write_json  # noqa: E402
from dip_jax.stopping import Criterion, Judgement, View  # noqa: E402

RESULTS = Path(__file__).parent / "results"
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


SAMPLES = (
    Case("denoise", "chelsea", 2000),
    Case("denoise", "astronaut", 2000),
    Case("text_inpaint", "astronaut", 2000),
    Case("text_inpaint", "coffee", 2000),
    Case("hole_fill", "chelsea", 2000),
    Case("hole_fill", "coffee", 2000),
    Case("reconstruct", "coffee", 2000),
    Case("reconstruct", "astronaut", 2000),
)
PUBLISHED = (
    Case("denoise", "denoise/house.png", 2000),
    Case("denoise", "denoise/f16.png", 2000),
    Case("reconstruct", "reconstruct/boat.png", 2000),
)
PUBLISHED_STEPS = {"denoise": 1800, "text_inpaint": 6001, "hole_fill": 5001, "reconstruct": 11000}


class Track(NamedTuple):
    """What one criterion with one patience has chosen so far, and whether it has stopped."""

    carry: Any
    score: jax.Array
    step: jax.Array
    psnr: jax.Array
    stopped_at: jax.Array


def watch_all(criteria: dict[str, Criterion], psnr_of: Any, steps: int) -> Criterion:
    """A criterion that lets many criteria judge the same run, and stops for none of them.

    Args:
        criteria: by name.
        psnr_of: gives the `psnr_true` in dB that a person would get from an image.
        steps: the length of the run, for its curves.
    """

    def init(lane):
        nothing = (jnp.float32(-jnp.inf), jnp.int32(0), jnp.float32(jnp.nan), jnp.int32(0))
        tracks = {name: Track(c.init(lane), *nothing) for name, c in criteria.items()}
        return tracks, jnp.full((steps, 4), jnp.nan)

    def update(carry, view: View):
        tracks, curves = carry
        psnrs = (psnr_of(view.x_out), psnr_of(view.x_avg))
        curves = curves.at[view.step - 1].set(jnp.stack([*psnrs, *view.psnr_heldout]))
        updated = {}
        for name, track in tracks.items():
            inner, judgement = criteria[name].update(track.carry, view)
            avg = judgement.score_avg >= judgement.score_out
            score = jnp.where(avg, judgement.score_avg, judgement.score_out)
            running = track.stopped_at == 0
            better = running & (score > track.score)
            updated[name] = Track(
                inner,
                jnp.where(better, score, track.score),
                jnp.where(better, view.step, track.step),
                jnp.where(better, jnp.where(avg, psnrs[1], psnrs[0]), track.psnr),
                jnp.where(running & judgement.stop, view.step, track.stopped_at),
            )
        stay = Judgement(jnp.float32(0), jnp.float32(0), jnp.bool_(False))
        return (updated, curves), stay

    return Criterion(init, update)


def load(case: Case, side: int, data: Path | None) -> np.ndarray:
    if "/" not in case.picture:
        return images.to_float(images.sample(case.picture, side).pixels)
    assert data is not None
    with Image.open(data / case.picture) as image:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        return images.to_float(np.asarray(image))


def fit_case(case: Case, side: int, data: Path | None, changes: dict[str, Any]) -> dict[str, Any]:
    """Fits one case for its steps; gives what every criterion would have chosen."""
    config = tasks.defaults(case.task)
    for path, value in (dict(case.changes) | changes).items():
        *sections, name = path.split(".")
        section = config
        for part in sections:
            section = section[part]
        section[name] = value
    settings = tasks.fit_settings(config)
    clean = load(case, side, data)
    damage = config["damage"]
    rng, fill = np.random.default_rng(damage["seed"]), None
    if case.task == "denoise":
        y = degrade.gaussian_noise(clean, damage["sigma"], rng)
    else:
        draw = {
            "text_inpaint": lambda: degrade.text_mask(clean.shape[:2], rng),
            "hole_fill": lambda: degrade.holes_mask(clean.shape[:2], rng, damage["share"]),
            "reconstruct": lambda: degrade.missing_mask(clean.shape[:2], rng, damage["share"]),
        }
        fill = draw[case.task]()
        y = degrade.erase(clean, fill, 0.0)
    h, w, channels = clean.shape
    keep = jnp.zeros((h, w, 1)) if fill is None else jnp.asarray(~fill[..., None], jnp.float32)

    def psnr_of(x):
        given = keep * jnp.asarray(y) + (1 - keep) * x[:h, :w]
        return metrics.psnr(given, jnp.asarray(clean), jnp.ones((h, w, 1)))

    criteria: dict[str, Criterion] = {}
    if config["heldout"]["share"]:
        for patience in HELDOUT_PATIENCES:
            criteria[f"heldout {patience}"] = stopping.heldout(patience=patience)
    for patience in WMV_PATIENCES:
        criteria[f"wmv {patience}"] = stopping.wmv(patience=patience)
    fit = make_fit(settings, watch_all(criteria, psnr_of, case.steps), channels)
    lane_key, state_key = jax.random.split(jax.random.key(case.seed))
    observation, _ = observe(y, fill)
    lane = jax.jit(fit.make_lane)(lane_key, observation, clean)
    state = jax.tree.map(jnp.copy, jax.jit(fit.init)(state_key, lane))
    chunk = make_chunk(fit.step, 100)
    state, _ = chunk(state, lane, jnp.int32(1))
    begin = time.perf_counter()
    while int(state.step) < case.steps and int(state.status) == RUNNING:
        state, _ = chunk(state, lane, jnp.int32(case.steps))
    seconds = (time.perf_counter() - begin) / max(1, int(state.step) - 1)
    tracks, curves = state.criterion
    curves = np.asarray(curves)
    best = int(np.nanargmax(np.fmax(curves[:, 0], curves[:, 1])))
    return {
        "task": case.task,
        "picture": case.picture,
        "shape": [h, w, channels],
        "steps": int(state.step),
        "seconds_per_step": seconds,
        "rollbacks": int(state.rollbacks),
        "degraded": float(metrics.psnr(jnp.asarray(y), jnp.asarray(clean), jnp.ones((h, w, 1)))),
        "oracle": {"psnr": float(np.nanmax(curves[best, :2])), "step": best + 1},
        "last": float(curves[int(state.step) - 1, 1]),
        "criteria": {
            name: {
                "psnr": float(track.psnr),
                "step": int(track.step),
                "stopped_at": int(track.stopped_at),
            }
            for name, track in tracks.items()
        },
        "curves": [[round(float(v), 3) for v in row] for row in curves[9::10]],
    }


def kept(folder: Path, name: str, make: Any) -> dict[str, Any]:
    """The result of that name, from its file if it is there."""
    path = folder / f"{name.replace('/', '-').replace(' ', '-')}.json"
    if not path.exists():
        print(f"{name} ...", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, make())
    return json.loads(path.read_text())


STUDY: dict[str, dict[str, Any]] = {
    "share 5%": {"heldout.share": 0.05},
    "share 10%": {"heldout.share": 0.1},
    "share 20%": {"heldout.share": 0.2},
    "share 5%, per channel": {"heldout.share": 0.05, "heldout.per_channel": True},
    "share 10%, per channel": {"heldout.share": 0.1, "heldout.per_channel": True},
}
BLOCKS: dict[str, dict[str, Any]] = {
    f"blocks of {block}": {"heldout.block": block} for block in (1, 16, 32)
}
STUDY_CASES = (SAMPLES[0], SAMPLES[6])
HOLE_CASES = (SAMPLES[4], SAMPLES[5])


def fits(
    cases: tuple[Case, ...], variants: dict[str, dict[str, Any]], args: argparse.Namespace
) -> Iterator[tuple[Case, str, dict[str, Any]]]:
    for case in cases:
        for label, changes in variants.items():
            name = f"{case.task} {case.picture} {label} {args.side}"
            yield (
                case,
                label,
                kept(
                    args.work,
                    name,
                    lambda c=case, ch=changes: fit_case(c, args.side, args.data, ch),
                ),
            )


def header(args: argparse.Namespace) -> list[str]:
    cores = len(__import__("os").sched_getaffinity(0))
    return [
        f"Pictures reduced to {args.side} pixels on the longer side; default settings of each task "
        f"but for the number of steps. {jax.devices()[0].device_kind}, {cores} cores, "
        f"{platform.system()}, Python {platform.python_version()}, jax {jax.__version__}.",
        "",
    ]


def main_table(args: argparse.Namespace) -> str:
    """The table of stopping, for all cases."""
    cases = SAMPLES + (PUBLISHED if args.data else ())
    runs: dict[Case, dict[str, dict[str, Any]]] = {}
    variants = {"held out": {}, "all fitted": {"heldout.share": 0.0, "stop.criterion": "wmv"}}
    for case, label, result in fits(cases, variants, args):
        runs.setdefault(case, {})[label] = result
    lines = [
        "| task | picture | oracle (step) | held-out (step) | loss | stopped at | ES-WMV (step) | "
        "loss | stopped at | last step | steps saved | cost of holding out | rollbacks |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    losses, wmv_losses, costs = [], [], []
    for case, both in runs.items():
        result, everything = both["held out"], both["all fitted"]
        patience = tasks.defaults(case.task)["stop"]["patience"]
        chosen = result["criteria"][f"heldout {patience}"]
        wmv = everything["criteria"][f"wmv {args.wmv_patience}"]
        oracle, all_oracle = result["oracle"], everything["oracle"]
        losses.append(oracle["psnr"] - chosen["psnr"])
        wmv_losses.append(all_oracle["psnr"] - wmv["psnr"])
        costs.append(all_oracle["psnr"] - oracle["psnr"])
        saved = 1 - (chosen["stopped_at"] or case.steps) / PUBLISHED_STEPS[case.task]
        lines.append(
            f"| {case.task} | {Path(case.picture).stem} {result['shape'][1]}×{result['shape'][0]} "
            f"| {oracle['psnr']:.2f} ({oracle['step']}) "
            f"| {chosen['psnr']:.2f} ({chosen['step']}) | {losses[-1]:.2f} "
            f"| {chosen['stopped_at'] or '–'} "
            f"| {wmv['psnr']:.2f} ({wmv['step']}) | {wmv_losses[-1]:.2f} "
            f"| {wmv['stopped_at'] or '–'} "
            f"| {everything['last']:.2f} | {100 * saved:.0f}% "
            f"| {costs[-1]:.2f} | {result['rollbacks']} |"
        )
    lines += [
        "",
        f"Held-out: mean loss {statistics.mean(losses):.2f} dB, worst {max(losses):.2f} dB. "
        f"ES-WMV (P = {args.wmv_patience}): mean loss {statistics.mean(wmv_losses):.2f} dB, worst "
        f"{max(wmv_losses):.2f} dB. Holding out costs {statistics.mean(costs):.2f} dB on average.",
    ]
    return "\n".join(["# Stopping by itself", "", *header(args), *lines, ""])


def study_table(args: argparse.Namespace) -> str:
    """The table that the share, the channels, the blocks and the patience were chosen by."""
    lines = [
        "| task | picture | held out | oracle (step) | "
        + " | ".join(f"patience {p}" for p in HELDOUT_PATIENCES)
        + " |",
        "|---|---|---|---|" + "---|" * len(HELDOUT_PATIENCES),
    ]
    rows = [*fits(HOLE_CASES, BLOCKS, args), *fits(STUDY_CASES, STUDY, args)]
    for case, label, result in rows:
        oracle = result["oracle"]
        cells = []
        for patience in HELDOUT_PATIENCES:
            track = result["criteria"][f"heldout {patience}"]
            cells.append(f"{track['psnr'] - oracle['psnr']:+.2f} ({track['stopped_at'] or '–'})")
        lines.append(
            f"| {case.task} | {case.picture} | {label} | {oracle['psnr']:.2f} ({oracle['step']}) | "
            + " | ".join(cells)
            + " |"
        )
    note = (
        "Each cell: the chosen image against the oracle of the same run in dB (step of the stop)."
    )
    return "\n".join(
        ["# What to hold out, and how long to wait", "", *header(args), *lines, "", note, ""]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of published pictures")
    parser.add_argument("--side", type=int, default=128, help="longer side in pixels (128)")
    parser.add_argument("--study", action="store_true", help="the study behind the defaults")
    parser.add_argument("--wmv-patience", type=int, default=1000, help="P of ES-WMV (1000)")
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks/stopping"))
    args = parser.parse_args()
    startup.keep_compiled_programs()
    table = study_table(args) if args.study else main_table(args)
    name = "stopping_study.md" if args.study else "stopping.md"
    RESULTS.mkdir(exist_ok=True)
    write_bytes(RESULTS / name, table.encode())
    print(table)


if __name__ == "__main__":
    main()
