"""Ctrl-C, SIGTERM, SIGHUP: the first one asks a fit to end well, a second one ends it at once."""

import signal
from typing import Any, Self

from dip_jax.report.streams import tell_error

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # the last comes when a terminal is closed


class Stopping:
    """Remembers, within its `with` block, that a signal came; a second one is `KeyboardInterrupt`.

    A terminal that is closed may send SIGHUP twice, and beside a SIGTERM: it never counts as a
    second one. Where it is ignored, as under `nohup`, it stays so. What the signals did before is
    put back after the block.
    """

    def __init__(self, words: str) -> None:
        """Takes the words to tell on standard error when the first signal comes."""
        self._asked, self._insisted, self._words = False, False, words
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for name in _NAMES:
            number = getattr(signal, name, None)  # Windows has not all of them
            if number is None or _is_left_alone(number):
                continue
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *what: Any) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _ask(self, number, frame) -> None:
        insists = signal.Signals(number).name != "SIGHUP"
        if insists and self._insisted:
            raise KeyboardInterrupt
        self._insisted |= insists
        if not self._asked:
            self._asked = True
            tell_error(f"\n{self._words}")

    def __call__(self) -> bool:
        return self._asked


def _is_left_alone(number: int) -> bool:
    hangs_up = signal.Signals(number).name == "SIGHUP"
    return hangs_up and signal.getsignal(number) == signal.SIG_IGN
