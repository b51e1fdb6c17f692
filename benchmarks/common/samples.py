"""The pictures of the benchmarks: samples that are damaged as the task's own sample is."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dip_jax.pictures import damage as pictures_damage
from dip_jax.pictures import samples
from dip_jax.pictures.values import to_float
from dip_jax.settings.tasks import defaults


def damaged(
    config: Mapping[str, Any], picture: str, side: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """A sample, and its damage by the task and the `damage` of a configuration.

    Args:
        config: of a task, as `tasks.defaults` gives it.
        picture: the name of the sample.
        side: of its longer side, in pixels.

    Returns:
        The clean picture `(h, w, c)`, the damaged one, and `(h, w)` True where it is to be filled;
        None where all of it is known.
    """
    clean = to_float(samples.sample(picture, side).pixels)
    return (clean, *damage(config, clean))


def damage(config: Mapping[str, Any], clean: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The damage of a clean picture `(h, w, c)` in [0, 1], as `damaged` gives it."""
    how = config["damage"]
    rng = np.random.default_rng(how["seed"])
    kind = defaults(config["task"])["degrade"]
    return pictures_damage.damaged(clean, kind, rng, sigma=how["sigma"], share=how["share"])
