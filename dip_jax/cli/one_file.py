"""One file restored: what the command `dip-jax` does once it knows its options.

    read every page -> check everything -> fit, as from Python -> write, as the suffix says

Everything that can be wrong with the input is found before the first fit, and nothing is written
then.
"""

import argparse
import dataclasses
import io
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dip_jax.api.array_fit import ArrayFit, prepare
from dip_jax.api.info import FitInfo
from dip_jax.api.options import changes_of
from dip_jax.cli.output import check_output, find_output
from dip_jax.cli.signals import Stopping
from dip_jax.errors import InputError
from dip_jax.pictures import reading
from dip_jax.pictures.masks import read_mask
from dip_jax.pictures.picture import Picture
from dip_jax.pictures.reading import read_pages
from dip_jax.pictures.writing import write_pages
from dip_jax.report.progress import PlainProgress, Progress, make_progress
from dip_jax.run.inputs import page_beside
from dip_jax.settings import fields, tasks

DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130


def restore_file(arguments: argparse.Namespace) -> int:
    """Restores a file, tells about it, and gives the exit code.

    Args:
        arguments: as `command.make_parser` gives them.
    """
    stopping = Stopping("stopping at the next logged step, and writing the best so far")
    progress = _Telling(arguments.task, arguments.quiet)
    try:
        with stopping, progress:
            outcome = _restore(arguments, progress, stopping)
    except InputError as error:
        print(f"dip-jax: {_one_line(str(error))}", file=sys.stderr)
        return FAILED if progress.begun else REFUSED
    except OSError as error:  # a full disk, a file system that is gone
        print(f"dip-jax: {error}; expected a place with space and permission", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        kept = "nothing was written"
        if arguments.report is not None:
            kept = (
                "no result was written; the same command goes on from the checkpoints in "
                f"{arguments.report}, where there are any"
            )
        print(f"dip-jax: ended at once; {kept}", file=sys.stderr)
        return INTERRUPTED
    if arguments.quiet:  # else it has been told when it happened
        for failure in outcome.failures:
            print(f"dip-jax: {_one_line(failure)}", file=sys.stderr)
    else:
        print(outcome.words)
    if outcome.interrupted:
        return INTERRUPTED
    return FAILED if outcome.failures else DONE


@dataclasses.dataclass(frozen=True)
class _Outcome:
    """What was written: in words, whether it is less than was asked for, and what failed."""

    words: str
    interrupted: bool
    failures: list[str]


def _restore(
    arguments: argparse.Namespace, progress: "_Telling", stopping: Callable[[], bool]
) -> _Outcome:
    changes = fields.parsed(arguments.set)
    output = find_output(arguments)
    data_range = None if arguments.data_range is None else tuple(arguments.data_range)
    pages = read_pages(arguments.image, data_range)
    check_output(output, pages)
    if arguments.report is not None:
        return _with_report(arguments, changes, output, pages, progress, stopping)
    if output.suffix.lower() in (".jpg", ".jpeg") and tasks.TASKS[arguments.task].fills:
        progress.message("JPEG loses something, known pixels too: .png or .tif would not")
    fits = _fits(arguments, changes, pages)
    restored: list[np.ndarray] = []
    infos: list[FitInfo] = []
    failures: list[str] = []
    failed: list[int] = []
    for number, (page, fit) in enumerate(zip(pages, fits, strict=True), 1):
        restored.append(page.pixels)
        if number > 1 and stopping():
            continue
        where = f"page {number}: " if len(pages) > 1 else ""
        if where:
            progress.message(f"page {number} of {len(pages)}")
        for line in fit.advice("--criterion wmv --steps 3000"):
            progress.message(line)
        try:
            restored[-1], info = fit.run(lambda step: stopping(), progress)
        except InputError as error:
            if len(pages) == 1:
                raise
            failed.append(number)
            failures.append(f"page {number} failed, and is left as it was: {error}")
            progress.message(failures[-1])
            continue
        infos.append(info)
        failures += [f"{where}seed {seed} failed: {why}" for seed, why in info.failed.items()]
    if not infos:
        raise InputError(f"no page was restored, and nothing was written; {failures[0]}")
    write_pages(output, restored, pages)
    interrupted = any(info.stop_reason == "asked" for info in infos)
    interrupted |= len(infos) + len(failed) < len(pages)
    words = _last_words(infos, len(pages), failed, output, interrupted)
    return _Outcome(words, interrupted, failures)


def _fits(
    arguments: argparse.Namespace, changes: Mapping[str, Any], pages: list[Picture]
) -> list[ArrayFit]:
    fits = []
    for number, page in enumerate(pages, 1):
        try:
            fits.append(_prepared(arguments, changes, page, number, len(pages)))
        except InputError as error:
            where = f"page {number}: " if len(pages) > 1 else ""
            raise InputError(f"{where}{error}") from None
    return fits


def _prepared(
    arguments: argparse.Namespace,
    changes: Mapping[str, Any],
    page: Picture,
    number: int,
    pages: int,
) -> ArrayFit:
    mask = None
    if tasks.TASKS[arguments.task].fills:
        which = page_beside("the mask", arguments.mask, number, pages)
        mask = read_mask(arguments.mask, page.pixels.shape[:2], arguments.mask_polarity, page=which)
    return prepare(
        arguments.task,
        page.pixels,
        mask,
        keep_known=getattr(arguments, "keep_known", True),
        num_steps=arguments.steps,
        criterion=arguments.criterion,
        seeds=arguments.seeds,
        rng=arguments.seed,
        data_range=page.data_range,
        preset="quick" if arguments.quick else "",
        options=changes,
    )


def _with_report(
    arguments: argparse.Namespace,
    changes: Mapping[str, Any],
    output: Path,
    pages: list[Picture],
    progress: Progress,
    stopping: Callable[[], bool],
) -> _Outcome:
    """By a run with a work directory, which is kept."""
    from dip_jax.run.many import run_folder  # here, because they import much
    from dip_jax.run.one import run

    if len(pages) > 1:
        _fits(arguments, changes, pages)  # nothing is written if one of them cannot be used
    config = tasks.defaults(arguments.task, "quick" if arguments.quick else "")
    given: dict[str, Any] = {
        "image": os.fspath(arguments.image),
        "degrade": "none",
        "seed": arguments.seed,
        "seeds": arguments.seeds,
    }
    if tasks.TASKS[arguments.task].fills:
        given |= {
            "mask": os.fspath(arguments.mask),
            "mask_polarity": arguments.mask_polarity,
            "keep_known": arguments.keep_known,
        }
    if arguments.data_range is not None:
        given["data_range"] = tuple(arguments.data_range)
    given |= changes_of(arguments.steps, arguments.criterion, changes)
    config = fields.override(config, given)
    command = ["dip-jax", *sys.argv[1:]]
    if len(pages) == 1:
        summary = run(config, arguments.report, progress, stopping, command=command)
        rows = [summary | {"folder": ""}]
        failures = [f"seed {lane['seed']} failed: {lane['reason']}" for lane in summary["failed"]]
    else:
        summary = run_folder(config, arguments.report, progress, stopping, command=command)
        rows = summary["pictures"]
        failures = [f"page {row['page']}: {row['reason']}" for row in rows if row["reason"]]
    if not any(row.get("restored") for row in rows):
        raise InputError(failures[0] if failures else "no page has a result yet")
    restored = []
    for row, page in zip(rows, pages, strict=True):
        pixels = page.pixels
        if row.get("restored"):
            path = Path(arguments.report) / row["folder"] / row["restored"]
            pixels = reading.read(path, page.data_range).pixels
        restored.append(pixels)
    write_pages(output, restored, pages)
    interrupted = summary["stop_reason"] == "interrupted"
    words = "interrupted; the same command with --force goes on" if interrupted else "finished"
    done = [row for row in rows if row.get("restored")]
    failed = [row["page"] for row in rows if row["status"] == "failed"] if len(pages) > 1 else []
    words += f": {_pages_done(len(done), len(pages), failed)}{sum(r['steps'] for r in done)} steps"
    return _Outcome(f"{words}\n{output}\n{arguments.report}", interrupted, failures)


def _one_line(text: str) -> str:
    return " ".join(_in_options(text).split())


def _in_options(text: str) -> str:
    """What a run says, in the options of this command."""
    text = text.replace("--config.stop.criterion=", "--criterion ").replace(
        "--config.num_steps=", "--steps "
    )
    return tasks.as_options(text).replace("--workdir", "--report")


def _last_words(
    infos: list[FitInfo], pages: int, failed: list[int], output: Path, interrupted: bool
) -> str:
    reasons = {info.stop_reason for info in infos}
    words = "finished"
    if interrupted:
        words = "interrupted; the best so far was written"
    elif "diverged" in reasons:
        words = "ended early because the fit kept falling apart; the best image so far was taken"
    elif reasons == {"criterion"}:
        words = "stopped by itself"
    steps = sum(info.steps for info in infos)
    chosen = ""
    if pages == 1:
        steps_chosen = list(infos[0].chosen_steps.values())
        chosen = f", step {steps_chosen[0]} chosen"
        if len(steps_chosen) > 1:
            chosen = f", mean of {len(steps_chosen)} seeds"
        if infos[0].failed:
            chosen += f", {len(infos[0].failed)} failed"
    return f"{words}: {_pages_done(len(infos), pages, failed)}{steps} steps{chosen}\n{output}"


def _pages_done(done: int, pages: int, failed: list[int]) -> str:
    if pages == 1:
        return ""
    rest = [f"page{'s' * (len(failed) > 1)} {', '.join(map(str, failed))} failed"] if failed else []
    rest += ["the others are as they were"] if done < pages else []
    return f"{done} of {pages} pages" + (f" ({'; '.join(rest)})" if rest else "") + ", "


class _Telling:
    """The progress of the command: a bar, lines, or silence; and whether a fit has begun."""

    def __init__(self, name: str, quiet: bool) -> None:
        self._shown = PlainProgress(name, io.StringIO()) if quiet else make_progress(name)
        self.begun = False

    def start(self, total_steps: int, done_steps: int = 0) -> None:
        self.begun = True
        self._shown.start(total_steps, done_steps)

    def update(self, step: int, row: Mapping[str, Any]) -> None:
        self._shown.update(step, row)

    def message(self, text: str) -> None:
        self._shown.message(_in_options(text))

    def stop(self) -> None:
        self._shown.stop()

    def __enter__(self) -> "_Telling":
        self._shown.__enter__()
        return self

    def __exit__(self, *what: Any) -> None:
        self._shown.__exit__(*what)
