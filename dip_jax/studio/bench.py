"""The fits of the studio, of which one goes on at a time."""

import shutil
import threading
from typing import Any

from dip_jax.studio.asked import Asked
from dip_jax.studio.desk import Desk, Sheet, plain
from dip_jax.studio.ready import files_of, make_ready
from dip_jax.studio.work import Work

_MOST_RESULTS = 12


class Bench:
    """The works, of which one goes on at a time."""

    def __init__(self, desk: Desk) -> None:
        """None has begun."""
        self.desk = desk
        self.works: list[Work] = []
        self._lock = threading.Lock()
        self._readying = threading.Lock()
        self._closed = False

    @property
    def now(self) -> Work | None:
        """The work that goes on."""
        return self.works[-1] if self.works and self.works[-1].is_going_on else None

    def uses(self, sheet: Sheet) -> bool:
        """Whether a picture is being restored, or has results."""
        return any(work.sheet is sheet for work in self.works)

    def work(self, number: int) -> Work:
        """The work of a number.

        Raises:
            KeyError: if there is none.
        """
        for work in self.works:
            if work.number == number:
                return work
        raise KeyError(number)

    def estimate(self, sheet: Sheet, asked: Asked) -> dict[str, Any]:
        """What a person should know before a fit.

        Raises:
            InputError: if anything that was given cannot be used.
        """
        with self._readying, self.desk.plainly():
            ready = make_ready(sheet, asked, files_of(sheet, asked))
        lines = [plain(line, self.desk.folder) for line in ready.lines]
        return {"lines": lines, "output": ready.output}

    def start(self, sheet: Sheet, asked: Asked, like: Work | None = None) -> Work:
        """Begins a fit.

        Args:
            sheet: the picture.
            asked: what is to be done with it.
            like: a work whose mask and files it takes; None for those that are there now.

        Raises:
            Busy: if another goes on.
            InputError: if anything that was given cannot be used.
        """
        with self._lock:
            if (now := self.now) is not None:
                raise Busy(
                    f"{now.sheet.name} is being restored, and one picture is at a time: wait for "
                    "it, or stop it"
                )
            if self._closed:
                raise Busy("the studio is being closed")
            with self._readying, self.desk.plainly():
                files = files_of(sheet, asked) if like is None else like.files
                ready = make_ready(sheet, asked, files)
            if self._closed:
                raise Busy("the studio is being closed")
            sheet.kept |= {file.path for file in files.options.values()}
            sheet.kept |= set() if files.mask is None else {files.mask}
            number = self.works[-1].number + 1 if self.works else 1
            work = Work(number, self.desk, sheet, asked, ready)
            self._forget()
            self.works.append(work)
            work.start()
            return work

    def _forget(self) -> None:
        """The oldest results make room, if they were downloaded."""
        old = [w for w in self.works if w.downloaded or w.result is None]
        for work in old[: max(0, len(self.works) + 1 - _MOST_RESULTS)]:
            self.works.remove(work)
            if work.result is not None:
                shutil.rmtree(work.result.parent, ignore_errors=True)

    def close(self) -> None:
        """No other begins, and the one that goes on is ended."""
        self._closed = True
        if (now := self.now) is not None:
            now.stop()

    def unsaved(self) -> list[Work]:
        """The works whose results nobody has downloaded."""
        return [w for w in self.works if w.result is not None and not w.downloaded]


class Busy(Exception):
    """Another picture is being restored."""
