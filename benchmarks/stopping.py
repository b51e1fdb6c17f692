"""How near to the best point a fit stops by itself, and what holding pixels out costs.

    python -m benchmarks.stopping               makes benchmarks/results/stopping.md
    python -m benchmarks.stopping --study       makes benchmarks/results/stopping_study.md
    python -m benchmarks.stopping --cost        makes benchmarks/results/stopping_cost.md

Each case is fitted for a fixed number of steps with held-out pixels, and once more with all of
them. The criteria look at every step of the same run, inside the step, so each is judged by what it
would have chosen. PSNRs are against the clean picture, over the whole picture, of what the run
would have given: in the masked tasks that is the composite with the known pixels. "Oracle" is the
highest of them in the run.

Resumable: each finished fit is kept in a file of its own, and only what is missing is run.
"""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from dip_jax.cli import startup

if __name__ == "__main__":
    startup.prepare_memory(restart=True)  # before JAX takes memory

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.common.beginning import begin, make_chunk
from benchmarks.common.samples import damaged
from benchmarks.common.tables import header, kept, row, write_report
from benchmarks.quality.plan import digest
from dip_jax.finish import composite
from dip_jax.fit.criteria import CRITERIA, Criterion, Judgement, View, heldout, wmv
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


SAMPLES = (
    Case("denoise", "chelsea", 1200),
    Case("denoise", "astronaut", 1800),
    Case("text_inpaint", "astronaut", 1500),
    Case("text_inpaint", "coffee", 1500),
    Case("hole_fill", "chelsea", 600),
    Case("hole_fill", "coffee", 600),
    Case("reconstruct", "coffee", 1500),
    Case("reconstruct", "astronaut", 1500),
)
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
    lane, state = begin(fit, observation, case.seed, clean)
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


STUDY: dict[str, dict[str, Any]] = {
    "share 5%": {"heldout.share": 0.05},
    "share 10%": {"heldout.share": 0.1},
    "share 10%, per channel": {"heldout.share": 0.1, "heldout.per_channel": True},
}
BLOCKS: dict[str, dict[str, Any]] = {
    f"share 10%, blocks of {block}": {"heldout.share": 0.1, "heldout.block": block}
    for block in (1, 16)
}
STUDY_CASES = (SAMPLES[0], SAMPLES[6])
# As the blocks were tried: with the short average, of which the output may be chosen too.
SHORT_AVERAGE = (("average_share", 0.0), ("stop.only_avg", False))
HOLE_CASES = tuple(
    dataclasses.replace(case, steps=1200, changes=SHORT_AVERAGE) for case in SAMPLES[4:6]
)


def fits(
    cases: tuple[Case, ...], variants: dict[str, dict[str, Any]], args: argparse.Namespace
) -> Iterator[tuple[Case, str, dict[str, Any]]]:
    for case in cases:
        for label, changes in variants.items():
            side = case.side or args.side
            config = case_config(case, changes)
            name = f"{case.task} {case.picture} {label} {side} {digest([config, case.steps])}"
            yield (
                case,
                label,
                kept(
                    args.work,
                    name,
                    lambda c=case, ch=changes, s=side: fit_case(c, s, ch),
                ),
            )


# Narrow at the finest scale and without skips: the network that was seen to collapse.
COLLAPSE = Case(
    "hole_fill",
    "astronaut",
    2500,
    (
        ("network.down", (16, 32, 64, 128, 128)),
        ("network.up", (16, 32, 64, 128, 128)),
    ),
    side=256,
)
MAIN: dict[str, dict[str, Any]] = {
    "held out": {},
    "all fitted": {"heldout.share": 0.0, "stop.criterion": "wmv"},
}


def main_table(args: argparse.Namespace) -> str:
    """The table of stopping, for all cases."""
    runs: dict[Case, dict[str, dict[str, Any]]] = {}
    for case, label, result in fits(SAMPLES, MAIN, args):
        runs.setdefault(case, {})[label] = result
    names = (
        "task|picture|oracle (step)|held-out (step)|loss|stopped at|ES-WMV (step)|loss|stopped at|"
        "at the published step|published steps saved|holding out costs|rollbacks"
    ).split("|")
    lines = [row(names), row(["---"] * len(names))]
    losses: dict[str, list[float]] = {}
    for case, both in runs.items():
        result, everything = both["held out"], both["all fitted"]
        patience = tasks.defaults(case.task)["stop"]["patience"]
        chosen = result["criteria"][f"heldout {patience}"]
        wmv = everything["criteria"][f"wmv {args.wmv_patience}"]
        oracle, all_oracle = result["oracle"], everything["oracle"]
        published = everything["published"]
        loss = oracle["psnr"] - chosen["psnr"]
        wmv_loss = all_oracle["psnr"] - wmv["psnr"]
        cost = all_oracle["psnr"] - oracle["psnr"]
        kind = "hole" if case.task == "hole_fill" else "other"
        losses.setdefault(kind, []).append(loss)
        losses.setdefault(f"{kind} raw", []).append(oracle["psnr_raw"] - chosen["psnr_raw"])
        losses.setdefault(f"{kind} wmv", []).append(wmv_loss)
        losses.setdefault("cost", []).append(cost)
        stop = chosen["stopped_at"] or result["steps"]
        lines.append(
            row(
                [
                    case.task,
                    f"{case.picture} {result['shape'][1]}×{result['shape'][0]}",
                    f"{oracle['psnr']:.2f} ({oracle['step']})",
                    f"{chosen['psnr']:.2f} ({chosen['step']})",
                    f"{loss:.2f}",
                    str(chosen["stopped_at"] or "–"),
                    f"{wmv['psnr']:.2f} ({wmv['step']})",
                    f"{wmv_loss:.2f}",
                    str(wmv["stopped_at"] or "–"),
                    f"{published['psnr']:.2f} ({published['step']})",
                    f"{100 * (1 - stop / PUBLISHED_STEPS[case.task]):.0f}%",
                    f"{cost:.2f}",
                    str(result["rollbacks"]),
                ]
            )
        )
    lines += ["", "Loss against the same run's oracle in dB, mean and worst:", ""]
    for label, key in (
        ("denoising, text, reconstruction, held-out", "other"),
        ("hole filling, held-out", "hole"),
        ("the network's own image, denoising, text, reconstruction, held-out", "other raw"),
        ("the network's own image, hole filling, held-out", "hole raw"),
        (f"denoising, text, reconstruction, ES-WMV (P = {args.wmv_patience})", "other wmv"),
        (f"hole filling, ES-WMV (P = {args.wmv_patience})", "hole wmv"),
    ):
        lines.append(f"- {label}: {statistics.mean(losses[key]):.2f}, {max(losses[key]):.2f}")
    everyone = losses["other"] + losses["hole"]
    lines.append(f"- all, held-out: {statistics.mean(everyone):.2f}, {max(everyone):.2f}")
    lines.append(f"- what holding out costs: {statistics.mean(losses['cost']):.2f}")
    notes = [
        "",
        "ES-WMV judges the run that fits all pixels. The published step is the published number of "
        "steps, or the last one of the run where it is shorter, of the average. Steps cost the "
        "same time each, so the share of steps saved is the share of time saved.",
    ]
    lines += [*notes, "", *collapse_lines(args)]
    return "\n".join(["# Stopping by itself", "", *header(args), *lines, ""])


