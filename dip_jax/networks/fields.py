"""The fields that the shapes of networks have, each by its name: what may stand in them."""

from collections.abc import Sequence
from typing import Any

from dip_jax.errors import InputError, field
from dip_jax.networks.layers.upsampling import UPSAMPLINGS


def check_fields(architecture: Any) -> None:
    """Refuses fields of a shape that cannot be.

    But for booleans, every field is a tuple with one entry for every scale: `upsampling` of
    methods, `*_kernel` of odd numbers of taps, `skip` of channels that may be 0, and all others of
    channels.

    Args:
        architecture: a dataclass, whose first field has one entry for every scale.

    Raises:
        InputError: naming the field.
    """
    fields = {k: v for k, v in vars(architecture).items() if not isinstance(v, bool)}
    first = next(iter(fields))
    for name, value in fields.items():
        kind, said = str if name == "upsampling" else int, field(f"network.{name}")
        if not isinstance(value, tuple) or any(type(v) is not kind for v in value):
            raise InputError(said, f" is {value!r}, expected a tuple of {kind.__name__}")
        if not fields[first]:
            raise InputError(
                field(f"network.{first}"), " is empty, expected channels for one scale or more"
            )
        if len(value) != len(fields[first]):
            raise InputError(
                said,
                f" has {len(value)} entries, expected {len(fields[first])}, one for each entry of "
                f"{first}",
            )
        if name == "upsampling":
            bad = [v for v in value if v not in UPSAMPLINGS]
            if bad:
                raise InputError(
                    said, f" {bad[0]!r} is unknown, expected one of {', '.join(UPSAMPLINGS)}"
                )
        elif name.endswith("_kernel"):
            if any(v < 1 or v % 2 == 0 for v in value):
                raise InputError(said, f" is {value}, expected odd numbers")
        elif any(v < (0 if name == "skip" else 1) for v in value):
            raise InputError(said, f" is {value}, expected channel counts")


def widths(architecture: Any) -> Sequence[str]:
    """The fields of a configuration that say how many channels the scales of a shape have."""
    return [f"network.{name}" for name in ("down", "up") if name in vars(architecture)]
