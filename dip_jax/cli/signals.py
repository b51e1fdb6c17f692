"""Ctrl-C, SIGTERM, SIGHUP: the first one asks a fit to end well, a second one ends it at once.

Python hears of a signal only between two of its own instructions, and compiling a program is one of
them that lasts a minute. So a thread listens as well: it answers the first signal, and ends the
process after a second one, where Python has not heard of them within a second. Files are written
whole or not at all, so nothing that was saved before is lost.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, Self

from dip_jax.report.streams import Unfailing, tell_error

INTERRUPTED = 130  # the exit code
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # the last comes when a terminal is closed
_PATIENCE = 1.0  # seconds


class Stopping:
    """Remembers, within its `with` block, that a signal came; a second one is `KeyboardInterrupt`.

    A terminal that is closed may send SIGHUP twice, and beside a SIGTERM: it never counts as a
    second one. Where it is ignored, as under `nohup`, it stays so. What the signals did before is
    put back after the block.
    """

    def __init__(self, words: str, last_words: str = "ended at once") -> None:
        """Takes what to tell on standard error.

        Args:
            words: when the first signal comes.
            last_words: if a second one ends the process without another word.
        """
        self._words, self._last_words = words, last_words
        self._asked, self._insisted = threading.Event(), False
        self._before: dict[int, Any] = {}
        self._ending = threading.Event()  # Python has heard of the second one

    def __enter__(self) -> Self:
        self._hears, told = os.pipe()
        os.set_blocking(told, False)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._told_before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        for name in _NAMES:
            number = getattr(signal, name, None)  # Windows has not all of them
            if number is None or _is_left_alone(number):
                continue
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *what: Any) -> None:
        self._ending.set()  # it does end, and what was to be written has been
        for number, before in self._before.items():
            signal.signal(number, before)
        os.close(signal.set_wakeup_fd(self._told_before))
        self._listener.join()
        os.close(self._hears)

    def _ask(self, number, frame) -> None:
        if _insists(number) and self._insisted:
            self._ending.set()
            raise KeyboardInterrupt
        self._insisted |= _insists(number)
        self._answer()

    def _answer(self) -> None:
        if not self._asked.is_set():
            self._asked.set()
            tell_error(f"\n{self._words}")

    def _listen(self) -> None:
        insisted = 0
        while number := os.read(self._hears, 1):
            if number[0] not in self._before:
                continue
            insisted += _insists(number[0])
            if insisted > 1 and not self._ending.wait(_PATIENCE):
                tell_error(f"{_shown_cursor()}{self._last_words}")
                os._exit(INTERRUPTED)
            if not self._asked.wait(_PATIENCE):
                self._answer()

    def __call__(self) -> bool:
        return self._asked.is_set()


def _shown_cursor() -> str:
    """What shows a terminal's cursor again, which a bar has hidden."""
    return "\x1b[?25h" if Unfailing(sys.stderr).isatty() else ""


def _insists(number: int) -> bool:
    return signal.Signals(number).name != "SIGHUP"


def _is_left_alone(number: int) -> bool:
    return not _insists(number) and signal.getsignal(number) == signal.SIG_IGN


@contextlib.contextmanager
def ending_at_once(words: str) -> Iterator[None]:
    """Within it Ctrl-C ends the process with these words: while it imports what it needs.

    `KeyboardInterrupt` will not do: once it has come out of an `exec`, which many modules use,
    Python ends by the signal itself, whatever is made of it.
    """

    def end(number, frame):
        tell_error(words)
        raise SystemExit(INTERRUPTED)

    before = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
