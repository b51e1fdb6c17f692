"""What the command calls what a person gives it."""

from typing import Any

from dip_jax.errors import Words

# Options that stand for fields; all others are given by `--set NAME=VALUE`.
_OPTIONS = {
    "data_range": "--data-range",
    "image": "IMAGE",
    "keep_known": "--no-keep-known",
    "mask": "--mask",
    "mask_polarity": "--mask-polarity",
    "num_steps": "--steps",
    "parts.memory": "--memory",
    "preset": "--draft",
    "seed": "--seed",
    "seeds": "--seeds",
    "stop.criterion": "--criterion",
    "task": "TASK",
} | {
    f"operator.{name}": f"--{name}"
    for name in "factor kernel sigma boundary pattern quality subsampling degrees white".split()
}
_WITHOUT_VALUE = ("keep_known", "preset")


def _setting(name: str, value: Any) -> str:
    values = value if isinstance(value, tuple) else (value,)
    if name in _WITHOUT_VALUE:
        return _OPTIONS[name]
    if name in _OPTIONS:
        return " ".join([_OPTIONS[name], *map(str, values)])
    return f"--set {name}={','.join(map(str, values))}"


COMMAND = Words(
    field=lambda name: _OPTIONS.get(name, f"--set {name}"), setting=_setting, workdir="--report"
)
