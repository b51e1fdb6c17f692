"""The run of one large picture: every part a run of its own, and then the picture of them all."""

import dataclasses
import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dip_jax.errors import FitError, Interrupted
from dip_jax.finish.assembly import Assembly, figures_of_parts, put_in
from dip_jax.lanes.jobs import Restoration, check_size
from dip_jax.prepare.division import Division
from dip_jax.prepare.parts import Part
from dip_jax.report import records
from dip_jax.report.comparison import comparison
from dip_jax.report.progress import Progress
from dip_jax.run import unfitted_parts
from dip_jax.run.inputs import Given, Job, prepare
from dip_jax.run.loaded import introduced
from dip_jax.run.part_run import PartRun, Whole
from dip_jax.run.picture_run import PictureRun
from dip_jax.run.processes import Processes
from dip_jax.run.results import LONGEST_SHOWN, Outcome, write_outcome
from dip_jax.run.seed_folder import Overall
from dip_jax.run.session import restore_pictures
from dip_jax.run.unfitted_parts import MadePart
from dip_jax.run.workdir import check_workdir, finished_summary, make_workdir
from dip_jax.settings import build, parting
from dip_jax.settings.tasks import Config

_MOST_CROPS, _LARGEST_CROP = 3, 320  # pixels a side
_BAND = 1024  # rows that are put together at once


def read(config: Config, given: Given | None = None) -> tuple[Job, Division | None]:
    """The picture that a configuration names, and its parts; None if it is fitted as a whole.

    Args:
        config: as `tasks.defaults` gives it.
        given: what of it has been read.

    Raises:
        InputError: if it cannot be used, or the configuration cannot.
    """
    settings = build.fit_settings(config)
    job = prepare(config, given)
    if job.measuring is not None:
        return job, None
    degraded = job.degraded
    division = parting.divided(config, degraded.pixels, degraded.layout, job.fill)
    if division is not None:
        check_size(*division.shape[:2], settings)
    return job, division


def run_in_parts(
    config: Config,
    folder: Path,
    job: Job,
    division: Division,
    progress: Progress,
    should_stop: Callable[[], bool],
    processes: Processes,
    command: Sequence[str] = (),
    on_restored: Callable[[NDArray[Any]], None] | None = None,
) -> dict[str, Any]:
    """Restores a picture in parts, or goes on with it, and gives its summary.

    Args:
        config: as `tasks.defaults` gives it, of a picture that is fitted in parts.
        folder: the work directory; new, empty, or that of the same run to go on with.
        job: what was read.
        division: its parts.
        progress: shows what is going on.
        should_stop: asked at every logged step; True saves what there is and ends the run.
        processes: those that share the work.
        command: what was run, as its words; for the report.
        on_restored: called at the end with the restored pixels.

    Raises:
        InputError: if something given cannot be used.
        FitError: if every part failed.
        Interrupted: if it was asked to end before any part was done.
    """
    own = parting.config_of_parts(config, division)
    parting.check_memory(own, division)
    whole = Whole(job, division, parting.ending_of_parts(own, division))
    mark = mark_of(job)
    begun = check_workdir(folder, config)
    summary = processes.share("finished", lambda: finished_summary(folder, mark))
    if summary:
        reason = summary["stop_reason"]
        progress.message(f"{folder} holds this run, finished ({reason}): nothing to do")
        return summary
    about = parting.about(division)
    advice = [*parting.advice(own, division, config["seeds"]), *parting.hints(config, division)]
    for line in (*introduced(config, job), *division.remarks, *advice):
        progress.message(line)
    if processes.index == 0:
        make_workdir(folder, config)
    processes.meet("config.json", folder)
    overall = Overall(progress)
    telling = _Telling(progress, len(division.plan.parts))
    quiet = {**own, "preview_every": 0}
    runs = []
    for i in range(len(division.plan.parts)):
        where = folder / "parts" / f"{i + 1:04d}"
        runs.append(PartRun(quiet, where, overall, should_stop, whole, i, telling.end))

    def states() -> list[bool]:
        return [run.is_done() for run in runs]

    done = processes.share("parts", states)
    telling.done = sum(done)
    if begun and runs:
        progress.message(f"going on with {folder}: {sum(done)} of {len(runs)} parts are done")
    todo = [run for run, is_done in zip(runs, done, strict=True) if not is_done]
    if todo:
        restore_pictures(todo, quiet, overall, processes)

    def write() -> dict[str, Any]:
        there = [run for run in runs if run.has_result()]
        if runs and not there:
            failures = [run.failure for run in runs if run.failure]
            if not failures:
                raise Interrupted(
                    "interrupted before any part of the picture was fitted: no result was written, "
                    "and the same command goes on"
                )
            if not division.unfitted:
                raise FitError(failures[0])
        told = (about, mark, command, on_restored, progress.message, should_stop)
        return _written(config, folder, whole, runs, *told)

    return processes.share("summary", write)


