"""Whether a picture is restored with no network, by its configuration; and when that is advised."""

import numpy as np

from dip_jax.errors import setting, told
from dip_jax.finish.alone import suffices
from dip_jax.finish.filling import is_large_and_scattered
from dip_jax.prepare.prepared import Prepared
from dip_jax.settings.ending import ending
from dip_jax.settings.steps import needs_few
from dip_jax.settings.tasks import Config


def may_be_alone(config: Config) -> bool:
    """Whether a picture may be refined with no network, if that suffices for it."""
    return bool(config["refine_alone"]) and ending(config).refine


def advice(config: Config, prepared: Prepared) -> list[str]:
    """Tells where a network adds next to nothing to what the picture's own patches make of it.

    That is where single pixels are missing all over a large picture, and in strong white noise of
    colours.

    Args:
        config: as `tasks.defaults` gives it, of a picture that is fitted as a whole.
        prepared: the picture.
    """
    how, observation = ending(config), prepared.observation
    if config["preset"] or not suffices(prepared, how):
        return []
    if how.seamless:
        adds_little = is_large_and_scattered(np.asarray(observation.known) <= 0)
    else:
        adds_little = needs_few(config, observation, prepared.striped)
    if not adds_little:
        return []
    line = "in a picture like this its own patches, with no network, are about as good, sooner: "
    return [told(line, setting("refine_alone", True))]
