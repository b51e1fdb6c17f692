"""One file restored: what the command `dip-jax` does once it knows its options.

    read every page -> check everything -> fit, as from Python, or by a run with a report
    -> write, as the suffix says

Everything that can be wrong with the input is found before the first fit, and nothing is written
then.
"""

import argparse
import dataclasses
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dip_jax.cli.output import check_output, find_output
from dip_jax.cli.pages import fit_in_turn, fit_with_report, with_masks
from dip_jax.cli.signals import INTERRUPTED, Stopping
from dip_jax.cli.words import COMMAND
from dip_jax.errors import InputError, Interrupted, speaking
from dip_jax.pictures.reading import read_pages
from dip_jax.pictures.writing import write_pages
from dip_jax.report.progress import PlainProgress, make_progress
from dip_jax.report.streams import tell, tell_error
from dip_jax.settings import fields, tasks

DONE, FAILED, REFUSED = 0, 1, 2


def restore_file(arguments: argparse.Namespace) -> int:
    """Restores a file, tells about it, and gives the exit code.

    Args:
        arguments: as `command.make_parser` gives them.
    """
    with speaking(COMMAND):
        return _restored_and_told(arguments)


def _restored_and_told(arguments: argparse.Namespace) -> int:
    kept = "nothing was written"
    if arguments.report is not None:
        kept = (
            "no result was written; the same command goes on from the checkpoints in "
            f"{arguments.report}, where there are any"
        )
    last_words = f"dip-jax: ended at once; {kept}"
    stopping = Stopping(
        "stopping at the next logged step, and writing the best so far (nothing, if the fit has "
        "only begun)",
        last_words,
    )
    progress = _Telling(arguments.task, arguments.quiet)
    try:
        with stopping, progress:
            outcome = _restore(arguments, progress, stopping)
    except Interrupted as error:
        tell_error(f"dip-jax: {error}")
        return INTERRUPTED
    except InputError as error:
        tell_error(f"dip-jax: {_one_line(str(error))}")
        return FAILED if progress.begun else REFUSED
    except OSError as error:  # a full disk, a file system that is gone
        tell_error(f"dip-jax: {error}; expected a place with space and permission")
        return FAILED
    except KeyboardInterrupt:
        tell_error(last_words)
        return INTERRUPTED
    if arguments.quiet:  # else it has been told when it happened
        for failure in outcome.failures:
            tell_error(f"dip-jax: {_one_line(failure)}")
    else:
        tell(outcome.words)
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
    if arguments.report is None and _loses_known_pixels(output, arguments.task):
        progress.message("JPEG loses something, known pixels too: .png or .tif would not")
    given = with_masks(arguments, pages)
    fit = fit_in_turn if arguments.report is None else fit_with_report
    fitted = fit(arguments, changes, given, progress, stopping)
    restored = [fitted.pixels.get(place, page.pixels) for place, page in enumerate(pages)]
    write_pages(output, restored, pages)
    done = _pages_done(len(fitted.pixels), len(pages), fitted.failed)
    words = f"{fitted.ended}: {done}{fitted.steps} steps{fitted.chosen}\n{output}"
    if arguments.report is not None:
        words += f"\n{arguments.report}"
    return _Outcome(words, fitted.interrupted, fitted.failures)


def _loses_known_pixels(output: Path, task: str) -> bool:
    return output.suffix.lower() in (".jpg", ".jpeg") and tasks.TASKS[task].fills


def _one_line(text: str) -> str:
    return " ".join(text.split())


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
        self._shown.message(text)

    def stop(self) -> None:
        self._shown.stop()

    def __enter__(self) -> "_Telling":
        self._shown.__enter__()
        return self

    def __exit__(self, *what: Any) -> None:
        self._shown.__exit__(*what)
