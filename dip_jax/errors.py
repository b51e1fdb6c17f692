"""The exception that means "what you gave me cannot be used", and words for its message.

A person comes by one of three doors: a configuration (`python -m dip_jax.main`), the command
`dip-jax`, or Python. What they give is called otherwise at each. So a message holds names, and the
door at which it is told says what they are called there.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
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


def _setting_of_configuration(name: str, value: Any) -> str:
    if name == "preset":  # what a configuration is called with, before it has fields
        return f"--config=configs/TASK.py:{value}"
    if isinstance(value, tuple):  # a shell would read the brackets, and the entries have one type
        entries = [float(entry) if name == "data_range" else entry for entry in value]
        return f'--config.{name}="{tuple(entries)}"'
    return f"--config.{name}={value}"


CONFIGURATION = Words(
    field=lambda name: f"config.{name}",
    setting=_setting_of_configuration,
    workdir="--workdir",
)
_ARGUMENTS = (
    {  # of the Python interface; the other fields are set by its argument `options`
        "seed": "rng",
        "stop.criterion": "criterion",
    }
    | {
        f"operator.{name}": name
        for name in "factor kernel sigma boundary pattern quality subsampling".split()
    }
    | {
        name: name
        for name in "num_steps seeds data_range preset mask mask_polarity keep_known".split()
    }
)


def _setting_of_python(name: str, value: Any) -> str:
    if name in _ARGUMENTS:
        return f"{_ARGUMENTS[name]}={value!r}"
    return f"options={{{name!r}: {value!r}}}"


PYTHON = Words(
    field=lambda name: _ARGUMENTS.get(name, name),
    setting=_setting_of_python,
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


def joined(parts: Iterable[Part], word: str = " and ") -> list[Part]:
    """The parts with a word between them."""
    return [one for part in parts for one in (word, part)][1:]


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
