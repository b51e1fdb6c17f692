"""One file restored: what the command `dip-jax` does for it once it knows its options.

    read every page -> check everything -> fit, as from Python, or by a run with a report
    -> write, as the suffix says

Everything that can be wrong with the input is found before the first fit, and nothing is written
then.
"""

import argparse
import dataclasses
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dip_jax.api.array_fit import ArrayFit
from dip_jax.api.parted_fit import PartedFit
from dip_jax.cli.output import check_output, find_output
from dip_jax.cli.pages import (
    changes_of_options,
    check_options,
    config_of_run,
    fit_in_turn,
    fit_with_report,
    likes,
    prepared,
    with_masks,
)
from dip_jax.cli.signals import INTERRUPTED, Stopping
from dip_jax.cli.words import COMMAND
from dip_jax.errors import InputError, Interrupted, speaking
from dip_jax.pictures.picture import Picture
from dip_jax.pictures.reading import read_pages
from dip_jax.pictures.writing import FORMAT_OF_SUFFIX, changes, write_pages
from dip_jax.report.progress import PlainProgress, make_progress
from dip_jax.report.streams import tell, tell_error
from dip_jax.run.inputs import Given
from dip_jax.run.workdir import as_begun, check_workdir
from dip_jax.settings import tasks

DONE, FAILED, REFUSED = 0, 1, 2


def restore_file(arguments: argparse.Namespace) -> int:
    """Restores a file, tells about it, and gives the exit code.

    Args:
        arguments: as `plan.plan` gives them.
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
    progress = Telling(arguments.task, arguments.quiet)
    try:
        with stopping, progress:
            outcome = restore(arguments, progress, stopping)
    except Interrupted as error:
        tell_error(f"dip-jax: {error}")
        return INTERRUPTED
    except InputError as error:
        refuse(str(error))
        return FAILED if progress.begun else REFUSED
    except OSError as error:  # a full disk, a file system that is gone
        tell_error(f"dip-jax: {error}; expected a place with space and permission")
        return FAILED
    except KeyboardInterrupt:
        tell_error(last_words)
        return INTERRUPTED
    if arguments.quiet:  # else it has been told when it happened
        for failure in outcome.failures:
            refuse(failure)
    else:
        tell(outcome.words)
    if outcome.interrupted:
        return INTERRUPTED
    return FAILED if outcome.failures else DONE


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was written: in words, whether it is less than was asked for, and what failed."""

    words: str
    interrupted: bool
    failures: list[str]


def _read(
    arguments: argparse.Namespace,
) -> tuple[Path, list[Picture], list[Given], list[Picture]]:
    """Where the result goes, what is restored, with what, and what goes into the result's file."""
    data_range = None if arguments.data_range is None else tuple(arguments.data_range)
    pages = read_pages(arguments.image, data_range)
    output = find_output(arguments, pages[0].file_format)
    given = with_masks(arguments, pages)
    others = likes(arguments, [one.picture for one in given])
    check_output(output, others)
    return output, pages, given, others


def check(arguments: argparse.Namespace) -> list[ArrayFit | PartedFit]:
    """Finds whatever can be wrong before a fit, and gives the fit of every page.

    Args:
        arguments: as `plan.plan` gives them.

    Raises:
        InputError: if something is.
    """
    changes = changes_of_options(arguments)
    _, _, given, _ = _read(arguments)
    if arguments.report is not None:
        folder = Path(arguments.report)
        check_workdir(folder, as_begun(folder, config_of_run(arguments, changes)))
    return prepared(arguments, changes, given)


def restore(
    arguments: argparse.Namespace, progress: "Telling", stopping: Callable[[], bool]
) -> Outcome:
    """Restores a file, and says what was written.

    Args:
        arguments: as `plan.plan` gives them.
        progress: shows how far it is.
        stopping: whether to end the fit.

    Raises:
        InputError: if something given cannot be used, or nothing was restored; nothing has been
            written then.
    """
    changes = changes_of_options(arguments)
    check_options(arguments, changes)
    output, pages, given, others = _read(arguments)
    for line in _about_the_output(arguments, output, given):
        progress.message(line)
    if arguments.report is None and _loses_known_pixels(output, arguments.task):
        progress.message("JPEG loses something, known pixels too: .png or .tif would not")
    fit = fit_in_turn if arguments.report is None else fit_with_report
    fitted = fit(arguments, changes, given, progress, stopping)
    # A page that is not restored is left as it was, alpha included.
    beside = [others[n] if n in fitted.pixels else page for n, page in enumerate(pages)]
    restored = [fitted.pixels.get(n, like.pixels) for n, like in enumerate(beside)]
    write_pages(output, restored, beside)
    done = _pages_done(len(fitted.pixels), len(pages), fitted.failed)
    words = f"{fitted.ended}: {done}{fitted.steps} steps{fitted.chosen}\n{output}"
    if arguments.report is not None:
        words += f"\n{arguments.report}"
    return Outcome(words, fitted.interrupted, fitted.failures)


def _about_the_output(
    arguments: argparse.Namespace, output: Path, given: Sequence[Given]
) -> list[str]:
    likes = [one.picture for one in given]
    lines = changes(output, likes)
    own = FORMAT_OF_SUFFIX.get(Path(arguments.image).suffix.lower())
    if arguments.output is None and own != FORMAT_OF_SUFFIX[output.suffix.lower()]:
        lines.insert(0, f"{arguments.image!r} is a {likes[0].file_format}: the result is {output}")
    return lines


def _loses_known_pixels(output: Path, task: str) -> bool:
    return output.suffix.lower() in (".jpg", ".jpeg") and tasks.DOORS[task].fills


def refuse(text: str) -> None:
    """Says what is wrong, in one line."""
    tell_error(f"dip-jax: {' '.join(text.split())}")


def _pages_done(done: int, pages: int, failed: list[int]) -> str:
    if pages == 1:
        return ""
    rest = [f"page{'s' * (len(failed) > 1)} {', '.join(map(str, failed))} failed"] if failed else []
    rest += ["the others are as they were"] if done < pages else []
    return f"{done} of {pages} pages" + (f" ({'; '.join(rest)})" if rest else "") + ", "


class Telling:
    """The progress of the command: a bar, lines, or silence; and whether a fit has begun."""

    def __init__(self, name: str, quiet: bool) -> None:
        """Takes the name before the bar, and whether it is silence."""
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

    def __enter__(self) -> "Telling":
        self._shown.__enter__()
        return self

    def __exit__(self, *what: Any) -> None:
        self._shown.__exit__(*what)
