"""What the command calls what a person gives it."""

from typing import Any

from dip_jax.errors import Words

# Options that stand for fields; all others are given by `--set NAME=VALUE`.
_OPTIONS = {
    "data_range": "--data-range",
    "image": "IMAGE",
    "mask": "--mask",
    "mask_polarity": "--mask-polarity",
    "num_steps": "--steps",
    "seed": "--seed",
    "seeds": "--seeds",
    "stop.criterion": "--criterion",
}


def _setting(name: str, value: Any) -> str:
    return f"{_OPTIONS[name]} {value}" if name in _OPTIONS else f"--set {name}={value}"


COMMAND = Words(field=lambda name: _OPTIONS.get(name, name), setting=_setting, workdir="--report")
