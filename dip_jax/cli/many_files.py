"""Several files restored, one after the other.

    which are they -> check them all, and say what is wrong -> each: fit, write, tell

What an option or a name has wrong is found before the first fit, and nothing is written then. What
is wrong with one picture is told, before the first fit if it can be, and the others go on.
"""

import argparse
from collections.abc import Callable, Sequence

from dip_jax.cli.one_file import (
    DONE,
    FAILED,
    REFUSED,
    Telling,
    check,
    refuse,
    restore,
    restore_file,
)
from dip_jax.cli.output import making
from dip_jax.cli.pages import changes_of_options, check_options
from dip_jax.cli.plan import Plan, check_outputs, plan
from dip_jax.cli.signals import INTERRUPTED, Stopping
from dip_jax.cli.words import COMMAND
from dip_jax.errors import InputError, speaking
from dip_jax.lanes.memory import measured_once
from dip_jax.report.streams import tell
from dip_jax.settings import estimates
from dip_jax.settings.tasks import Config


def restore_files(arguments: argparse.Namespace) -> int:
    """Restores what the command is given, tells about it, and gives the exit code.

    Args:
        arguments: as `command.make_parser` gives them.
    """
    with speaking(COMMAND):
        try:
            check_options(arguments, changes_of_options(arguments))
            planned = plan(arguments)
            with making(planned.folder):
                if not planned.several:
                    return restore_file(planned.ones[0])
                check_outputs(planned.ones)
                with measured_once():
                    return _Many(planned, arguments).restore()
        except InputError as error:
            refuse(str(error))
            return REFUSED


class _Many:
    """The pictures of one command, and what has become of them."""

    def __init__(self, planned: Plan, arguments: argparse.Namespace) -> None:
        self._planned, self._arguments = planned, arguments
        self._total = len(planned.ones) + len(planned.failures)
        self._restored = 0
        self._failed = len(planned.failures)
        self._failures = bool(planned.failures)  # those of single seeds and pages as well
        self._telling = Telling(arguments.task, arguments.quiet)

    def restore(self) -> int:
        """Restores all of them, and gives the exit code.

        Raises:
            InputError: if none of them can be used.
        """
        stopping = Stopping(
            "stopping at the next logged step, and writing the best so far (nothing, if the fit "
            "has only begun)",
            "dip-jax: ended at once; what was restored before is written",
        )
        try:
            with stopping:
                return self._in_turn(self._that_can_be_used(stopping), stopping)
        except KeyboardInterrupt:
            refuse(f"ended at once; {self._count()}; what was restored before is written")
            return INTERRUPTED

    def _that_can_be_used(self, stopping: Callable[[], bool]) -> list[argparse.Namespace]:
        """Those of the pictures that nothing is found wrong with before the first fit."""
        for line in self._planned.said:
            self._telling.message(line)
        for failure in self._planned.failures:
            refuse(failure)
        if len(self._planned.ones) > 1:
            self._telling.message(f"checking {len(self._planned.ones)} pictures")
        usable, fits, pages = [], [], 0
        for one in self._planned.ones:
            if stopping():
                break
            try:
                found = check(one)
                fits += [(fit.config, shape) for fit in found for shape in fit.shapes]
                pages += len(found)
            except InputError as error:
                self._fail(one, str(error))
            else:
                usable.append(one)
        if not usable and not stopping():
            raise InputError(f"none of {self._total} pictures can be used; nothing was written")
        if len(usable) > 1 and fits:
            self._estimate(fits[0][0], [shape for _, shape in fits], pages)
        return usable

    def _estimate(self, config: Config, shapes: Sequence[tuple[int, int, int]], pages: int) -> None:
        estimate = estimates.time_of_all(config, shapes, pages)
        if estimate:
            self._telling.message(estimate)

    def _in_turn(self, usable: list[argparse.Namespace], stopping: Callable[[], bool]) -> int:
        task, quiet = self._arguments.task, self._arguments.quiet
        interrupted = stopping()
        left = list(usable)
        while left and not interrupted:
            one = left.pop(0)
            place = f"[{len(usable) - len(left)} of {len(usable)}]"
            try:
                with Telling(f"{task} {place}", quiet) as progress:
                    progress.message(f"{place} {one.image}")
                    outcome = restore(one, progress, stopping)
            except InputError as error:
                if not stopping():
                    self._fail(one, str(error))
                    continue
                refuse(str(error))  # it had only begun
                left.insert(0, one)
                interrupted = True
                break
            except OSError as error:  # a full disk, a file system that is gone
                self._fail(one, f"{error}; expected a place with space and permission")
                continue
            self._restored += 1
            self._failures |= bool(outcome.failures)
            interrupted = outcome.interrupted
            if not quiet:
                tell(f"{place} {one.image}: {outcome.words}")
            else:  # aloud, they have been told when they happened
                for failure in outcome.failures:
                    refuse(f"{one.image}: {failure}")
        if left:
            refuse(f"interrupted; not restored: {', '.join(one.image for one in left)}")
        if not quiet:
            tell(self._count())
        if interrupted:
            return INTERRUPTED
        return FAILED if self._failures else DONE

    def _fail(self, one: argparse.Namespace, text: str) -> None:
        self._failed += 1
        self._failures = True
        refuse(text if one.image in text else f"{one.image}: {text}")

    def _count(self) -> str:
        failed = f", {self._failed} failed" if self._failed else ""
        return f"{self._restored} of {self._total} pictures restored{failed}"
