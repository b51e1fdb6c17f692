"""The exception that means "what you gave me cannot be used", and words for its message."""

import os


class InputError(ValueError):
    """A file, a mask, an option or an array that cannot be used.

    The message is one line and says what is wrong, what was expected and what to do. The command
    line prints it and exits with a non-zero status; from Python it is an ordinary `ValueError`.
    """


class FitError(InputError):
    """A fit that came to nothing, though what was given could be used; the message is alike."""


def quoted(path: str | os.PathLike[str]) -> str:
    """A path as a message names it: on one line, whatever it holds."""
    return repr(os.fspath(path))


def reason(error: Exception) -> str:
    """The error in a few words on one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join((text or type(error).__name__).split())