def collapse_lines(args: argparse.Namespace) -> list[str]:
    """One case with and without going back when the fit falls apart."""
    variants = {"going back": {}, "never going back": {"stability.jump": 300.0}}
    lines = [
        "## A fit that falls apart",
        "",
        f"{COLLAPSE.task}, {COLLAPSE.picture}, {COLLAPSE.side} pixels, {COLLAPSE.steps} steps of a "
        "network that is narrow at the finest scale. The drop is the largest fall, within 20 steps "
        "and after step 200, of the PSNR of the output over the whole clean picture.",
        "",
        row(["", "best", "chosen by held-out", "at the last step", "largest drop", "rollbacks"]),
        row(["---"] * 6),
    ]
    for _, label, result in fits((COLLAPSE,), variants, args):
        raw = np.asarray([row[4] for row in result["curves"]], float)[20:]
        drop = float(np.nanmax(raw[:-2] - raw[2:]))
        chosen = result["criteria"][f"heldout {tasks.defaults(COLLAPSE.task)['stop']['patience']}"]
        lines.append(
            row(
                [
                    label,
                    f"{result['oracle']['psnr']:.2f}",
                    f"{chosen['psnr']:.2f}",
                    f"{result['published']['psnr']:.2f}",
                    f"{drop:.2f}",
                    str(result["rollbacks"]),
                ]
            )
        )
    return lines


def cost_table(args: argparse.Namespace) -> str:
    """Time and memory of a step with each criterion, taking turns."""
    config = tasks.defaults("denoise")
    _, y, _ = damaged(config, "chelsea", args.side)
    observation, _ = observe(y)
    settings, steps, rounds = build.fit_settings(config), 20, 9
    programs, memory, times = {}, {}, {}
    for name in ("none", "heldout", "wmv"):
        fit = make_fit(settings, CRITERIA[name](patience=0), 3)
        lane, state = begin(fit, observation)
        chunk = make_chunk(fit.step, steps)
        sizes = chunk.lower(state, lane, jnp.int32(0)).compile().memory_analysis()
        memory[name] = sizes.temp_size_in_bytes + sizes.argument_size_in_bytes
        state, _ = chunk(state, lane, jnp.int32(1))
        programs[name], times[name] = (chunk, lane, state), []
    for _ in range(rounds):
        for name, (chunk, lane, state) in programs.items():
            start = time.perf_counter()
            state, _ = chunk(state, lane, state.step + steps)
            jax.block_until_ready(state)
            times[name].append((time.perf_counter() - start) / steps)
            programs[name] = (chunk, lane, state)
    lines = [
        f"Median of {rounds} rounds of {steps} steps, taking turns; memory is what the compiled "
        "program reserves for arguments and temporaries.",
        "",
        row(["criterion", "ms per step (lowest to highest)", "ratio to none", "MB", "ratio"]),
        row(["---"] * 5),
    ]
    for name, values in times.items():
        ratios = [a / b for a, b in zip(values, times["none"], strict=True)]
        lines.append(
            row(
                [
                    name,
                    f"{1e3 * statistics.median(values):.1f} "
                    f"({1e3 * min(values):.1f} to {1e3 * max(values):.1f})",
                    f"{statistics.median(ratios):.3f}",
                    f"{memory[name] / 1e6:.1f}",
                    f"{memory[name] / memory['none']:.3f}",
                ]
            )
        )
    return "\n".join(["# What a criterion costs", "", *header(args), *lines, ""])


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
    parser.add_argument("--side", type=int, default=128, help="longer side in pixels (128)")
    parser.add_argument("--study", action="store_true", help="the study behind the defaults")
    parser.add_argument("--cost", action="store_true", help="time and memory of a step")
    parser.add_argument("--wmv-patience", type=int, default=1000, help="P of ES-WMV (1000)")
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks/stopping"))
    args = parser.parse_args()
    startup.keep_compiled_programs()
    make, name = main_table, "stopping.md"
    if args.study:
        make, name = study_table, "stopping_study.md"
    elif args.cost:
        make, name = cost_table, "stopping_cost.md"
    table = make(args)
    write_report(name, table)
    print(table)


if __name__ == "__main__":
    main()
