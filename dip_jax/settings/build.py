"""From a configuration to a fit: its hyper-parameters, its network, its stopping criterion."""

from collections.abc import Mapping
from typing import Any

from dip_jax.errors import InputError, field
from dip_jax.fit.criteria import CRITERIA, Criterion
from dip_jax.fit.hyperparameters import FitSettings
from dip_jax.networks.network import Architecture
from dip_jax.networks.registry import KINDS, fields_of
from dip_jax.settings.limits import check


def fit_settings(config: Mapping[str, Any]) -> FitSettings:
    """The hyper-parameters of the fit that a configuration describes.

    Raises:
        InputError: if a value is out of its range.
    """
    check(config)
    schedule = config["schedule"]
    return FitSettings(
        architecture=architecture(config),
        input_kind=config["input"]["kind"],
        input_depth=config["input"]["depth"],
        input_scale=config["input"]["scale"],
        input_noise=config["input"]["noise"],
        optimiser=config["optimiser"],
        learning_rate=config["learning_rate"],
        schedule="constant" if config["stop"]["criterion"] == "wmv" else schedule["kind"],
        peak=schedule["peak"],
        rise=schedule["rise"],
        average=config["average"],
        average_share=config["average_share"],
        heldout_share=config["heldout"]["share"],
        heldout_block=config["heldout"]["block"],
        heldout_kind=config["heldout"]["kind"],
        heldout_per_channel=config["heldout"]["per_channel"],
        precision=config["precision"],
        remat=config["remat"],
        **config["stability"],
    )


def fitting(config: Mapping[str, Any]) -> dict[str, Any]:
    """What `lanes.loop.fit_lanes` is told of a configuration, by its names.

    Raises:
        InputError: if a value is out of its range.
    """
    return {
        "settings": fit_settings(config),
        "criterion": criterion(config),
        "num_steps": config["num_steps"],
        "log_every": config["log_every"],
        "at_once": config["lanes"]["at_once"],
        "form": config["lanes"]["form"],
    }


def architecture(config: Mapping[str, Any]) -> Architecture:
    """The architecture of the network that a configuration describes.

    Raises:
        InputError: if there is no such network.
    """
    network = config["network"]
    kind, scales = network["kind"], network["scales"]
    shape = {name: network[name] for name in fields_of(kind)}
    for name, value in shape.items():
        if isinstance(value, bool):
            continue
        shape[name] = (*value, *(value[-1:] * (scales - len(value))))
        if len(shape[name]) != scales:
            raise InputError(
                field(f"network.{name}"),
                f" has {len(value)} entries, expected at most {scales} (",
                field("network.scales"),
                "): the last serves all further scales",
            )
    return KINDS[kind](**shape)


def criterion(config: Mapping[str, Any]) -> Criterion:
    """The stopping criterion that a configuration describes."""
    stop = config["stop"]
    name = stop["criterion"]
    if name == "wmv":
        return CRITERIA[name](patience=stop["wmv_patience"], window=stop["wmv_window"])
    if name == "heldout":
        return CRITERIA[name](patience=stop["patience"], only_avg=stop["only_avg"])
    return CRITERIA[name](patience=stop["patience"])
