"""What the fields of a configuration may be: ranges and choices."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from dip_jax.errors import InputError, field
from dip_jax.fit.criteria import CRITERIA
from dip_jax.fit.hyperparameters import PRECISIONS
from dip_jax.fit.learning_rate import SCHEDULES
from dip_jax.fit.optimisers import OPTIMISERS
from dip_jax.forward import observation
from dip_jax.lanes.slots import FORMS
from dip_jax.networks.registry import KINDS
from dip_jax.prepare import parts

LAST_SEED = 2**32 - 1
MOST_SEEDS = 2**16
DEGRADATIONS = ("noise", "text", "holes", "missing", "measured", "none")


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
            raise InputError(field(self.path), f" is too large, expected at most {_LARGEST}")
        if not (low and high and value < math.inf):
            raise InputError(field(self.path), f" is {value}, expected a number {self.words()}")

    def words(self) -> str:
        words = f"{'above' if self.open_low else 'at least'} {self.low:g}"
        if self.high < float("inf"):
            words += f" and {'below' if self.open_high else 'at most'} {self.high:.10g}"
        return words


_LARGEST = 2**31 - 1  # steps are counted in 32 bits

RANGES = (
    _Range("page", 0),
    _Range("num_steps", 1),
    _Range("refined_steps", 0),
    _Range("log_every", 1),
    _Range("preview_every", 0),
    _Range("checkpoint_every", 1),
    _Range("learning_rate", 0, open_low=True),
    _Range("schedule.peak", 0, open_low=True),
    _Range("schedule.rise", 0, 1, open_low=True, open_high=True),
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
    _Range("damage.sigma", 0),  # where the task is to remove noise, above 0
    _Range("damage.share", 0, 1, open_low=True, open_high=True),
    _Range("damage.seed", 0, LAST_SEED),
    _Range("seed", 0, LAST_SEED),
    _Range("seeds", 1, MOST_SEEDS),
    _Range("lanes.at_once", 0),
    _Range("parts.steps", 1),
    _Range("parts.side", parts.LEAST_TILE),
    _Range("parts.memory", 0),
    _Range("sample.side", 1),
)

CHOICES = {
    "degrade": DEGRADATIONS,
    "mask_polarity": ("fill", "keep"),
    "heldout.kind": observation.KINDS,
    "input.kind": ("noise", "meshgrid"),
    "network.kind": tuple(KINDS),
    "optimiser": OPTIMISERS,
    "schedule.kind": SCHEDULES,
    "stop.criterion": tuple(CRITERIA),
    "lanes.form": FORMS,
    "parts.kind": parts.KINDS,
    "precision": PRECISIONS,
}


def check(config: Mapping[str, Any]) -> None:
    """Refuses a configuration with a value out of its range, or with two that contradict.

    Raises:
        InputError: naming the first such field.
    """
    for span in RANGES:
        span.check(config)
    for path, choices in CHOICES.items():
        value: Any = config
        for name in path.split("."):
            value = value[name]
        if value not in choices:
            raise InputError(
                field(path), f" is {value!r}, expected one of {', '.join(map(repr, choices))}"
            )
    last = config["seed"] + config["seeds"] - 1
    if last > LAST_SEED:
        raise InputError(
            field("seeds"),
            f" is {config['seeds']} from seed {config['seed']} on, to {last}: "
            f"seeds go up to {LAST_SEED}",
        )
    if config["input"]["kind"] == "meshgrid" and config["input"]["depth"] != 2:
        raise InputError(
            field("input.depth"),
            f" is {config['input']['depth']}, expected 2 with a meshgrid input",
        )
    if config["stop"]["criterion"] == "heldout" and config["heldout"]["share"] == 0:
        raise InputError(
            field("stop.criterion"),
            " is 'heldout' and ",
            field("heldout.share"),
            " is 0: hold out a share (0.1), or choose another criterion",
        )
