"""What is told where a run damages a person's own picture, which it takes for a clean one.

An experiment with a photograph is asked for in the same way as its restoration, so this is to be
heard before the run, after it, and wherever its result is looked at.
"""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from dip_jax.errors import setting, told

_BEFORE = {
    "noise": "noise is added to",
    "text": "text is written over",
    "holes": "holes are cut into",
    "missing": "pixels are taken out of",
    "measured": "the damage that the task removes is done to",
}
_AFTER = {
    "noise": "noise was added to",
    "text": "text was written over",
    "holes": "holes were cut into",
    "missing": "pixels were taken out of",
    "measured": "the damage that the task removes was done to",
}


def announced(damage: str, name: str, fills: bool) -> str:
    """What to say first of all.

    Args:
        damage: its kind, "noise", "text", "holes" or "missing".
        name: of the picture, or what several are called together.
        fills: whether the task fills what a mask marks.
    """
    return f"{_BEFORE[damage]} {name}, taken for a clean picture, for an experiment; {_cure(fills)}"


def note_of(summary: Mapping[str, Any]) -> str:
    """What to say last of all, and with the result; "" if nothing was added.

    Args:
        summary: of a run, of one picture or of many, with `added_damage`.
    """
    damage = summary.get("added_damage")
    if damage not in _AFTER:
        return ""
    name = "all pictures"
    if "pictures" not in summary:
        name = PurePath(str(summary.get("image") or "the picture")).name
    cure = _cure(damage not in ("noise", "measured"))
    return f"{_AFTER[damage]} {name} by this run, for an experiment; {cure}"


def _cure(fills: bool) -> str:
    says = setting("mask", "MASK.png") if fills else setting("degrade", "none")
    return told("to restore what you have, say ", says)
