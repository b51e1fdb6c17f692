"""Whether a picture is fitted as a whole or in parts, by its configuration, and what that takes."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray

from dip_jax.errors import setting, told
from dip_jax.finish.alone import suffices
from dip_jax.finish.ensemble import Ending
from dip_jax.finish.smooth_filling import is_smooth
from dip_jax.pictures.arrays import Layout
from dip_jax.prepare import parts
from dip_jax.prepare.division import Division, unknown_values
from dip_jax.prepare.prepared import about_missing, prepare
from dip_jax.report.durations import between
from dip_jax.settings import allowed_memory, estimates, tasks
from dip_jax.settings.adapting import adapting
from dip_jax.settings.ending import ending
from dip_jax.settings.steps import with_steps
from dip_jax.settings.tasks import Config, task_of
from dip_jax.settings.without_network import may_be_alone

# Squares around damage are worth it if they have at most so much of the picture's pixels together.
_WORTH_IT = 0.5
# Squares are looked at, whether they need a fit, if they have at most so many times as many.
_LOOKED_AT = 2.0
# After so many of them, looking ends if the others seem to be so many times what is worth it.
_ENOUGH_SEEN, _CLEARLY = 64, 1.5
_NETWORK = ("network", "input")
_HOW = ("optimiser", "learning_rate", "schedule", "stop", "average_share")
# Seconds for each pixel of a picture to be read, divided, put together and written.
_HANDLING = (2.5e-7, 6e-7)
# For each part of it that is not fitted, and for each pixel of these where it is refined alone.
_CONTINUING, _ALONE = (0.2, 0.8), (5e-5, 3e-4)
_MANY = 50  # of these: then it is told how far they are
# A picture of more pixels is fitted in tiles, whatever memory there is, so that the machine has no
# say in what comes out.
_WHOLE = 2**20


def divided(
    config: Config, before: NDArray[Any], layout: Layout, fill: NDArray[np.bool_] | None
) -> Division | None:
    """Which parts of a picture are fitted; None if it is fitted as a whole.

    Args:
        config: as `tasks.defaults` gives it.
        before: the picture as it was given.
        layout: of it.
        fill: True where it is to be filled, `(h, w)` or `(h, w, c)`; None in denoising.
    """
    kind, alone = config["parts"]["kind"], may_be_alone(config)
    if config["task"] in tasks.MEASURED or (kind == "whole" and not alone):
        return None
    pixels = layout.channels_last(before)
    h, w, c = pixels.shape
    # Where known pixels are to come from the network too, all of the picture is fitted.
    only_unknown = task_of(config).fills and config["keep_known"]
    around = may_be_around(config)
    tiled = kind == "tiles" or (kind == "auto" and _is_tiled(config, (h, w, c)))
    if not (around or tiled or alone):
        return None
    unknown: Bool[np.ndarray, "h w"] = np.asarray(unknown_values(pixels, fill).any(axis=2))
    how = adapting(config)
    if around:
        most = _worth_it(config, h * w) if kind == "auto" else np.inf
        may_leave = _may_continue(config) or alone
        # What need not be fitted may be more than what is worth it.
        looked_at = _LOOKED_AT if may_leave and h * w > _WHOLE else 1.0
        squares = parts.around_damage(unknown, looked_at * most)
        if squares is not None and squares.parts:
            missing = int((~np.isfinite(pixels)).sum()) if pixels.dtype.kind == "f" else 0
            said = (about_missing(missing),) if missing else ()
            division = Division(squares, before, layout, fill, how, said=said)
            divided = _without_unfitted(division, config, most) if may_leave else division
            if divided is not None:
                return divided
    if not (tiled or alone):
        return None
    whole = prepare(layout.image(before), fill, layout, how, on_device=False)
    alone = alone and suffices(whole, ending(config))
    if not tiled:
        if not alone:
            return None
        plan = parts.Plan("tiles", (), 1)
        all_of_it = (parts.Part(0, 0, h, w),)
        return Division(plan, before, layout, fill, how, whole, alone=all_of_it)
    to_fill = unknown if unknown.any() else None
    side = allowed_memory.side_of_tiles(config, (h, w, c), pixels.dtype.itemsize)
    plan = parts.tiles(h, w, side, to_fill, only_unknown=only_unknown)
    known = np.asarray(whole.observation.known)  # of what has no noise, nothing is
    there = tuple(p for p in plan.parts if p.reduced > 1 or known[p.place].any())
    plan = dataclasses.replace(plan, parts=there)
    if alone and there:
        plan = dataclasses.replace(plan, parts=())
        return Division(plan, before, layout, fill, how, whole, alone=there)
    return Division(plan, before, layout, fill, how, whole) if there else None


def _may_continue(config: Config) -> bool:
    """Whether squares around damage may be left to a surface: as all of their results are made."""
    how = ending(config)
    return config["parts"]["continue_smooth"] and how.seamless and how.refine


def _without_unfitted(division: Division, config: Config, most: float) -> Division | None:
    """With the squares around damage apart that need no fit.

    Args:
        division: the squares.
        config: as for `divided`.
        most: if the others have more pixels together, there is None.
    """
    plan = division.plan
    all_of, looked_at, rest = plan.pixels(), 0, 0
    alone: set[int] = set()
    smooth: set[int] = set()
    continues, how = _may_continue(config), ending(config)
    # From all over the picture, so that what was looked at tells of the others.
    for count, i in enumerate(np.random.default_rng(0).permutation(len(plan.parts)), 1):
        part = plan.parts[i]
        pixels = part.size[0] * part.size[1]
        looked_at += pixels
        prepared = division.prepared(part) if part.reduced == 1 else None
        if prepared is not None and may_be_alone(config) and suffices(prepared, how):
            alone.add(int(i))
        elif prepared is not None and continues and is_smooth(prepared.observation):
            smooth.add(int(i))
        else:
            rest += pixels
        likely = rest / looked_at * all_of if count >= _ENOUGH_SEEN else 0.0
        if rest > most or likely > _CLEARLY * most:
            return None
    unfitted = alone | smooth
    fitted = tuple(part for i, part in enumerate(plan.parts) if i not in unfitted)
    return dataclasses.replace(
        division,
        plan=dataclasses.replace(plan, parts=fitted),
        smooth=tuple(plan.parts[i] for i in sorted(smooth)),
        alone=tuple(plan.parts[i] for i in sorted(alone)),
    )


def _is_tiled(config: Config, shape: tuple[int, int, int]) -> bool:
    """Whether a picture is fitted in tiles rather than as a whole, if not around its damage."""
    return shape[0] * shape[1] > _WHOLE or not allowed_memory.fits_whole(config, shape)


def _worth_it(config: Config, pixels: int) -> float:
    """How many pixels the squares around the damage of a picture of so many may have together.

    Half of the picture's; of one that would be fitted in tiles, for more steps, all of them.
    """
    fewer_steps = config["num_steps"] > config["parts"]["steps"]
    return pixels if pixels > _WHOLE and fewer_steps else _WORTH_IT * pixels


def may_be_divided(config: Config, shape: tuple[int, int, int] | None) -> bool:
    """Whether a picture may be fitted in parts, as far as its shape tells, `(h, w, c)`."""
    kind = config["parts"]["kind"]
    if config["task"] in tasks.MEASURED:
        return False
    if may_be_alone(config):
        return True
    if kind == "whole":
        return False
    if kind != "auto" or shape is None:
        return True
    pixels = shape[0] * shape[1]
    least = parts.LEAST_SQUARE**2 / _WORTH_IT
    around = task_of(config).fills and pixels >= least
    return around or _is_tiled(config, shape)


def may_be_around(config: Config) -> bool:
    """Whether only what is around a picture's damage may be fitted, if there is little of it."""
    only_unknown = task_of(config).fills and config["keep_known"]
    return only_unknown and config["parts"]["kind"] in ("auto", "damage")


