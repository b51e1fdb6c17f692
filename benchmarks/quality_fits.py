"""The fits of `quality` by this project.

Besides what they would give they keep the best image of the same fit as the clean picture tells. It
is judged as a person gets it, so that in the masked tasks it is the best composite.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.ensemble_figures import groups
from benchmarks.quality_figures import Entry, Images, mean_entry
from benchmarks.quality_plan import Config, Picture, Pixels
from dip_jax import composite, metrics, tasks
from dip_jax.ensembles import is_refined, shown
from dip_jax.lane_jobs import LaneJob, Restoration
from dip_jax.observation import observe
from dip_jax.restoring import fit_lanes
from dip_jax.stopping import Criterion, View

OUT, AVG, RESULT = "output", "average", "result"


class Members(NamedTuple):
    """The seeds of one picture.

    Attributes:
        stopped: by kind (`RESULT`, `OUT`, `AVG`), what each seed gives by itself, `(n, h, w, c)`.
        oracle: by kind, the best image of each seed's fit.
        results: of each seed.
    """

    stopped: dict[str, Pixels]
    oracle: dict[str, Pixels]
    results: list[Restoration]


class Kept(NamedTuple):
    """The best image of the network so far, and the PSNR in dB of what a person gets of it."""

    psnr: jax.Array
    x: jax.Array


def sees_clean(
    criterion: Criterion, clean: Pixels, given: Callable[[jax.Array], jax.Array]
) -> Criterion:
    """The same criterion, which also keeps the best output and the best average by the oracle.

    Args:
        criterion: decides as before.
        clean: the clean picture.
        given: makes of the network's image what a person gets, which is judged.
    """
    h, w, _ = clean.shape

    def init(lane: Any) -> Any:
        none = Kept(jnp.float32(-jnp.inf), jnp.zeros(clean.shape))
        return criterion.init(lane), none, none

    def better(kept: Kept, x: jax.Array) -> Kept:
        x = x[:h, :w]
        psnr = metrics.psnr(given(x), jnp.asarray(clean), jnp.ones((h, w, 1)))
        return jax.tree.map(
            lambda new, old: jnp.where(psnr > kept.psnr, new, old), Kept(psnr, x), kept
        )

    def update(carry: Any, view: View) -> Any:
        inner, out, avg = carry
        inner, judgement = criterion.update(inner, view)
        return (inner, better(out, view.x_out), better(avg, view.x_avg)), judgement

    return Criterion(init, update)


class _Watched:
    """Stands in the place of a lane's checkpoints, and is left with what its criterion kept."""

    def __init__(self) -> None:
        self.out: Kept | None = None
        self.avg: Kept | None = None

    def latest_step(self) -> None:
        return None

    def save(self, state: Any, record: Any) -> None:
        _, self.out, self.avg = jax.tree.map(np.asarray, state.criterion)


def fit_members(picture: Picture, config: Config, seeds: int) -> Members:
    """Fits a picture with so many seeds, each of which stops by itself."""
    observation, _ = observe(picture.y, picture.fill)
    criterion = sees_clean(tasks.criterion(config), picture.clean, giving(picture, config))
    watched = [_Watched() for _ in range(seeds)]
    results: dict[int, Restoration] = {}
    fit_lanes(
        [
            LaneJob(
                observation,
                seed,
                picture.clean,
                checkpoints=watched[seed],  # type: ignore[arg-type]
                on_done=lambda result: results.__setitem__(result.seed, result),
            )
            for seed in range(seeds)
        ],
        settings=tasks.fit_settings(config),
        criterion=criterion,
        num_steps=config["num_steps"],
        checkpoint_every=config["num_steps"],
    )
    found = [results[seed] for seed in range(seeds)]
    best = [(w.out, w.avg) for w in watched]
    refine = is_refined(config, observation)
    seamless = picture.fill is not None and config["seamless"]

    def given(images: list[Pixels], refine: bool = False) -> Pixels:
        made = [shown(x, observation, seamless=seamless, refine=refine) for x in images]
        return picture.given(np.stack(made))

    stopped = {
        RESULT: given([r.x for r in found], refine),
        OUT: given([r.x_out for r in found]),
        AVG: given([r.x_avg for r in found]),
    }
    oracle = {
        RESULT: given([max(pair, key=lambda kept: kept.psnr).x for pair in best], refine),
        OUT: given([out.x for out, _ in best]),
        AVG: given([avg.x for _, avg in best]),
    }
    return Members(stopped, oracle, found)


def giving(picture: Picture, config: Config) -> Callable[[jax.Array], jax.Array]:
    """What makes of the network's image, inside the step, what a person gets before refinement."""
    if picture.fill is None:
        return lambda x: x
    observation, _ = observe(picture.y, picture.fill)
    if config["seamless"]:
        return lambda x: composite.seamless(x, observation)
    y, known = observation
    return lambda x: jnp.where(known > 0, y, x)


def ours(
    picture: Picture, config: Config, seeds: int
) -> tuple[list[Entry], Images, dict[str, Any]]:
    """One fit of all seeds, and from it the means of 1, 2, 4, ... of them."""
    members = fit_members(picture, config, seeds)
    steps = float(np.mean([r.steps for r in members.results]))
    details = {
        name: [getattr(r, name) for r in members.results]
        for name in ("steps", "chosen_step", "chosen_image", "stop_reason", "rollbacks")
    }
    return *means_of_members(members, picture.clean, steps), details


def means_of_members(members: Members, clean: Pixels, steps: float) -> tuple[list[Entry], Images]:
    """The figures of the means of 1, 2, 4, ... members, and the images of the first of them.

    Of less than all members the figures are averaged over their disjoint groups.

    Args:
        members: of one picture.
        clean: the clean picture.
        steps: of one member.
    """
    seeds = len(members.stopped[RESULT])
    entries, pictures = [], {}
    for n in ensembles(seeds):
        method = f"dip_jax, {n} seed{'s' if n > 1 else ''}"
        for kind in (RESULT, OUT, AVG):
            means = [
                [x[group].mean(axis=0) for group in groups(seeds, n)]
                for x in (members.stopped[kind], members.oracle[kind])
            ]
            entries.append(mean_entry(method, kind, *means, clean, steps=n * steps))
            pictures[f"{method}|{kind}"] = means[0][0]
    return entries, pictures


def ensembles(seeds: int) -> list[int]:
    """The sizes of the means: 1, 2, 4, ... up to all seeds."""
    return [n for n in (1, 2, 4, 8, 16, 32) if n <= seeds]
