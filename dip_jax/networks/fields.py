"""The fields that the shapes of networks have, each by its name: what may stand in them."""

from typing import Any

from dip_jax.networks.layers.upsampling import UPSAMPLINGS


def check_fields(architecture: Any) -> None:
    """Refuses fields of a shape that cannot be.

    But for booleans, every field is a tuple with one entry for every scale: `upsampling` of
    methods, `*_kernel` of odd numbers of taps, `skip` of channels that may be 0, and all others of
    channels.

    Args:
        architecture: a dataclass, whose first field has one entry for every scale.

    Raises:
        ValueError: naming the field.
    """
    fields = {k: v for k, v in vars(architecture).items() if not isinstance(v, bool)}
    first = next(iter(fields))
    for name, value in fields.items():
        kind = str if name == "upsampling" else int
        if not isinstance(value, tuple) or any(type(v) is not kind for v in value):
            raise ValueError(f"network: {name} is {value!r}, expected a tuple of {kind.__name__}")
        if not fields[first]:
            raise ValueError(f"network: {first} is empty, expected channels for one scale or more")
        if len(value) != len(fields[first]):
            raise ValueError(
                f"network: {name} has {len(value)} entries, expected {len(fields[first])}, "
                f"one for each entry of {first}"
            )
        if name == "upsampling":
            bad = [v for v in value if v not in UPSAMPLINGS]
            if bad:
                raise ValueError(
                    f"network: upsampling {bad[0]!r} is unknown, "
                    f"expected one of {', '.join(UPSAMPLINGS)}"
                )
        elif name.endswith("_kernel"):
            if any(v < 1 or v % 2 == 0 for v in value):
                raise ValueError(f"network: {name} is {value}, expected odd numbers")
        elif any(v < (0 if name == "skip" else 1) for v in value):
            raise ValueError(f"network: {name} is {value}, expected channel counts")