class _Telling:
    """Tells of every tenth of the parts that have ended."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self.done = progress, total, 0

    def end(self, part: PictureRun) -> None:
        if part.failure:
            self._progress.message(f"{part.folder.name} failed: {part.failure}")
        elif part.summary is not None and part.summary["stop_reason"] == "interrupted":
            return
        self.done += 1
        if self.done == self._total or not self.done % max(1, self._total // 10):
            self._progress.message(f"{self.done} of {self._total} parts are done")


def mark_of(job: Job) -> str:
    """A digest of the picture, of what is to be filled, and of the clean picture."""
    digest = hashlib.sha256()
    for array in (job.degraded.pixels, job.fill, job.clean):
        if array is not None:
            digest.update(str(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _written(
    config: Config,
    folder: Path,
    whole: Whole,
    runs: Sequence[PartRun],
    about: Sequence[str],
    mark: str,
    command: Sequence[str],
    on_restored: Callable[[NDArray[Any]], None] | None,
    say: Callable[[str], None],
    should_stop: Callable[[], bool],
) -> dict[str, Any]:
    """Puts the parts together and writes what has become of the picture."""
    division, job = whole.division, whole.job
    there = [run for run in runs if run.has_result()]
    results: list[Restoration | None] = []
    rows, failed, figures, refined = [], [], [], bool(division.unfitted)
    part_of: list[int] = []
    for run in there:
        results += run.results_without_images()
        part_of += [run.index + 1] * (len(results) - len(part_of))
        rows += run.all_rows()
        summary = run.told()
        figures.append(summary["figures"])
        refined |= summary["refined"]
    for run in runs:
        failed += run.failures()
    begin = time.perf_counter()
    unfitted = unfitted_parts.make(whole, folder, mark, say, should_stop)
    seconds = time.perf_counter() - begin
    pixels, judged, spread = _put_together(whole, there, unfitted, spread=config["seeds"] > 1)
    left = sum(run.is_left() for run in runs)
    outcome = Outcome(
        pixels=pixels,
        figures=figures_of_parts(figures, [run.part.height * run.part.width for run in there]),
        spread=spread,
        judged=judged,
        refined=refined,
        is_networks=False,
        remarks=(*division.remarks, *about),
        mark=mark,
        parts=len(runs),
        left=left,
        part_of=part_of,
        alone=bool(division.alone),
        seconds=seconds,
        crops=_crops(whole, pixels, [run.part for run in there] + list(division.unfitted)),
    )
    records.write_metrics(folder / "metrics.jsonl", rows)
    one = rows[0]["part"] if rows else 0
    first = [{k: v for k, v in row.items() if k != "part"} for row in rows if row["part"] == one]
    summary, _ = write_outcome(
        folder, config, job, job.degraded, outcome, results, first, failed, command
    )
    unfitted_parts.forget(folder)
    if on_restored is not None:
        on_restored(pixels)
    return summary


def _put_together(
    whole: Whole,
    there: Sequence[PartRun],
    unfitted: Sequence[MadePart],
    *,
    spread: bool,
) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.float32] | None]:
    """The restored pixels, where they come from parts, and their spread over seeds.

    From the disk, and some rows after the other: a large picture has no room for all in floats.
    """
    division, how = whole.division, whole.how
    h, w, _ = division.shape
    restored = np.array(division.before, order="C")
    judged = np.zeros((h, w), bool)
    of_seeds = np.zeros((h, w), np.float32) if spread else None
    for top in range(0, h, _BAND):
        rows = range(top, min(top + _BAND, h))
        assembly = Assembly(division.shape, division.plan, spread=spread, rows=rows)
        here = [run for run in there if assembly.has(run.part)]
        ready = [*unfitted, *((run.part, run.made) for run in here)]
        ready = [one for one in ready if assembly.has(one[0])]
        if not ready:
            continue
        for part, make in ready:
            made = make()
            where = division.to_make(part, keep_known=how.keep_known)
            assembly.add(part, made.image, made.spread, where)
        put_in(restored, judged, assembly, division, how)
        if of_seeds is not None:
            of_seeds[rows.start : rows.stop] = assembly.spread()
    return restored, judged, of_seeds


def _crops(whole: Whole, pixels: NDArray[Any], parts: Sequence[Part]) -> Image.Image | None:
    """Some parts at their full size: those in which there was the most to do.

    None where the picture is one part, and no larger than what is shown of it.
    """
    division = whole.division
    if (
        len(parts) == 1
        and parts[0].size == division.shape[:2]
        and max(parts[0].size) <= LONGEST_SHOWN
    ):
        return None

    def to_do(part: Part) -> int:
        unknown = division.unknown(part)
        return part.height * part.width if unknown is None else int(unknown.sum())

    pictures = []
    for one in sorted(parts, key=to_do, reverse=True)[:_MOST_CROPS]:
        part = _middle_of(one)
        restored = dataclasses.replace(division, before=pixels).image(part)
        where = f"({part.left}, {part.top})"
        panels = [(f"as given, at {where}", np.nan_to_num(division.image(part)))]
        panels.append(("restored", np.nan_to_num(restored)))
        if whole.job.clean is not None:
            panels.append(("clean", whole.job.clean[part.place]))
        pictures.append(comparison(panels))
    width = max(picture.width for picture in pictures)
    sheet = Image.new("RGB", (width, sum(picture.height for picture in pictures)), "white")
    top = 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height
    return sheet


def _middle_of(part: Part) -> Part:
    """A part, or the middle of a large one."""
    height, width = min(part.height, _LARGEST_CROP), min(part.width, _LARGEST_CROP)
    top, left = part.top + (part.height - height) // 2, part.left + (part.width - width) // 2
    return Part(top, left, height, width)
