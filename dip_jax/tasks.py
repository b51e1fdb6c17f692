"""The four tasks and their defaults: the one place that the config files and the Python API read.

`defaults(task, preset)` gives a plain nested dict. The presets are "" (what a person wants on the
machine they have: a good result in a few minutes on two CPU cores), "quick" (a smoke run of a
minute) and "paper" (the published setting at full size, for an accelerator). Per-scale options are
tuples with one entry for every scale, or a single entry that serves all of them.
"""

import copy
import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

from dip_jax.errors import InputError
from dip_jax.fit.criteria import CRITERIA
from dip_jax.fit.hyperparameters import PRECISIONS
from dip_jax.lanes.slots import FORMS

PRESETS = ("", "quick", "paper")
LAST_SEED = 2**32 - 1
DEGRADATIONS = ("noise", "text", "holes", "missing", "none")

_BASE: dict[str, Any] = {
    "task": "",
    "preset": "",
    "image": "",
    "page": 0,  # of a multi-page TIFF; 0 for all
    "mask": "",
    "mask_polarity": "fill",
    "clean": "",
    "data_range": (),
    "degrade": "none",
    "sample": {"name": "coffee", "side": 300},
    "damage": {"sigma": 25.0, "share": 0.5, "seed": 0},
    "seed": 0,
    "seeds": 1,
    "lanes": {"at_once": 0, "form": "auto"},
    "num_steps": 1000,
    "precision": "float32",
    "remat": False,
    "network": {
        "scales": 5,
        "down": (32,),
        "up": (32,),
        "skip": (4,),
        "down_kernel": (3,),
        "up_kernel": (3,),
        "skip_kernel": (1,),
        "upsampling": ("bilinear",),
        "pointwise": True,
    },
    "input": {"kind": "noise", "depth": 32, "scale": 0.1, "noise": 0.03},
    "learning_rate": 0.01,
    "average": 0.99,
    "average_share": 0.0,
    "heldout": {"share": 0.05, "block": 1, "per_channel": False},
    "stop": {
        "criterion": "heldout",
        "patience": 200,
        "only_avg": False,
        "wmv_patience": 1000,
        "wmv_window": 100,
    },
    "stability": {"jump": 5.0, "snapshot_every": 100, "max_failures": 5},
    "keep_known": True,
    "seamless": True,
    "refine": True,  # the result, as `finish` does
    "log_every": 50,
    "preview_every": 200,
    "checkpoint_every": 500,
}

# What the published settings share. They run for all of their steps; the best state is picked by
# the held-out PSNR as elsewhere.
_PUBLISHED = {
    "network": {"down": (128,), "up": (128,)},
    "sample": {"side": 512},
    "stop": {"patience": 0},
    "refine": False,
}

_TASKS: dict[str, dict[str, Any]] = {
    "denoise": {
        "": {
            "degrade": "noise",
            "sample": {"name": "chelsea"},
            "input": {"noise": 1 / 30},
            "num_steps": 2400,
        },
        "quick": {"sample": {"side": 128}, "num_steps": 500},
        "paper": {**_PUBLISHED, "num_steps": 3000},
    },
    "text_inpaint": {
        "": {
            "degrade": "text",
            "sample": {"name": "astronaut", "side": 256},
            "network": {"skip": (32,), "upsampling": ("nearest",)},
        },
        "quick": {"sample": {"side": 128}, "num_steps": 500},
        "paper": {
            **_PUBLISHED,
            "network": {"down": (128,), "up": (128,), "skip": (128,)},
            "num_steps": 6001,
        },
    },
    "hole_fill": {
        "": {
            "degrade": "holes",
            "damage": {"share": 0.1},
            "network": {"skip": (0,), "upsampling": ("nearest",)},
            "input": {"kind": "meshgrid", "depth": 2},
            # Inside holes the outputs drift, and no known pixel tells: the mean of all of them.
            "average_share": 0.5,
            "stop": {"only_avg": True},
            "num_steps": 600,
        },
        "quick": {"sample": {"side": 128}, "num_steps": 500},
        "paper": {
            **_PUBLISHED,
            "average_share": 0.0,
            "stop": {"patience": 0, "only_avg": False},
            "num_steps": 5001,
        },
    },
    "reconstruct": {
        "": {"degrade": "missing", "num_steps": 2400},
        "quick": {"sample": {"side": 128}, "num_steps": 500},
        "paper": {**_PUBLISHED, "learning_rate": 0.001, "num_steps": 11000},
    },
}

TASKS = tuple(_TASKS)