def config_of_parts(config: Config, division: Division) -> dict[str, Any]:
    """The configuration by which parts are fitted.

    A square around damage has little to fill. After 200 steps it is filled as well as after more,
    and its held-out pixels, all over it, say little of how far the refinement should go. And what
    is to be filled hangs together, which is what the network of hole filling is for: one with
    skip connections may come to anything inside. So where the configuration has its task's own
    network and input, those of `tasks.around_damage` take their place, and so do its optimiser,
    schedule and stopping.
    """
    whole = division.whole
    if whole is not None:  # in tiles
        return _at_once(with_steps(config, whole.observation, whole.striped), division)
    steps = min(config["num_steps"], config["parts"]["steps"])
    parted = {**config, "num_steps": steps, "refine_judged": False}
    own = tasks.defaults(config["task"], config["preset"])
    for_holes = tasks.around_damage(config["preset"])
    if all(config[name] == own[name] for name in _NETWORK):
        its_own = [name for name in (*_NETWORK, *_HOW) if config[name] == own[name]]
        parted |= {name: for_holes[name] for name in its_own}
    elif config["task"] == "hole_fill":
        network = config["network"]
        widths = [name for name in ("down", "up") if network[name] == own["network"][name]]
        parted["network"] = network | {name: for_holes["network"][name] for name in widths}
    return _at_once(parted, division)


def _at_once(config: Config, division: Division) -> dict[str, Any]:
    """With so many fits at once as the memory that is allowed holds."""
    lanes = len(division.plan.parts) * config["seeds"]
    count = allowed_memory.lanes_at_once(config, _largest(division), lanes, _held(division))
    return {**config, "lanes": {**config["lanes"], "at_once": count}}


def ending_of_parts(config: Config, division: Division) -> Ending:
    """How the results of the seeds of a part become that part.

    Args:
        config: as `config_of_parts` gives it.
        division: the parts.
    """
    return dataclasses.replace(ending(config), around_damage=division.plan.kind == "damage")


def shapes_of(division: Division) -> list[tuple[int, int, int]]:
    """Of every part that is fitted, as it is, `(h, w, c)`."""
    return [(*part.size, division.shape[2]) for part in division.plan.parts]


