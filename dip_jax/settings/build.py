"""What a configuration makes: the hyper-parameters of a fit, and its stopping criterion."""

from collections.abc import Mapping
from typing import Any

from dip_jax.errors import InputError
from dip_jax.fit.criteria import CRITERIA, Criterion
from dip_jax.fit.hyperparameters import FitSettings
from dip_jax.networks.hourglass import Architecture
from dip_jax.settings.limits import check


def fit_settings(config: Mapping[str, Any]) -> FitSettings:
    """The hyper-parameters of the fit that a configuration describes.

    Raises:
        InputError: if a value is out of its range.
    """
    check(config)
    network = dict(config["network"])
    scales = network.pop("scales")
    shape = {}
    for name, value in network.items():
        if name != "pointwise":
            value = tuple(value) * scales if len(value) == 1 else tuple(value)
        shape[name] = value
    try:
        architecture = Architecture(**shape)
    except ValueError as error:
        raise InputError(str(error).replace("network: ", "config.network.", 1)) from error
    if architecture.scales != scales:
        raise InputError(
            f"config.network.down has {architecture.scales} entries, expected "
            f"{scales} (config.network.scales), or one that serves all scales"
        )
    return FitSettings(
        architecture=architecture,
        input_kind=config["input"]["kind"],
        input_depth=config["input"]["depth"],
        input_scale=config["input"]["scale"],
        input_noise=config["input"]["noise"],
        learning_rate=config["learning_rate"],
        average=config["average"],
        average_share=config["average_share"],
        heldout_share=config["heldout"]["share"],
        heldout_block=config["heldout"]["block"],
        heldout_per_channel=config["heldout"]["per_channel"],
        precision=config["precision"],
        remat=config["remat"],
        **config["stability"],
    )


def criterion(config: Mapping[str, Any]) -> Criterion:
    """The stopping criterion that a configuration describes."""
    stop = config["stop"]
    name = stop["criterion"]
    if name == "wmv":
        return CRITERIA[name](patience=stop["wmv_patience"], window=stop["wmv_window"])
    if name == "heldout":
        return CRITERIA[name](patience=stop["patience"], only_avg=stop["only_avg"])
    return CRITERIA[name](patience=stop["patience"])
