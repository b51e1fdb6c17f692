"""What a step takes, of this project and of the PyTorch baseline, taking turns on one picture.

A fit's time is its steps times that: fits of a suite are made at different hours, and looking for
the oracle takes time that no person spends.
"""

import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax

from benchmarks.common.beginning import begin, make_chunk
from benchmarks.quality.plan import Config, Picture
from dip_jax.fit.fitting import make_fit
from dip_jax.forward.observation import observe
from dip_jax.settings import build

OURS, BASELINE = "dip_jax", "PyTorch"


def step_seconds(
    picture: Picture, config: Config | None, base: Config | None, rounds: int = 5, steps: int = 10
) -> dict[str, float]:
    """Seconds of a step by `OURS` and `BASELINE`: the median over rounds, compilation apart.

    Args:
        picture: of whose size.
        config: this project's settings; None leaves it out.
        base: the baseline's settings; None leaves it out.
        rounds: turns of each.
        steps: of a turn.
    """
    turns: dict[str, Callable[[], Any]] = {}
    if config is not None:
        turns[OURS] = _ours(picture, config, steps)
    if base is not None:
        from benchmarks.quality.baseline import Baseline  # here, because it needs PyTorch

        baseline = Baseline(picture, base)
        turns[BASELINE] = functools.partial(baseline.fit, steps)
    found: dict[str, list[float]] = {name: [] for name in turns}
    for i in range(rounds + 1):
        for name, turn in turns.items():
            start = time.perf_counter()
            turn()
            if i:  # the first one compiles, and takes memory
                found[name].append((time.perf_counter() - start) / steps)
    return {name: statistics.median(values) for name, values in found.items()}


def _ours(picture: Picture, config: Config, steps: int) -> Callable[[], None]:
    fit = make_fit(build.fit_settings(config), build.criterion(config), picture.y.shape[2])
    observation, _ = observe(picture.y, picture.fill)
    lane, state = begin(fit, observation, config["num_steps"])
    chunk = make_chunk(fit.step, steps)

    def turn() -> None:
        nonlocal state
        state, _ = chunk(state, lane, state.step + steps)
        jax.block_until_ready(state)

    return turn
