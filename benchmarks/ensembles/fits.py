"""The fits of `benchmarks.ensembles`: seeds that stop by themselves or together, lanes in turns."""

import argparse
import dataclasses
import statistics
import time
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from benchmarks.common.beginning import begin
from benchmarks.common.samples import damaged
from benchmarks.ensembles.figures import (
    Images,
    groups,
    mean_over_groups,
    psnr,
    ranking,
    stopped_by_mean,
)
from dip_jax.finish.ensemble import shown
from dip_jax.fit import criteria
from dip_jax.fit.fitting import make_fit
from dip_jax.forward.observation import Observation, hold_out, observe
from dip_jax.lanes.seeds import restore
from dip_jax.lanes.slots import Slots
from dip_jax.settings import build, tasks
from dip_jax.settings.ending import ending

COUNTS = (1, 2, 4, 8)


@dataclasses.dataclass(frozen=True)
class Case:
    """One picture and task, and for how many steps at most its fits run."""

    task: str
    picture: str
    steps: int


def counts(args: argparse.Namespace) -> list[int]:
    """The sizes of the means."""
    return [n for n in COUNTS if n <= args.seeds]


class Problem:
    """A case's picture, its damage and its settings."""

    def __init__(self, case: Case, args: argparse.Namespace) -> None:
        self.config = tasks.defaults(case.task)
        if args.channels:
            self.config["network"] |= {"down": (args.channels,), "up": (args.channels,)}
        self.settings = build.fit_settings(self.config)
        self.criterion = build.criterion(self.config)
        self.steps = args.steps or case.steps
        self.clean, y, self.fill = damaged(self.config, case.picture, args.side)
        self.y = np.asarray(y, np.float32)
        self.observation, _ = observe(y, self.fill)

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Where the result is the network's: everywhere, or where the picture is filled."""
        return np.ones(self.y.shape[:2], bool) if self.fill is None else self.fill

    def given(self, members: Images) -> Images:
        """What a person gets, but for refinement, of images of the network, `(n, h, w, c)`."""
        if self.fill is None:
            return members
        how = ending(self.config)
        filled = np.stack([shown(x, self.observation, how) for x in members])
        return np.where(self.fill[..., None], filled, self.y)


def each_stops_itself(case: Case, args: argparse.Namespace) -> dict[str, Any]:
    """The seeds as the command fits them."""
    problem = Problem(case, args)
    results = restore(
        problem.observation,
        seeds=range(args.seeds),
        clean=problem.clean,
        settings=problem.settings,
        criterion=problem.criterion,
        num_steps=problem.steps,
    )
    members = problem.given(np.stack([result.x for result in results]))
    return {
        "shape": list(problem.y.shape),
        "degraded": psnr(problem.y, problem.clean),
        "steps": [result.steps for result in results],
        "chosen": [result.chosen_step for result in results],
        "means": {str(n): mean_over_groups(members, problem.clean, n) for n in counts(args)},
        "ranking": ranking(members, problem.clean, problem.judged),
    }


def common_split(case: Case, args: argparse.Namespace) -> dict[str, Any]:
    """The same seeds with the same held-out pixels, run to the end, and stopped afterwards."""
    problem = Problem(case, args)
    share, block = problem.settings.heldout_share, problem.settings.heldout_block
    _, held = hold_out(jax.random.key(1000), problem.observation.known, share, block)
    # What is held out in common is unknown to every member, which then holds out nothing itself.
    y, known = problem.observation
    members_see = Observation(y, known - held)
    settings = dataclasses.replace(problem.settings, heldout_share=0.0)
    recorded, steps = record(settings, members_see, problem, args)
    mask = np.asarray(held)

    def heldout_psnr(x: Images) -> float:
        error = np.sum(mask * np.square(x - problem.y)) / (mask.sum() * x.shape[2] / mask.shape[2])
        return float(-10 * np.log10(error))

    patience = args.patience or problem.config["stop"]["patience"]
    found: dict[str, Any] = {"means": {}, "oracle": {}, "chosen": {}, "ended": {}}
    for n in counts(args):
        psnrs, oracles, chosen, ended = [], [], [], []
        for group in groups(args.seeds, n):
            means = recorded[:, group].astype(np.float32).mean(axis=1)
            best, last = stopped_by_mean([heldout_psnr(x) for x in means], steps, patience)
            true = [psnr(x, problem.clean) for x in problem.given(means)]
            psnrs.append(true[best])
            oracles.append(max(true))
            chosen.append(steps[best])
            ended.append(steps[last])
        for name, values in zip(found, (psnrs, oracles, chosen, ended), strict=True):
            found[name][str(n)] = statistics.mean(values)
        if n == args.seeds:
            members = problem.given(recorded[best].astype(np.float32))
            found["ranking"] = ranking(members, problem.clean, problem.judged)
    return found


def record(
    settings: Any, observation: Observation, problem: Problem, args: argparse.Namespace
) -> tuple[Images, list[int]]:
    """The moving averages of all seeds at every `args.every` steps, `(records, seeds, h, w, c)`."""
    h, w, channels = problem.y.shape
    fit = make_fit(settings, criteria.none(), channels)
    slots = None
    for seed in range(args.seeds):
        lane, state = begin(fit, observation, problem.steps, seed)
        if slots is None:
            devices = jax.local_devices()[:1]
            slots = Slots(
                fit, lane, state, per_device=args.seeds, devices=devices, length=args.every
            )
        slots.put(seed, lane, state)
    assert slots is not None
    steps = list(range(args.every, problem.steps + 1, args.every))
    records = np.empty((len(steps), args.seeds, h, w, channels), np.float16)
    for i, step in enumerate(steps):
        advance = slots.advance(np.full(args.seeds, step))
        while advance.running.any() and (advance.steps[advance.running] < step).any():
            advance = slots.advance(np.full(args.seeds, step))
        for seed in range(args.seeds):
            records[i, seed] = np.asarray(slots.get(seed).x_avg[:h, :w])
    return records, steps


def lanes_cost(side: int, form: str, args: argparse.Namespace) -> dict[str, Any]:
    """The time of a step of 4 lanes over that of one, taking turns, with the default network."""
    config = tasks.defaults("denoise")
    if args.channels:
        config["network"] |= {"down": (args.channels,), "up": (args.channels,)}
    _, y, _ = damaged(config, "astronaut", side)
    observation, _ = observe(y)
    fit = make_fit(build.fit_settings(config), build.criterion(config), y.shape[2])
    lane, state = begin(fit, observation, config["num_steps"])
    steps, rounds = 20 if side <= 128 else 10, 5  # in chunks, as the command makes them
    places, times = {}, {1: [], 4: []}
    for count in times:
        devices = jax.local_devices()[:1]
        places[count] = Slots(
            fit, lane, state, per_device=count, devices=devices, length=steps, form=form
        )
        for i in range(count):
            places[count].put(i, lane, state)
        places[count].advance(np.full(count, 1))
    for turn in range(rounds):
        for count, slots in places.items():
            start = time.perf_counter()
            slots.advance(np.full(count, 1 + (turn + 1) * steps))
            times[count].append((time.perf_counter() - start) / steps)
    ratios = [four / one for one, four in zip(times[1], times[4], strict=True)]
    return {
        "one": statistics.median(times[1]),
        "four": statistics.median(times[4]),
        "ratio": statistics.median(ratios),
        "lowest": min(ratios),
        "highest": max(ratios),
    }
