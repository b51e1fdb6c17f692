"""The fits of `quality` by this project.

Besides what they would give they keep the best image of the same fit as the clean picture tells. It
is judged as a person gets it, so that in the masked tasks it is the best composite; on an
accelerator, there, the best with the known pixels pasted in.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.common.prepared import prepared_as_floats
from benchmarks.ensembles.figures import groups
from benchmarks.quality.figures import Entry, Images, mean_entry
from benchmarks.quality.plan import Config, Picture, Pixels
from dip_jax.finish import composite
from dip_jax.finish.ensemble import is_refined, shown
from dip_jax.fit.criteria import Criterion, View
from dip_jax.fit.lane import Lane
from dip_jax.forward import metrics
from dip_jax.forward.observation import Observation
from dip_jax.lanes.jobs import LaneJob, Restoration
from dip_jax.lanes.loop import fit_lanes
from dip_jax.prepare.prepared import Prepared
from dip_jax.settings import build
from dip_jax.settings.adapting import adapting
from dip_jax.settings.ending import ending
from dip_jax.settings.steps import with_steps

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


Score = Callable[[jax.Array, Lane], jax.Array]


def sees_clean(criterion: Criterion, score: Score) -> Criterion:
    """The same criterion, which also keeps the best output and the best average by the oracle.

    Args:
        criterion: decides as before.
        score: the PSNR in dB of what a person gets of the network's image in a lane.
    """

    def init(lane: Any) -> Any:
        none = Kept(jnp.float32(-jnp.inf), jnp.zeros_like(lane.true))
        return criterion.init(lane), none, none

    def better(kept: Kept, x: jax.Array, lane: Lane) -> Kept:
        psnr = score(x, lane)
        return jax.tree.map(
            lambda new, old: jnp.where(psnr > kept.psnr, new, old), Kept(psnr, x), kept
        )

    def update(carry: Any, view: View) -> Any:
        inner, out, avg = carry
        inner, judgement = criterion.update(inner, view)
        return (
            inner,
            better(out, view.x_out, view.lane),
            better(avg, view.x_avg, view.lane),
        ), judgement

    return Criterion(init, update)


def scoring(config: Config, size: tuple[int, int]) -> Score:
    """The PSNR, inside the step, of what a person gets before refinement.

    On an accelerator the seams, whose solver takes longer there than the step, are left.

    Args:
        config: of the fit.
        size: `(h, w)` of the picture, which only a composite without seams needs to know.
    """
    h, w = size
    how = ending(config)

    def given(x: jax.Array, lane: Lane) -> jax.Array:
        known = lane.fit + lane.held
        if not how.keep_known:
            return x
        if not how.seamless or jax.default_backend() != "cpu":
            return jnp.where(known > 0, lane.y, x)
        inner = composite.seamless(x[:h, :w], Observation(lane.y[:h, :w], known[:h, :w]))
        return x.at[:h, :w].set(inner)

    return lambda x, lane: metrics.psnr(given(x, lane), lane.true, lane.inside)


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
    found: list[Callable[[], Members]] = []
    fit_pictures([picture], config, seeds, lambda _, members: found.append(members))
    return found[0]()


def fit_pictures(
    pictures: Sequence[Picture],
    config: Config,
    seeds: int,
    on_done: Callable[[Picture, Callable[[], Members]], None],
) -> None:
    """Fits pictures with so many seeds each, the lanes of one size side by side.

    Args:
        pictures: on a CPU, all of one size.
        config: of all fits.
        seeds: of each picture.
        on_done: called with each picture when its last seed has ended, and with what makes its
            members of the fits, which takes a while and may be left to another thread.
    """
    score = scoring(config, pictures[0].clean.shape[:2])
    criterion = sees_clean(build.criterion(config), score)
    jobs = []
    for picture in pictures:
        prepared = prepared_as_floats(picture.y, picture.fill, adapting(config))
        settled = with_steps(config, prepared.observation, prepared.striped)
        watched = [_Watched() for _ in range(seeds)]
        results: dict[int, Restoration] = {}

        def keep(
            result: Restoration,
            picture: Picture = picture,
            prepared: Prepared = prepared,
            watched: list[_Watched] = watched,
            results: dict[int, Restoration] = results,
        ) -> None:
            results[result.seed] = result
            if len(results) == seeds:
                found = [results[seed] for seed in range(seeds)]
                on_done(
                    picture,
                    functools.partial(_members, picture, config, prepared, found, watched),
                )

        jobs += [
            LaneJob(
                prepared.observation,
                seed,
                prepared.of_clean(picture.clean),
                settled["num_steps"],
                checkpoints=watched[seed],  # type: ignore[arg-type]
                on_done=keep,
            )
            for seed in range(seeds)
        ]
    fit_lanes(
        jobs,
        settings=build.fit_settings(config),
        criterion=criterion,
        num_steps=config["num_steps"],
        log_every=250,
        checkpoint_every=config["num_steps"],
        at_once=config["lanes"]["at_once"],
    )


def _members(
    picture: Picture,
    config: Config,
    prepared: Prepared,
    found: list[Restoration],
    watched: list[_Watched],
) -> Members:
    h, w, _ = picture.clean.shape
    observation = prepared.observation
    best = [(watch.out, watch.avg) for watch in watched]
    how = ending(config)
    refined = is_refined(how, observation, prepared.striped)

    def given(images: list[Pixels], refined: bool = False) -> Pixels:
        made = [
            shown(x[:h, :w], observation, how, refined=refined, held=r.held)
            for x, r in zip(images, found, strict=True)
        ]
        x = prepared.to_picture(np.stack(made))
        if prepared.still is not None:
            x = np.where(prepared.still[..., None], picture.y, x)
        return picture.given(x)

    stopped = {
        RESULT: given([r.x for r in found], refined),
        OUT: given([r.x_out for r in found]),
        AVG: given([r.x_avg for r in found]),
    }
    oracle = {
        RESULT: given([max(pair, key=lambda kept: kept.psnr).x for pair in best], refined),
        OUT: given([out.x for out, _ in best]),
        AVG: given([avg.x for _, avg in best]),
    }
    return Members(stopped, oracle, found)


def ours(
    picture: Picture, config: Config, seeds: int
) -> tuple[list[Entry], Images, dict[str, Any]]:
    """One fit of all seeds, and from it the means of 1, 2, 4, ... of them."""
    return figures(fit_members(picture, config, seeds), picture)


def figures(members: Members, picture: Picture) -> tuple[list[Entry], Images, dict[str, Any]]:
    """The figures and images of a picture's members, and what is told of their fits."""
    steps = float(np.mean([r.steps for r in members.results]))
    details = {
        name: [getattr(r, name) for r in members.results]
        for name in ("steps", "chosen_step", "chosen_image", "stop_reason", "rollbacks")
    }
    details["step"] = float(np.median([1 / r.steps_per_second for r in members.results]))
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
