"""Words for a person, which a run can do without: that they fail is no reason to lose its work.

A terminal is closed, the reader of a pipe has gone, the disk that a log is on is full, or an
encoding has no letter for what is to be said. None of that is an error here.
"""

import contextlib
import os
import sys
from typing import TextIO

_FAILED = (OSError, ValueError, RuntimeError)  # gone or full; closed; written to by a signal too


class Unfailing:
    r"""A stream for text that never raises: what cannot be written is left out.

    Letters that its encoding lacks become escapes such as `\xf6`.
    """

    def __init__(self, stream: TextIO | None) -> None:
        """Takes the stream; None, as Python has in place of one that was closed, is silent."""
        self._stream = stream

    @property
    def encoding(self) -> str:
        """As the stream's."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Writes what can be written."""
        with contextlib.suppress(AttributeError, *_FAILED):
            try:
                self._stream.write(text)  # type: ignore[union-attr]
            except UnicodeEncodeError:
                plain = text.encode(self.encoding, "backslashreplace")
                self._stream.write(plain.decode(self.encoding))  # type: ignore[union-attr]
        return len(text)

    def flush(self) -> None:
        """Hands on what was written, where that can be done."""
        with contextlib.suppress(AttributeError, *_FAILED):
            self._stream.flush()  # type: ignore[union-attr]

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        with contextlib.suppress(AttributeError, *_FAILED):
            return self._stream.isatty()  # type: ignore[union-attr]
        return False

    def fileno(self) -> int:
        """The stream's descriptor.

        Raises:
            OSError: if it has none.
        """
        if self._stream is None:
            raise OSError("the stream is closed")
        return self._stream.fileno()


def tell(text: str) -> None:
    """Says a line on standard output, if that can be done."""
    print(text, file=Unfailing(sys.stdout), flush=True)


def tell_error(text: str) -> None:
    """Says a line on standard error, if that can be done."""
    print(text, file=Unfailing(sys.stderr), flush=True)


def let_go() -> None:
    """What a command does last: what cannot be said any more is not tried again.

    At its end Python would write out what is left of standard output and standard error, and if
    that fails complain, and change the exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except _FAILED:
            with contextlib.suppress(*_FAILED):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
