"""What `speed` times: the work, the programs that do it, and in which order.

The work of a step is that of a fit: noise on the input, the network and its gradient, Adam, the
moving average of the outputs. `dip_jax` makes the whole of its own step, which also measures
itself on held-out pixels, keeps the best image and a snapshot to go back to; the baseline does not.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.common.samples import damaged
from dip_jax.settings import tasks

PICTURE, LARGEST = "astronaut", 512


@dataclasses.dataclass(frozen=True)
class Variant:
    """One program.

    Attributes:
        name: in the table.
        side: "dip_jax" or "pytorch".
        precision: "float32", "tf32" or "bfloat16".
        form: of dip_jax: "single" for a call per step, "chunks" for many steps in one program.
        channels_last: of PyTorch.
        compile: of PyTorch: whether it goes through `torch.compile`.
    """

    name: str
    side: str
    precision: str = "float32"
    form: str = "chunks"
    channels_last: bool = False
    compile: bool = False

    @property
    def module(self) -> str:
        return {"dip_jax": "speed.jax_worker", "pytorch": "speed.pytorch_worker"}[self.side]


@dataclasses.dataclass(frozen=True)
class Unit:
    """What is timed together, round by round.

    Attributes:
        task: whose published network it is.
        size: side of the picture in pixels.
        lanes: how many fits at once. PyTorch makes them one after another, so it is timed with one.
    """

    task: str
    size: int
    lanes: int


def configuration(task: str, channels: int = 128, precision: str = "float32") -> dict[str, Any]:
    """The published settings of a task, with another number of channels for a trial."""
    config = tasks.defaults(task, "paper")
    network = config["network"]
    wide_skips = network["skip"] == network["up"]
    network |= {"down": (channels,), "up": (channels,)} | (
        {"skip": (channels,)} if wide_skips else {}
    )
    if has_precision():
        config["precision"] = precision
    return config


def has_precision() -> bool:
    """Whether `dip_jax` can compute in less than float32."""
    return "precision" in tasks.defaults("denoise")


def picture(config: dict[str, Any], size: int) -> tuple[np.ndarray, np.ndarray | None]:
    """The degraded picture, `(size, size, 3)`, and where it is to be filled."""
    _, y, fill = damaged(config, PICTURE, size)
    return y, fill


def variants(platform: str) -> list[Variant]:
    """The programs for a platform, "cpu" or an accelerator's."""
    found = [
        Variant("dip_jax, single steps", "dip_jax", form="single"),
        Variant("dip_jax", "dip_jax"),
        Variant("PyTorch", "pytorch"),
        Variant("PyTorch channels_last", "pytorch", channels_last=True),
        Variant("torch.compile", "pytorch", channels_last=True, compile=True),
    ]
    if platform == "cpu":
        return found
    for precision, label in (("tf32", "TF32"), ("bfloat16", "bfloat16")):
        if has_precision():
            found.append(Variant(f"dip_jax {label}", "dip_jax", precision))
        how = {"side": "pytorch", "precision": precision, "channels_last": True}
        found.append(Variant(f"PyTorch channels_last {label}", **how))
        found.append(Variant(f"torch.compile {label}", **how, compile=True))
    return found


def chosen(
    found: Sequence[Variant], unit: Unit, platform: str, quick: bool
) -> tuple[list[Variant], list[Variant]]:
    """Those that are timed in a unit, and those that are left out of it to save time.

    Compiling takes most of the time, on a CPU half a minute to two for `torch.compile`.
    """
    if unit.lanes > 1:
        return [v for v in found if v.side == "dip_jax" and v.form == "chunks"], []

    aim = 256 if platform == "cpu" else 512  # the size that the targets speak of

    def is_dear(v: Variant) -> bool:
        if v.form == "single":
            return quick or unit.size != aim
        if v.compile:
            unwanted = platform != "cpu" and v.precision != "tf32"
            return quick or unit.size < aim or unwanted
        return v.side == "pytorch" and not v.channels_last and (quick or unit.size > 256)

    return [v for v in found if not is_dear(v)], [v for v in found if is_dear(v)]


def units(
    names: Sequence[str], sizes: Sequence[int], lanes: Sequence[int], platform: str
) -> list[Unit]:
    """All of them, what the targets speak of first and then the quick ones first."""
    first = [(256, 1), (512, 1)] if platform == "cpu" else [(512, 1), (256, 1), (256, 8)]

    def key(pair: tuple[int, int]) -> tuple[bool, int, int]:
        size, count = pair
        return pair not in first, size**2 * count, count

    pairs = sorted(((size, count) for size in sizes for count in lanes), key=key)
    return [Unit(task, size, count) for size, count in pairs for task in names]


def amount(unit: Unit, platform: str) -> tuple[int, int]:
    """Rounds, and steps per turn: so many as the machine makes in a second or two."""
    if platform != "cpu":
        return 7, 40 if unit.size <= 256 else 20
    if unit.lanes > 1:
        return {128: (3, 5), 256: (2, 2)}.get(unit.size, (2, 1))
    return {128: (5, 5), 256: (5, 2)}.get(unit.size, (3, 1))
