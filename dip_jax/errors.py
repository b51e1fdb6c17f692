"""The exception that means "what you gave me cannot be used", and words for its message.

A person comes by one of three doors: a configuration (`python -m dip_jax.main`), the command
`dip-jax`, or Python. What they give is called otherwise at each. So a message holds names, and the
door at which it is told says what they are called there.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, NamedTuple


class Words(NamedTuple):
    """What a door calls what a person gives.

    Attributes:
        field: a field of the configuration, by its dotted name.
        setting: how it is asked for: by its dotted name, and the value that it is to have.
        workdir: the folder that a run leaves its files in.
    """

    field: Callable[[str], str]
    setting: Callable[[str, Any], str]
    workdir: str


CONFIGURATION = Words(
    field=lambda name: f"config.{name}",
    setting=lambda name, value: f"--config.{name}={value}",
    workdir="--workdir",
)
_ARGUMENTS = {"seed": "rng", "stop.criterion": "criterion"}  # of the Python interface
PYTHON = Words(
    field=lambda name: _ARGUMENTS.get(name, name),
    setting=lambda name, value: f"{_ARGUMENTS.get(name, name)}={value!r}",
    workdir="the folder",
)


class Field(NamedTuple):
    """A field of the configuration, by its dotted name."""

    name: str

    def told(self, words: Words) -> str:
        return words.field(self.name)


class Setting(NamedTuple):
    """That a field is to have a value: what a person is to say for it."""

    name: str
    value: Any

    def told(self, words: Words) -> str:
        return words.setting(self.name, self.value)


class Workdir(NamedTuple):
    """The folder that a run leaves its files in."""

    def told(self, words: Words) -> str:
        return words.workdir


field, setting, WORKDIR = Field, Setting, Workdir()

Part = str | Field | Setting | Workdir


_words: ContextVar[Words] = ContextVar("words", default=CONFIGURATION)


@contextlib.contextmanager
def speaking(words: Words) -> Iterator[None]:
    """Within it, messages are told in these words: what a door does once, around all its work."""
    before = _words.set(words)
    try:
        yield
    finally:
        _words.reset(before)


def told(*parts: Part) -> str:
    """A message in the words of the door that is spoken at; a configuration's by default."""
    words = _words.get()
    return "".join(part if isinstance(part, str) else part.told(words) for part in parts)


class InputError(ValueError):
    """A file, a mask, an option or an array that cannot be used.

    The message is one line and says what is wrong, what was expected and what to do. The command
    line prints it and exits with a non-zero status; from Python it is an ordinary `ValueError`.
    """

    def __init__(self, *parts: Part) -> None:
        """An error whose message is these parts, one after the other.

        Args:
            parts: text, and names that each door has its own word for.
        """
        super().__init__(*parts)

    def __str__(self) -> str:
        return told(*self.args)

    def settle(self) -> None:
        """Keeps the message in the words that are spoken now, wherever it is shown."""
        self.args = (str(self),)


class FitError(InputError):
    """A fit that came to nothing, though what was given could be used; the message is alike."""


class Interrupted(FitError):
    """A fit that was asked to end before it had a picture that is any good."""


def quoted(path: str | os.PathLike[str]) -> str:
    """A path as a message names it: on one line, whatever it holds."""
    return repr(os.fspath(path))


def reason(error: Exception) -> str:
    """The error in a few words on one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join((text or type(error).__name__).split())
