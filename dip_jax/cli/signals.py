"""Ctrl-C and SIGTERM: the first one asks a fit to end well, a second one ends it at once."""

import signal
import sys
from typing import Any, Self


class Stopping:
    """Remembers, within its `with` block, that a signal came; a second one is `KeyboardInterrupt`.

    What the signals did before is put back after the block.
    """

    def __init__(self, words: str) -> None:
        """Takes the words to tell on standard error when the first signal comes."""
        self._asked, self._words = False, words
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *what: Any) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _ask(self, number, frame) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        print(f"\n{self._words}", file=sys.stderr)

    def __call__(self) -> bool:
        return self._asked
