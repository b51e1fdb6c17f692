"""How many steps the fits of a picture make: fewer where patches do the most of it.

Where noise is strong and white, the refinement takes next to nothing from the network, and more
steps hardly help. Where it is weak, the network finds what patches leave out; and where the result
is not refined, as with noise that is correlated, it is the network's alone.
"""

from collections.abc import Collection
from typing import Any

import numpy as np

from dip_jax.finish.ensemble import is_refined
from dip_jax.forward.observation import Observation
from dip_jax.prepare.noise_level import roughly
from dip_jax.settings import tasks
from dip_jax.settings.ending import ending
from dip_jax.settings.tasks import Config

_STRONG = 20 / 255  # deviation of the noise


def fewest(config: Config) -> int:
    """The largest number of steps of a picture that needs few of them.

    Args:
        config: as `tasks.defaults` gives it.
    """
    steps, few, how = config["num_steps"], config["refined_steps"], ending(config)
    if not few or how.seamless or not how.refine:
        return steps
    # A number of steps that a person has set stands.
    if steps != tasks.defaults(config["task"], config["preset"])["num_steps"]:
        return steps
    return min(few, steps)


def with_steps(
    config: Config, observation: Observation, stripes: Collection[int] = ()
) -> dict[str, Any]:
    """The configuration with as many steps as a picture needs.

    Args:
        config: as `tasks.defaults` gives it.
        observation: the picture, or all of that whose parts are fitted.
        stripes: along which axes it had stripes.
    """
    few = fewest(config)
    if few == config["num_steps"] or not is_refined(ending(config), observation, stripes):
        return dict(config)
    y = np.asarray(observation.y)
    known = np.broadcast_to(np.asarray(observation.known) > 0, y.shape)
    return {**config, "num_steps": few if roughly(y, known) >= _STRONG else config["num_steps"]}
