"""The fits of `quality`: this project's, and those of the PyTorch baseline.

Both keep, besides what they would give, the best image of the same fit as the clean picture tells.
It is judged as a person gets it, so that in the masked tasks it is the best composite.
"""

import importlib.util
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.ensemble_figures import groups
from benchmarks.quality_figures import Entry, Images, entry, mean_entry
from benchmarks.quality_plan import Config, Picture, Pixels
from dip_jax import metrics, tasks
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
    """The best image so far and its PSNR in dB against the clean picture."""

    psnr: jax.Array
    x: jax.Array


def sees_clean(criterion: Criterion, composite: bool) -> Criterion:
    """The same criterion, which also keeps the best output and the best average by the oracle.

    Args:
        criterion: decides as before.
        composite: whether the images are judged with the known values put in.
    """

    def init(lane: Any) -> Any:
        none = Kept(jnp.float32(-jnp.inf), jnp.zeros_like(lane.y))
        return criterion.init(lane), none, none

    def better(kept: Kept, x: jax.Array, lane: Any) -> Kept:
        if composite:
            known = lane.fit + lane.held
            x = known * lane.y + (1 - known) * x
        psnr = metrics.psnr(x, lane.true, lane.inside)
        return jax.tree.map(
            lambda new, old: jnp.where(psnr > kept.psnr, new, old), Kept(psnr, x), kept
        )

    def update(carry: Any, view: View) -> Any:
        inner, out, avg = carry
        inner, judgement = criterion.update(inner, view)
        lane = view.lane
        return (inner, better(out, view.x_out, lane), better(avg, view.x_avg, lane)), judgement

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
    criterion = sees_clean(tasks.criterion(config), composite=picture.fill is not None)
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
    h, w, _ = picture.y.shape
    best = [(w_.out, w_.avg) for w_ in watched]
    oracle = {
        OUT: np.stack([out.x[:h, :w] for out, _ in best]),
        AVG: np.stack([avg.x[:h, :w] for _, avg in best]),
        RESULT: np.stack([max(pair, key=lambda kept: kept.psnr).x[:h, :w] for pair in best]),
    }
    stopped = {
        RESULT: picture.given(np.stack([r.x for r in found])),
        OUT: picture.given(np.stack([r.x_out for r in found])),
        AVG: picture.given(np.stack([r.x_avg for r in found])),
    }
    return Members(stopped, oracle, found)


def ours(
    picture: Picture, config: Config, seeds: int
) -> tuple[list[Entry], Images, dict[str, Any]]:
    """One fit of all seeds, and from it the means of 1, 2, 4, ... of them."""
    members = fit_members(picture, config, seeds)
    # A step's time, of all but the first: programs are compiled once, and kept.
    seconds = np.mean(
        [
            r.steps / r.steps_per_second if r.steps_per_second > 0 else r.seconds
            for r in members.results
        ]
    )
    details = {
        name: [getattr(r, name) for r in members.results]
        for name in ("steps", "chosen_step", "chosen_image", "stop_reason", "rollbacks")
    }
    return *means_of_members(members, picture.clean, float(seconds)), details


def means_of_members(members: Members, clean: Pixels, seconds: float) -> tuple[list[Entry], Images]:
    """The figures of the means of 1, 2, 4, ... members, and the images of the first of them.

    Of less than all members the figures are averaged over their disjoint groups.

    Args:
        members: of one picture.
        clean: the clean picture.
        seconds: of one member.
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
            entries.append(mean_entry(method, kind, *means, clean, n * seconds))
            pictures[f"{method}|{kind}"] = means[0][0]
    return entries, pictures


def ensembles(seeds: int) -> list[int]:
    """The sizes of the means: 1, 2, 4, ... up to all seeds."""
    return [n for n in (1, 2, 4, 8, 16, 32) if n <= seeds]


def has_baseline() -> bool:
    """Whether PyTorch is installed."""
    return importlib.util.find_spec("torch") is not None


def baseline(
    picture: Picture, config: Config, steps: int, seed: int = 0
) -> tuple[list[Entry], Images, dict[str, Any]]:
    """The PyTorch baseline after so many steps, with all known pixels fitted, as published."""
    import torch

    from benchmarks import pytorch_baseline

    settings = tasks.fit_settings(config)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    h, w, channels = picture.y.shape
    size = settings.architecture.padded(h, w)
    pad = (0, size[1] - w, 0, size[0] - h)
    torch.manual_seed(seed)
    model = pytorch_baseline.Hourglass(settings.architecture, settings.input_depth, channels)
    z = settings.input_scale * torch.rand(1, settings.input_depth, *size)
    if settings.input_kind == "meshgrid":
        rows, columns = (torch.linspace(0, 1, length) for length in size)
        z = torch.stack(torch.meshgrid(columns, rows, indexing="xy"))[None]
    y = pytorch_baseline.to_nchw(picture.y)
    known = torch.ones(1, 1, h, w)
    if picture.fill is not None:
        known[0, 0] = torch.from_numpy(~picture.fill).float()
    clean = pytorch_baseline.to_nchw(picture.clean).to(device)
    put_in = (
        known.to(device) if picture.fill is not None else torch.zeros(1, 1, h, w, device=device)
    )
    seen = y.to(device)
    best = {
        kind: [torch.full((), torch.inf, device=device), torch.zeros_like(clean)]
        for kind in (OUT, AVG)
    }

    def keep_best(step: int, out: torch.Tensor, avg: torch.Tensor, loss: torch.Tensor) -> None:
        for kind, image in ((OUT, out), (AVG, avg)):
            x = put_in * seen + (1 - put_in) * image[..., :h, :w]
            error = (x - clean).square().mean()
            best[kind] = [
                torch.where(error < best[kind][0], new, old)
                for new, old in zip((error, x), best[kind], strict=True)
            ]

    begin = time.perf_counter()
    fit = pytorch_baseline.fit(
        model.to(device),
        z,
        torch.nn.functional.pad(y, pad),
        torch.nn.functional.pad(known, pad),
        steps,
        settings.learning_rate,
        settings.input_noise,
        seed,
        settings.average,
        keep_best,
        channels_last=True,
    )
    last = {
        kind: picture.given(pytorch_baseline.to_hwc(x)[:h, :w])
        for kind, x in ((OUT, fit.out), (AVG, fit.avg))
    }
    seconds = time.perf_counter() - begin
    method = f"PyTorch, {steps} steps"
    entries = [
        entry(
            method, kind, last[kind], pytorch_baseline.to_hwc(best[kind][1]), picture.clean, seconds
        )
        for kind in (OUT, AVG)
    ]
    return entries, {f"{method}|{kind}": last[kind] for kind in (OUT, AVG)}, {"device": device}
