"""One file restored: what the command `dip-jax` does once it knows its options.

    read every page -> check everything -> fit, as from Python -> write, as the suffix says

Everything that can be wrong with the input is found before the first fit, and nothing is written
then.
"""

import argparse
import io
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dip_jax import images, overrides, tasks
from dip_jax.array_fits import ArrayFit, FitInfo, changes_of, prepare
from dip_jax.errors import InputError
from dip_jax.images import Picture
from dip_jax.progress import PlainProgress, Progress, make_progress
from dip_jax.signals import Stopping

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
            words, interrupted = _restore(arguments, progress, stopping)
    except InputError as error:
        print(f"dip-jax: {' '.join(_in_options(str(error)).split())}", file=sys.stderr)
        return FAILED if progress.begun else REFUSED
    except OSError as error:  # a full disk, a file system that is gone
        print(f"dip-jax: {error}; expected a place with space and permission", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("dip-jax: ended at once; nothing was written", file=sys.stderr)
        return INTERRUPTED
    if not arguments.quiet:
        print(words)
    return INTERRUPTED if interrupted else DONE


def _restore(
    arguments: argparse.Namespace, progress: "_Telling", stopping: Callable[[], bool]
) -> tuple[str, bool]:
    changes = overrides.parsed(arguments.set)
    output = _output(arguments)
    data_range = None if arguments.data_range is None else tuple(arguments.data_range)
    pages = images.read_pages(arguments.image, data_range)
    _check_output(output, pages)
    if arguments.report is not None:
        return _with_report(arguments, changes, output, pages, progress, stopping)
    if output.suffix.lower() in (".jpg", ".jpeg") and arguments.task != "denoise":
        progress.message("JPEG loses something, known pixels too: .png or .tif would not")
    fits = [_prepared(arguments, changes, page) for page in pages]
    restored: list[np.ndarray] = []
    infos: list[FitInfo] = []
    for number, (page, fit) in enumerate(zip(pages, fits, strict=True), 1):
        if len(pages) > 1:
            progress.message(f"page {number} of {len(pages)}")
        if infos and stopping():
            restored.append(page.pixels)
            continue
        for line in fit.advice("--criterion wmv --steps 3000"):
            progress.message(line)
        pixels, info = fit.run(lambda step: stopping(), progress)
        restored.append(pixels)
        infos.append(info)
    images.write_pages(output, restored, pages)
    interrupted = any(info.stop_reason == "asked" for info in infos) or len(infos) < len(pages)
    return _last_words(infos, len(pages), output, interrupted), interrupted


def _prepared(arguments: argparse.Namespace, changes: Mapping[str, Any], page: Picture) -> ArrayFit:
    mask = None
    if arguments.task != "denoise":
        mask = images.read_mask(arguments.mask, page.pixels.shape[:2], arguments.mask_polarity)
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
) -> tuple[str, bool]:
    """By a run with a work directory, which is kept."""
    from dip_jax.runs import run  # here, because it imports much

    if len(pages) > 1:
        raise InputError(
            f"--report keeps the work directory of one picture, and {arguments.image} has "
            f"{len(pages)} pages: leave it out, or save the page that you want to a file of its own"
        )
    config = tasks.defaults(arguments.task, "quick" if arguments.quick else "")
    given: dict[str, Any] = {
        "image": os.fspath(arguments.image),
        "degrade": "none",
        "seed": arguments.seed,
        "seeds": arguments.seeds,
    }
    if arguments.task != "denoise":
        given |= {
            "mask": os.fspath(arguments.mask),
            "mask_polarity": arguments.mask_polarity,
            "keep_known": arguments.keep_known,
        }
    if arguments.data_range is not None:
        given["data_range"] = tuple(arguments.data_range)
    given |= changes_of(arguments.steps, arguments.criterion, changes)
    config = overrides.override(config, given)
    command = ["dip-jax", *sys.argv[1:]]
    summary = run(config, arguments.report, progress, stopping, command=command)
    restored = images.read(Path(arguments.report) / summary["restored"], pages[0].data_range)
    images.write(output, restored.pixels, pages[0])
    interrupted = summary["stop_reason"] == "interrupted"
    words = "interrupted; the same command with --force goes on" if interrupted else "finished"
    return f"{words}: {summary['steps']} steps\n{output}\n{arguments.report}", interrupted


def _in_options(text: str) -> str:
    """What a run says, in the options of this command."""
    text = text.replace("--config.stop.criterion=", "--criterion ").replace(
        "--config.num_steps=", "--steps "
    )
    return tasks.as_options(text).replace("--workdir", "--report")


def _output(arguments: argparse.Namespace) -> Path:
    """Where the result goes, if it may."""
    image = Path(arguments.image)
    if not image.name:
        raise InputError(f"{arguments.image!r} is no file's name; expected that of a picture")
    suffix = image.suffix if image.suffix.lower() in images.FORMAT_OF_SUFFIX else ".png"
    output = Path(arguments.output or image.with_name(f"{image.stem}_restored{suffix}"))
    if output.suffix.lower() not in images.FORMAT_OF_SUFFIX:
        raise InputError(
            f"{str(output)!r} cannot be written: the suffix {output.suffix!r} is unknown; expected "
            f"one of {', '.join(images.FORMAT_OF_SUFFIX)}: rename it"
        )
    try:
        if output.is_dir():
            raise InputError(f"{str(output)!r} is a folder; expected the name of a file in it")
        if not output.parent.is_dir():
            raise InputError(
                f"{str(output)!r} cannot be written: there is no folder {str(output.parent)!r}; "
                "make it first"
            )
        taken = [arguments.image, getattr(arguments, "mask", None)]
        if output.exists():
            if any(name and Path(name).exists() and output.samefile(name) for name in taken):
                raise InputError(
                    f"{str(output)!r} is what is read; expected another file for the result"
                )
            if not arguments.force:
                raise InputError(
                    f"{str(output)!r} exists; choose another name with --output, or say --force to "
                    "replace it"
                )
        with tempfile.TemporaryFile(dir=output.parent):
            pass  # there is permission
    except InputError:
        raise
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise InputError(
            f"{str(output)!r} cannot be written ({reason}); expected a name in a folder with "
            "permission: choose another"
        ) from error
    return output


def _check_output(output: Path, pages: list[Picture]) -> None:
    """Refuses a format that cannot hold the result, by writing the pages as they are elsewhere."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            images.write_pages(Path(folder) / output.name, [page.pixels for page in pages], pages)
        except InputError as error:
            raise InputError(str(error).replace(folder + os.sep, "")) from None


def _last_words(infos: list[FitInfo], pages: int, output: Path, interrupted: bool) -> str:
    reasons = {info.stop_reason for info in infos}
    words = "finished"
    if interrupted:
        words = "interrupted; the best so far was written"
    elif "diverged" in reasons:
        words = "ended early because the fit kept falling apart; the best image so far was taken"
    elif reasons == {"criterion"}:
        words = "stopped by itself"
    done = f"{len(infos)} of {pages} pages, " if pages > 1 else ""
    if len(infos) < pages:
        done = f"{len(infos)} of {pages} pages (the others are as they were), "
    steps = sum(info.steps for info in infos)
    chosen = ""
    if pages == 1:
        steps_chosen = list(infos[0].chosen_steps.values())
        chosen = (
            f", step {steps_chosen[0]} chosen"
            if len(steps_chosen) == 1
            else f", mean of {len(steps_chosen)} seeds"
        )
    return f"{words}: {done}{steps} steps{chosen}\n{output}"


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
