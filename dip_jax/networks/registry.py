"""The networks that can be chosen, by what `config.network.kind` calls them.

A shape's fields are those of `config.network` that have their names; a kind reads no others.
"""

import dataclasses
from typing import Any

from dip_jax.networks.deep_decoder import ConvDecoder, DeepDecoder
from dip_jax.networks.hourglass import Hourglass
from dip_jax.networks.unet import UNet

KINDS: dict[str, Any] = {
    "hourglass": Hourglass,
    "deep_decoder": DeepDecoder,
    "conv_decoder": ConvDecoder,
    "unet": UNet,
}  # each makes a `network.Architecture`


def fields_of(kind: str) -> tuple[str, ...]:
    """The fields of `config.network` that a kind of network reads, besides `scales`."""
    return tuple(field.name for field in dataclasses.fields(KINDS[kind]))
