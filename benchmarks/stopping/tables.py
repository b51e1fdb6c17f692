"""The tables of `benchmarks.stopping`."""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.common.beginning import begin, make_chunk
from benchmarks.common.samples import damaged
from benchmarks.common.tables import header, kept, row
from benchmarks.quality.plan import digest
from benchmarks.stopping.fits import HELDOUT_PATIENCES, PUBLISHED_STEPS, Case, case_config, fit_case
from dip_jax.fit.criteria import CRITERIA
from dip_jax.fit.fitting import make_fit
from dip_jax.forward.observation import observe
from dip_jax.settings import build, tasks

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
        lane, state = begin(fit, observation, steps)
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
