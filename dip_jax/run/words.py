"""What is told of a run when it has ended."""

import os
from pathlib import Path
from typing import Any

from dip_jax.report.experiment import note_of


def last_words(summary: dict[str, Any], workdir: str | os.PathLike[str]) -> str:
    """How a run has ended, and where its result is, in lines.

    Args:
        summary: of one picture or of many, as `start.start` gives it.
        workdir: its work directory.
    """
    words = (_of_many if "pictures" in summary else _of_one)(summary, Path(workdir))
    return "\n".join(filter(None, [words, note_of(summary)]))


def _of_one(summary: dict[str, Any], workdir: Path) -> str:
    figures = summary["metrics"]["restored"]
    psnr = f", {figures['psnr_true']:.2f} dB" if "psnr_true" in figures else ""
    if "psnr_true" in summary["degraded"]:
        psnr += f" (degraded {summary['degraded']['psnr_true']:.2f} dB)"
    words = {
        "num_steps": "finished",
        "schedule": "finished",
        "criterion": "stopped by itself",
        "diverged": "ended early because the fit kept falling apart; the best image so far is kept",
        "interrupted": "interrupted; the same command goes on",
        "no_fit": "finished",
        "alone": "finished",
        "failed": "every fit failed, and what is smooth around the damage was continued",
    }[summary["stop_reason"]]
    seeds = len(summary["seeds"])
    chosen = f"step {summary['chosen_step']} chosen"
    if summary["stop_reason"] in ("no_fit", "alone"):
        chosen = "with no network"
    elif summary["chosen_step"] is None:
        chosen = f"mean of {seeds} seed{'s' * (seeds > 1)}"
        if summary.get("parts"):
            chosen = f"{summary['parts']} parts" + (f", {chosen}" if seeds > 1 else "")
    if failed := summary["failed"]:
        chosen += f", {len({one.get('part', one['seed']) for one in failed})} failed"
    return f"{words}: {summary['steps']} steps, {chosen}{psnr}\n{workdir / summary['restored']}"


def _of_many(summary: dict[str, Any], workdir: Path) -> str:
    words = f"{summary['restored']} of {len(summary['pictures'])} pictures restored"
    if summary["failed"]:
        words += f", {summary['failed']} failed"
    if summary["left"]:
        words += f", {summary['left']} left: interrupted; the same command goes on"
    made = [words]
    for stack in summary["stacks"]:
        name = Path(stack["picture"]).name
        if stack["restored"] is None:
            made.append(f"no file with all pages of {name}: {stack['reason']}")
        else:
            made.append(f"{workdir / stack['restored']}")
    return "\n".join([*made, f"{workdir / 'summary.md'}"])
