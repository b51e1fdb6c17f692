"""One table of many pictures: told line by line while they are restored, and left as files."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

from dip_jax.files import to_utf8, write_bytes
from dip_jax.report import records
from dip_jax.report.experiment import note_of
from dip_jax.report.progress import Progress
from dip_jax.run.inputs import added_damage
from dip_jax.run.listing import Found
from dip_jax.run.picture_run import PictureRun
from dip_jax.settings.tasks import Config


class Telling:
    """Tells of every picture that has ended, and how many there are."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self.done = progress, total, 0

    def end(self, picture: PictureRun) -> None:
        summary = picture.summary
        if summary is None:
            words = f"failed: {picture.failure}"
        elif summary["stop_reason"] == "interrupted":
            return
        else:
            words = f"restored, {summary['steps']} steps"
            if "psnr_true" in summary["metrics"]["restored"]:
                words += f", {summary['metrics']['restored']['psnr_true']:.2f} dB"
            if summary["failed"]:
                words += f"; {about_failed(summary, len(picture.lanes))}"
        self.done += 1
        self._progress.message(f"[{self.done} of {self._total}] {picture.folder.name}: {words}")


def about_failed(summary: Mapping[str, Any], seeds: int) -> str:
    """How many parts of a picture, or of its so many seeds, failed, in words."""
    failed = summary["failed"]
    if parts := summary.get("parts"):
        return f"{len({one['part'] for one in failed})} of {parts} parts failed"
    return f"{len(failed)} of {seeds} seeds failed"


def row_of(one: Found, picture: PictureRun) -> dict[str, Any]:
    """One picture's line in the table."""
    row: dict[str, Any] = {"picture": str(one.path), "page": one.page or None, "folder": one.name}
    summary = picture.summary
    if summary is None:
        status = "failed" if picture.failure else "left"
        return row | {"status": status, "reason": picture.failure or None}
    figures = summary["metrics"]
    chosen = figures.get(summary["chosen_image"], figures["restored"])
    reason = None
    if summary["failed"]:
        first = summary["failed"][0]
        where = f"part {first['part']}, " if "part" in first else ""
        reason = (
            f"{about_failed(summary, len(picture.lanes))}; {where}seed {first['seed']}: "
            f"{first['reason']}"
        )
    return row | {
        "shape": summary["shape"],
        "seeds": len(summary["seeds"]),
        "steps": summary["steps"],
        "chosen_step": summary["chosen_step"],
        "psnr_degraded": summary["degraded"].get("psnr_true"),
        "psnr_true": figures["restored"].get("psnr_true"),
        "psnr_heldout": chosen.get("psnr_heldout"),
        "seconds": summary["seconds"],
        "status": "left" if summary["stop_reason"] == "interrupted" else summary["stop_reason"],
        "reason": reason,
        "restored": summary["restored"],
    }


def write_table(
    folder: Path,
    config: Config,
    rows: list[dict[str, Any]],
    stacks: list[dict[str, Any]],
    wall: float,
) -> dict[str, Any]:
    """Writes `summary.json` and `summary.md`, and gives what the first holds.

    Args:
        folder: the work directory.
        config: of the run.
        rows: of every picture, by `row_of`.
        stacks: of every file with several pages, by `stacks.put_together`.
        wall: seconds of this session.
    """
    failed = sum(row["reason"] is not None for row in rows)
    left = sum(row["status"] == "left" for row in rows)
    summary = {
        "task": config["task"],
        "image": config["image"],
        "restored": sum(row["status"] not in ("left", "failed") for row in rows),
        "failed": failed,
        "left": left,
        "seconds": sum(row.get("seconds") or 0.0 for row in rows),
        "seconds_of_this_session": wall,
        "device": jax.local_devices()[0].device_kind,
        "added_damage": added_damage(config),
        "stop_reason": "interrupted" if left else "finished",
        "pictures": rows,
        "stacks": stacks,
    }
    records.write_json(folder / "summary.json", summary)
    write_bytes(folder / "summary.md", to_utf8(_markdown(summary)))
    return summary


_COLUMNS: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
    ("picture", lambda row: _name(row)),
    ("size", lambda row: f"{row['shape'][1]} × {row['shape'][0]}" if "shape" in row else ""),
    ("steps", lambda row: _cell(row, "steps", "d")),
    ("chosen", lambda row: _cell(row, "chosen_step", "d")),
    ("degraded, dB", lambda row: _cell(row, "psnr_degraded", ".2f")),
    ("restored, dB", lambda row: _cell(row, "psnr_true", ".2f")),
    ("held-out, dB", lambda row: _cell(row, "psnr_heldout", ".2f")),
    ("seconds", lambda row: _cell(row, "seconds", ".1f")),
    ("status", lambda row: row["status"]),
    ("folder", lambda row: row["folder"]),
)


def _name(row: Mapping[str, Any]) -> str:
    return Path(row["picture"]).name + (f", page {row['page']}" if row["page"] else "")


def _cell(row: dict[str, Any], name: str, form: str) -> str:
    value = row.get(name)
    return "" if value is None else format(value, form)


def _markdown(summary: dict[str, Any]) -> str:
    """The table for people; columns that are empty throughout are left out, reasons are below."""
    rows = summary["pictures"]
    columns = []
    for name, cell in _COLUMNS:
        cells = [cell(row).replace("|", "\\|") for row in rows]
        if any(cells):
            width = max(len(name), *map(len, cells))
            columns.append([text.ljust(width) for text in (name, "-" * width, *cells)])
    lines = [
        f"# {summary['task']}: {summary['image']}",
        "",
        f"{summary['restored']} restored, {summary['failed']} failed, {summary['left']} left; "
        f"{summary['seconds']:.0f} s of fitting on {summary['device']}.",
        "",
        *([f"Mind that {note_of(summary)}.", ""] if note_of(summary) else []),
        *(f"| {' | '.join(cells)} |" for cells in zip(*columns, strict=True)),
    ]
    stacks = [
        f"- {Path(stack['picture']).name}: " + (stack["restored"] or f"none; {stack['reason']}")
        for stack in summary["stacks"]
    ]
    if stacks:
        lines += ["", "All pages of a file together, restored:", "", *stacks]
    reasons = [f"- {_name(row)}: {row['reason']}" for row in rows if row["reason"]]
    if reasons:
        lines += ["", "What failed:", "", *reasons]
    return "\n".join([*lines, ""])
