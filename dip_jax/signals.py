"""Ctrl-C and SIGTERM: the first one asks a fit to end well, a second one ends it at once."""

import signal
import sys


class Stopping:
    """Remembers that a signal came; a second one raises `KeyboardInterrupt`."""

    def __init__(self, words: str) -> None:
        """Begins to listen.

        Args:
            words: what to tell on standard error when the first one comes.
        """
        self._asked, self._words = False, words
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, number, frame) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        print(f"\n{self._words}", file=sys.stderr)

    def __call__(self) -> bool:
        return self._asked
