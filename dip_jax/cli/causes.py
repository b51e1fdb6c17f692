"""What is wrong with the flags of a configuration, out of the errors that reading them raises.

Their messages are those of absl and ml_collections, which hold tracebacks and speak of Python.
"""

import difflib
import os
import re
from collections.abc import Sequence

from dip_jax.settings import fields, tasks

EXAMPLE = "configs/hole_fill.py"

_KINDS = {
    "invalid literal for int": "a whole number",
    "could not convert string to float": "a number",
    "Non-boolean argument": "True or False",
}
_OPTIONS = {"steps": "num_steps", "criterion": "stop.criterion", "set": "num_steps"}  # of `dip-jax`


def cause(error: Exception, argv: Sequence[str]) -> str:
    """What is wrong, in one line.

    Args:
        error: whatever reading the flags and the configuration raised.
        argv: the words of the command.
    """
    text = str(error.args[0] if error.args else error)
    if "InputError: " in text:
        return text.rpartition("InputError: ")[2]
    unreadable = isinstance(error, SyntaxError) or "null byte" in text  # it is no Python
    if unreadable or "Failed loading config file" in text:
        path = _path_of_configuration(argv)
        return f"the configuration {path!r} cannot be loaded: expected a file such as {EXAMPLE}"
    if isinstance(error, AttributeError | KeyError):
        # The message is the name in quotes, and perhaps another one that was meant.
        names = re.findall(r"\w+", text.replace("\\n", " "))
        guess = re.search(r'Did you mean "(\w+)"', text)
        return f"the configuration has no field {names[0]!r}" + (
            f"; did you mean {guess[1]!r}?" if guess else ": 'dip-jax run TASK --help' lists all"
        )
    if unknown := re.match(r"Unknown command line flag '([^']*)'", text):
        return f"there is no flag --{unknown[1]}: {_meant(unknown[1])}"
    if flag := re.match(r"flag (--[^=]*)=(.*?): ", text):
        kind = next((kind for words, kind in _KINDS.items() if words in text), "another value")
        return f"{flag[1]} is {flag[2]!r}, expected {kind}"
    return text


def _path_of_configuration(argv: Sequence[str]) -> str:
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        name, _, value = word.partition("=")
        if name in ("--config", "-config"):
            return (value or following).split(":")[0]
    return ""


def _meant(name: str) -> str:
    if name.startswith("config."):
        return f"say --config={EXAMPLE} before it, or another configuration"
    known = fields.fields(tasks.defaults("denoise"))
    near = [_OPTIONS[name]] if name in _OPTIONS else difflib.get_close_matches(name, known, n=1)
    if not near:
        return "options look like --config.num_steps=500"
    return f"did you mean --config.{near[0]}?"


def misplaced(argument: str) -> str:
    """What to say of a word that is no flag."""
    if os.path.exists(argument):
        return f"unexpected argument {argument!r}: a picture is given as --config.image={argument}"
    return f"unexpected argument {argument!r}: options look like --config.num_steps=500"


def not_to_be_set(names: object, example: str = f"--config={EXAMPLE}") -> str:
    """What to say if fields are set that only say which configuration it is; "" if none is.

    Args:
        names: of the fields that are set.
        example: how a configuration is chosen at this door.
    """
    set_here = set(names) if isinstance(names, dict) else set()
    for name, ending in {"task": "", "preset": ":quick"}.items():
        if name in set_here:
            return (
                f"--config.{name} cannot be set: it only says which configuration this is; choose "
                f"that, such as {example}{ending}"
            )
    return ""