def defaults(task: str, preset: str = "") -> dict[str, Any]:
    """The full configuration of a task.

    Args:
        task: one of `TASKS`.
        preset: one of `PRESETS`.

    Raises:
        InputError: if either is unknown.
    """
    if task not in _TASKS:
        raise InputError(f"task {task!r} is unknown, expected one of {', '.join(TASKS)}")
    if preset not in PRESETS:
        raise InputError(
            f"preset {preset!r} is unknown, expected none, {' or '.join(PRESETS[1:])}: "
            f"configs/{task}.py or configs/{task}.py:{PRESETS[1]}"
        )
    config = _merge(copy.deepcopy(_BASE), {"task": task, "preset": preset})
    config = _merge(config, _TASKS[task][""])
    return _merge(config, _TASKS[task][preset]) if preset else config


def as_options(message: str) -> str:
    """A message about a configuration for those who gave options: `config.seeds` is `seeds`."""
    return re.sub(rf"\bconfig\.({'|'.join(_BASE)})\b", r"\1", message)


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        merged[name] = _merge(base[name], value) if isinstance(value, Mapping) else value
    return merged


@dataclasses.dataclass(frozen=True)
class _Range:
    """What the value of a field may be."""

    path: str
    low: float
    high: float = float("inf")
    open_low: bool = False
    open_high: bool = False

    def check(self, config: Mapping[str, Any]) -> None:
        value: Any = config
        for name in self.path.split("."):
            value = value[name]
        low = value > self.low if self.open_low else value >= self.low
        high = value < self.high if self.open_high else value <= self.high
        if isinstance(value, int) and value > _LARGEST and not self.path.startswith("seed"):
            raise InputError(f"config.{self.path} is too large, expected at most {_LARGEST}")
        if not (low and high and value < math.inf):
            words = f"{'above' if self.open_low else 'at least'} {self.low:g}"
            if self.high < float("inf"):
                words += f" and {'below' if self.open_high else 'at most'} {self.high:g}"
            raise InputError(f"config.{self.path} is {value}, expected a number {words}")


_LARGEST = 2**31 - 1  # steps are counted in 32 bits

_RANGES = (
    _Range("page", 0),
    _Range("num_steps", 1),
    _Range("log_every", 1),
    _Range("preview_every", 0),
    _Range("checkpoint_every", 1),
    _Range("learning_rate", 0, open_low=True),
    _Range("average", 0, 1, open_high=True),
    _Range("average_share", 0, 0.5),
    _Range("heldout.share", 0, 1, open_high=True),
    _Range("heldout.block", 1),
    _Range("stop.patience", 0),
    _Range("stop.wmv_patience", 0),
    _Range("stop.wmv_window", 2),
    _Range("stability.jump", 0, open_low=True),
    _Range("stability.snapshot_every", 1),
    _Range("stability.max_failures", 1),
    _Range("input.depth", 1),
    _Range("input.noise", 0),
    _Range("input.scale", 0, open_low=True),
    _Range("network.scales", 1, 10),
    _Range("damage.sigma", 0, open_low=True),
    _Range("damage.share", 0, 1, open_low=True, open_high=True),
    _Range("damage.seed", 0, LAST_SEED),
    _Range("seed", 0, LAST_SEED),
    _Range("seeds", 1),
    _Range("lanes.at_once", 0),
    _Range("sample.side", 1),
)

_CHOICES = {
    "degrade": DEGRADATIONS,
    "mask_polarity": ("fill", "keep"),
    "input.kind": ("noise", "meshgrid"),
    "stop.criterion": tuple(CRITERIA),
    "lanes.form": FORMS,
    "precision": PRECISIONS,
}


def _check(config: Mapping[str, Any]) -> None:
    for field in _RANGES:
        field.check(config)
    for path, choices in _CHOICES.items():
        value: Any = config
        for name in path.split("."):
            value = value[name]
        if value not in choices:
            raise InputError(
                f"config.{path} is {value!r}, expected one of {', '.join(map(repr, choices))}"
            )
    last = config["seed"] + config["seeds"] - 1
    if last > LAST_SEED:
        raise InputError(
            f"config.seeds is {config['seeds']} from seed {config['seed']} on, to {last}: "
            f"seeds go up to {LAST_SEED}"
        )
    if config["input"]["kind"] == "meshgrid" and config["input"]["depth"] != 2:
        raise InputError(
            f"config.input.depth is {config['input']['depth']}, expected 2 with a meshgrid input"
        )
    if config["stop"]["criterion"] == "heldout" and config["heldout"]["share"] == 0:
        raise InputError(
            "config.stop.criterion is 'heldout' and config.heldout.share is 0: hold out a share "
            "(0.1), or choose another criterion"
        )
