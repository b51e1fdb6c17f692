"""One picture fitted with several seeds."""

import functools
from collections.abc import Callable, Sequence

import numpy as np

from dip_jax.errors import InputError
from dip_jax.forward.observation import Observation
from dip_jax.lanes.jobs import LaneJob, Log, Restoration
from dip_jax.lanes.loop import fit_lanes


def restore(
    observation: Observation,
    *,
    seeds: Sequence[int] = (0,),
    clean: np.ndarray | None = None,
    on_log: Callable[[Log], bool] | None = None,
    on_failed: Callable[[int, InputError], None] | None = None,
    **how,
) -> list[Restoration]:
    """Fits the network to one observation, once for every seed; see `fit_lanes` for `how`.

    Args:
        observation: the degraded image, `(h, w, c)`, and what is known of it.
        seeds: to fit with, one after the other or at once.
        clean: the clean image of an experiment, `(h, w, c)` in [0, 1].
        on_log: as in `LaneJob`.
        on_failed: called with a seed and what makes its result impossible. Without it the first
            such error is raised once all have ended.
        how: as in `fit_lanes`.

    Returns:
        The result of every seed that has one, in their order. Their images' mean is the ensemble's
        result.
    """
    results: dict[int, Restoration] = {}

    def keep(result: Restoration) -> None:
        results[result.seed] = result

    def job(seed: int) -> LaneJob:
        failed = functools.partial(on_failed, seed) if on_failed is not None else None
        return LaneJob(observation, seed, clean, on_log=on_log, on_done=keep, on_failed=failed)

    fit_lanes([job(seed) for seed in seeds], **how)
    return [results[seed] for seed in seeds if seed in results]