def _largest(division: Division) -> tuple[int, int, int]:
    """Of the parts that are fitted, or of the others if none is."""
    sizes = [part.size for part in division.plan.parts or division.unfitted]
    return (*max(sizes, key=lambda size: size[0] * size[1]), division.shape[2])


def hints(config: Config, division: Division) -> list[str]:
    """What other options may fit better, as `estimates.hints`; of tiles, by the whole picture."""
    whole = division.whole
    return [] if whole is None else estimates.hints(config, whole.observation, whole.striped)


def check_memory(config: Config, division: Division) -> None:
    """Refuses a picture whose parts the memory is too small for, or what is allowed of it.

    Args:
        config: as `config_of_parts` gives it.
        division: the parts.

    Raises:
        InputError: if it is.
    """
    tiled, itemsize = division.whole is not None, division.pixels.dtype.itemsize
    shapes = shapes_of(division) or [_largest(division)]
    allowed_memory.check(config, division.shape, shapes, itemsize, tiled=tiled)


def about(division: Division) -> list[str]:
    """Which parts are fitted, in a line each."""
    plan, (h, w, _) = division.plan, division.shape
    share = 100 * plan.pixels() / (h * w)
    lines = _about_unfitted(division)
    if not plan.parts:
        return lines
    counts: dict[str, int] = {}
    for part in plan.parts:
        size = f"{part.size[1]} x {part.size[0]}"
        if part.reduced > 1:
            size += f" (1/{part.reduced} of its size: a hole wider than 128 pixels)"
        counts[size] = counts.get(size, 0) + 1
    sizes = ", ".join(f"{count} of {size}" for size, count in counts.items())
    if plan.kind == "damage":
        line = (
            f"only what is around the damage is fitted, {share:.2g}% of the picture's pixels, in "
            f"{len(plan.parts)} part{'s' * (len(plan.parts) > 1)}: {sizes}; "
        )
    else:
        line = f"fitted in {len(plan.parts)} overlapping tiles: {sizes}; "
    return [*lines, told(line, setting("parts.kind", "whole"), " fits it as a whole")]


def _about_unfitted(division: Division) -> list[str]:
    alone, smooth = len(division.alone), len(division.smooth)
    all_of = alone + smooth + len(division.plan.parts)
    lines = []
    if alone:
        where = "" if alone == all_of else f" in {alone} of {all_of} places"
        line = f"the picture is restored by its own patches{where}, with no network; "
        lines.append(told(line, setting("refine_alone", False), " fits one"))
    if smooth:
        where = (
            "all around the damage" if smooth == all_of else f"around {smooth} of {all_of} places"
        )
        line = f"the picture is smooth {where}: it is continued there, with no network; "
        off = setting("parts.continue_smooth", False)
        lines.append(told(line, off, " fits it there as well"))
    return lines


def about_made(done: int, division: Division) -> list[str]:
    """How many of the parts that are not fitted are made, in a line at every tenth of many.

    Args:
        done: so many.
        division: they are its.
    """
    total, tiles = len(division.unfitted), division.whole is not None
    if total < (2 if tiles else _MANY) or (done < total and done % max(1, total // 10)):
        return []
    return [f"{done} of {total} {'tiles' if tiles else 'places that need no network'} are made"]


def advice(config: Config, division: Division, seeds: int) -> list[str]:
    """What a person should know before the fits start, in lines: which parts, time and memory."""
    lines = about(division)
    line = f"about {bytes_of(config, division) / 1e9:.1f} GB of memory"
    seconds = seconds_of({**config, "seeds": seeds}, division)
    if seconds is not None:
        steps = " for all steps" if division.plan.parts else ""
        line = f"{between(*seconds)}{steps}, and {line}; a rough estimate"
    return [*lines, line]


def seconds_of(config: Config, division: Division) -> tuple[float, float] | None:
    """How long all of it takes here, from and to; None if that is not known.

    Args:
        config: as `config_of_parts` gives it, with so many `seeds` as there are.
        division: the parts.
    """
    shapes = shapes_of(division)
    of_fits = estimates.seconds_of_all(config, shapes) if shapes else (0.0, 0.0)
    if of_fits is None:
        return None
    (h, w, _), parts_of_it = division.shape, len(division.unfitted)
    alone = sum(a * b for a, b in (part.size for part in division.alone))
    each = zip(of_fits, _HANDLING, _CONTINUING, _ALONE, strict=True)
    low, high = (
        fits + h * w * pixel + parts_of_it * part + alone * refined
        for fits, pixel, part, refined in each
    )
    return low, high


def bytes_of(config: Config, division: Division) -> float:
    """About how many bytes it takes: the picture, what is made of it, and the fit of a part."""
    tiled, itemsize = division.whole is not None, division.pixels.dtype.itemsize
    part, count = _largest(division), len(division.plan.parts)
    return allowed_memory.needed(config, division.shape, part, count, itemsize, tiled=tiled)


def _held(division: Division) -> float:
    tiled, itemsize = division.whole is not None, division.pixels.dtype.itemsize
    return allowed_memory.held(division.shape, itemsize, tiled=tiled)
