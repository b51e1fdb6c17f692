"""Single fields of a configuration, by their dotted names: `stop.patience`, `network.down`.

A value must have the type of the default that it replaces, so a wrong one is found before a run.
"""

import ast
import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np

from dip_jax.errors import InputError, Part, field, joined


def override(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with some fields changed.

    Args:
        config: as `tasks.defaults` gives it; it is left as it is.
        changes: dotted names and values. An integer serves where the default is a float, a single
            number, a list or an array where it is a tuple, and a NumPy scalar for what it holds.

    Raises:
        InputError: if there is no such field, or the value is of another type.
    """
    changed = _copy(config)
    for name, value in changes.items():
        *parents, last = _path(config, name)
        section = changed
        for parent in parents:
            section = section[parent]
        section[last] = _like(section[last], value, name)
    return changed


def parsed(assignments: list[str]) -> dict[str, Any]:
    """The changes that texts such as `stop.patience=100` or `network.down=(16,32)` stand for.

    Raises:
        InputError: if there is no equals sign.
    """
    changes: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if text.strip().lower() in ("true", "false"):
            text = text.strip().capitalize()
        if not equals:
            raise InputError(
                f"--set {assignment!r} sets nothing; expected NAME=VALUE, such as "
                "--set stop.patience=100"
            )
        try:
            changes[name.strip()] = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            changes[name.strip()] = text.strip()
    return changes


def fields(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every field's dotted name and value."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            found |= fields(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _copy(config: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _copy(v) if isinstance(v, Mapping) else v for k, v in config.items()}


def _path(config: Mapping[str, Any], name: Any) -> list[str]:
    known = fields(config)
    if isinstance(name, str) and name in known:
        return name.split(".")
    inside = [one for one in known if one.startswith(f"{name}.")]
    near = inside or difflib.get_close_matches(str(name), known, n=3, cutoff=0.6)
    last = str(name).rpartition(".")[2]
    near = near or [one for one in known if one.rpartition(".")[2] == last]
    meant: list[Part] = ["'dip-jax run TASK -h' lists all"]
    if near:
        meant = ["did you mean ", *joined(map(field, near[:6]), " or "), "?"]
    raise InputError(field(str(name)), ": there is no such option; ", *meant)


def _like(default: Any, value: Any, name: str) -> Any:
    if hasattr(value, "__array__"):  # a NumPy scalar or array
        value = np.asarray(value).tolist()
    if default == ():  # a range of values
        if isinstance(value, tuple | list) and len(value) in (0, 2):
            return tuple(_like(0.0, entry, name) for entry in value)
        raise InputError(field(name), f" is {value!r}, expected two numbers such as (0, 4095)")
    if isinstance(default, tuple):
        entries = tuple(value) if isinstance(value, tuple | list) else (value,)
        if not entries:
            raise InputError(field(name), " is empty, expected one entry, or one for every scale")
        return tuple(_like(default[0], entry, name) for entry in entries)
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
    elif isinstance(default, float):
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    elif type(value) is type(default):
        return value
    kind = {int: "a whole number", float: "a number", str: "a word"}
    expected = "True or False"
    if not isinstance(default, bool):
        expected = f"{kind[type(default)]} such as {default!r}"
    raise InputError(field(name), f" is {value!r}, expected {expected}")
