"""The pages of a file, fitted: one after the other, as from Python, or by a run with a report."""

import argparse
import contextlib
import dataclasses
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dip_jax.api.array_fit import TOO_EARLY, ArrayFit, prepare
from dip_jax.api.info import FitInfo
from dip_jax.api.measured_fit import of_picture, prepare_measured
from dip_jax.api.options import changes_of, seeds_of
from dip_jax.api.parted_fit import PartedFit
from dip_jax.errors import InputError, Interrupted
from dip_jax.fit.hyperparameters import FitSettings
from dip_jax.lanes.jobs import check_size
from dip_jax.pictures.picture import Picture
from dip_jax.pictures.values import check_data_range
from dip_jax.prepare.measuring import like
from dip_jax.report.progress import Progress
from dip_jax.run.inputs import Given, marked, notes
from dip_jax.settings import build, fields, tasks
from dip_jax.settings.operating import check_one_blur, measuring_of

_WITH_NONE = ", with no network"


@dataclasses.dataclass(frozen=True)
class Fitted:
    """What has become of the pages.

    Attributes:
        pixels: of each page that is restored, by its place, from 0.
        failed: the pages that are not and will not be, counted from 1.
        failures: what failed, pages and seeds, in words.
        steps: made for the restored pages.
        interrupted: whether it is less than was asked for.
        ended: how it has ended, in words.
        chosen: which step or mean the result is, in words, after a comma; "" where that is not
            told.
    """

    pixels: dict[int, np.ndarray]
    failed: list[int]
    failures: list[str]
    steps: int
    interrupted: bool
    ended: str
    chosen: str = ""


def with_masks(arguments: argparse.Namespace, pages: Sequence[Picture]) -> list[Given]:
    """The pages, each with what is to be filled in it.

    Args:
        arguments: as `command.make_parser` gives them.
        pages: as they were read.

    Raises:
        InputError: if a mask cannot be used.
    """
    if not tasks.DOORS[arguments.task].fills:
        return [Given(page, None, notes(repr(arguments.image), page)) for page in pages]
    given = []
    mask = "" if arguments.mask is None else arguments.mask
    for number, page in enumerate(pages, 1):
        with _naming(number, len(pages)):
            polarity, command = arguments.mask_polarity, arguments.command
            one = marked(command, page, mask, polarity, number, len(pages))
            told = notes(repr(arguments.image), page)
            given.append(dataclasses.replace(one, remarks=told + one.remarks))
    return given


@contextlib.contextmanager
def _naming(number: int, pages: int) -> Iterator[None]:
    """Says of which page an error is, where there are several."""
    try:
        yield
    except InputError as error:
        where = f"page {number}: " if pages > 1 else ""
        raise InputError(f"{where}{error}") from None


def changes_of_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `--set` and `--memory` change of the configuration, by its dotted names.

    Args:
        arguments: as `command.make_parser` gives them.

    Raises:
        InputError: if one cannot be read, or the two contradict each other.
    """
    changes = fields.parsed(arguments.set)
    if arguments.memory is None:
        return changes
    if "parts.memory" in changes:
        raise InputError("--memory and --set parts.memory are the same: leave one of them out")
    return changes | {"parts.memory": arguments.memory}


def check_options(arguments: argparse.Namespace, changes: Mapping[str, Any]) -> FitSettings:
    """Refuses options that no picture could make good, and gives what they make of a fit.

    Args:
        arguments: as `command.make_parser` gives them.
        changes: of the configuration, as `fields.parsed` gives them.

    Raises:
        InputError: if there are some.
    """
    seeds_of(arguments.seeds, arguments.seed)
    if arguments.data_range is not None:
        check_data_range(tuple(arguments.data_range))
    if arguments.task == "deblur":  # the configuration cannot tell its default from what is given
        check_one_blur(vars(arguments))
    of_options = changes_of(arguments.steps, arguments.criterion, changes)
    return build.fit_settings(fields.override(_defaults(arguments), of_options))


def _check_sides(picture: Picture, settings: FitSettings) -> None:
    """Refuses a picture that is too small; of an array it would be asked where its channels are."""
    h, w, channels = (*picture.pixels.shape, 1)[:3]
    check_size(h, w, settings)
    if channels >= min(h, w):
        raise InputError(
            f"the picture is {w} x {h} pixels, no more on a side than it has channels; expected a "
            "larger one"
        )


def _defaults(arguments: argparse.Namespace) -> dict[str, Any]:
    return tasks.defaults(arguments.task, _preset(arguments))


def _preset(arguments: argparse.Namespace) -> str:
    return "draft" if arguments.draft else ""


def prepared(
    arguments: argparse.Namespace, changes: Mapping[str, Any], given: Sequence[Given]
) -> list[ArrayFit | PartedFit]:
    """The fit of every page; all that can be wrong with it is found.

    Args:
        arguments: as `command.make_parser` gives them.
        changes: of the configuration, as `fields.parsed` gives them.
        given: the pages.

    Raises:
        InputError: if one cannot be fitted.
    """
    settings = check_options(arguments, changes)
    fits: list[ArrayFit | PartedFit] = []
    for number, one in enumerate(given, 1):
        with _naming(number, len(given)):
            if arguments.task in tasks.MEASURED:
                fits.append(_measured(arguments, changes, one.picture))
                continue
            _check_sides(one.picture, settings)
            fit = prepare(
                arguments.task,
                one.picture.pixels,
                one.fill,
                keep_known=getattr(arguments, "keep_known", True),
                num_steps=arguments.steps,
                criterion=arguments.criterion,
                seeds=arguments.seeds,
                rng=arguments.seed,
                data_range=one.picture.data_range,
                preset=_preset(arguments),
                options=changes,
            )
        fits.append(fit)
    return fits


def _measured(
    arguments: argparse.Namespace, changes: Mapping[str, Any], picture: Picture
) -> ArrayFit:
    config = config_of_run(arguments, changes)
    given = of_picture(dataclasses.replace(picture, alpha=None), measuring_of(config, picture))
    return prepare_measured(
        arguments.task,
        given,
        num_steps=arguments.steps,
        criterion=arguments.criterion,
        seeds=arguments.seeds,
        rng=arguments.seed,
        preset=_preset(arguments),
        options=dict(changes),
        operator=config["operator"],
    )


def likes(arguments: argparse.Namespace, pages: Sequence[Picture]) -> list[Picture]:
    """What goes into the file of the result of every page beside its pixels.

    Raises:
        InputError: if a page is of a kind that cannot be used.
    """
    if arguments.task not in tasks.MEASURED:
        return list(pages)
    config = config_of_run(arguments, changes_of_options(arguments))
    return [like(page, measuring_of(config, page)) for page in pages]


def fit_in_turn(
    arguments: argparse.Namespace,
    changes: Mapping[str, Any],
    given: Sequence[Given],
    progress: Progress,
    stopping: Callable[[], bool],
) -> Fitted:
    """One page after the other, as from Python.

    Raises:
        InputError: if none is restored.
        Interrupted: if none is, because it was to end so early.
    """
    pixels: dict[int, np.ndarray] = {}
    infos: list[FitInfo] = []
    failures: list[str] = []
    failed: list[int] = []
    for number, fit in enumerate(prepared(arguments, changes, given), 1):
        if stopping():
            if not infos:
                raise Interrupted(TOO_EARLY)
            break
        where = f"page {number}: " if len(given) > 1 else ""
        if where:
            progress.message(f"page {number} of {len(given)}")
        for line in (*given[number - 1].remarks, *fit.advice()):
            progress.message(line)
        try:
            pixels[number - 1], info = fit.run(
                lambda step: stopping(), progress, only_usable=True, asked=stopping
            )
        except Interrupted:
            if not infos:
                raise
            break
        except InputError as error:
            if len(given) == 1:
                raise
            failed.append(number)
            failures.append(f"page {number} failed, and is left as it was: {error}")
            progress.message(failures[-1])
            continue
        infos.append(info)
        failures += [f"{where}seed {seed} failed: {why}" for seed, why in info.failed.items()]
    if not infos:
        raise InputError(f"no page was restored, and nothing was written; {failures[0]}")
    interrupted = any(info.stop_reason == "asked" for info in infos)
    interrupted |= len(infos) + len(failed) < len(given)
    steps = sum(info.steps for info in infos)
    chosen = _chosen(infos[0]) if len(given) == 1 else ""
    ended = _how_ended(infos, interrupted)
    return Fitted(pixels, failed, failures, steps, interrupted, ended, chosen)


def fit_with_report(
    arguments: argparse.Namespace,
    changes: Mapping[str, Any],
    given: Sequence[Given],
    progress: Progress,
    stopping: Callable[[], bool],
) -> Fitted:
    """By a run with a work directory, which is kept.

    Raises:
        InputError: if none is restored.
        Interrupted: if none is, because it was to end so early.
    """
    from dip_jax.run.start import start  # here, because it imports much

    if len(given) > 1:
        prepared(arguments, changes, given)  # nothing is written if one of them cannot be used
    pixels: dict[int, np.ndarray] = {}
    summary = start(
        config_of_run(arguments, changes),
        arguments.report,
        progress,
        stopping,
        command=["dip-jax", *sys.argv[1:]],
        given=given,
        on_restored=pixels.__setitem__,
    )
    rows = summary.get("pictures", [summary])
    if len(given) == 1:
        failures = [_failure(one) for one in summary["failed"]]
    else:
        failures = [f"page {row['page']}: {row['reason']}" for row in rows if row["reason"]]
    interrupted = summary["stop_reason"] == "interrupted"
    if not pixels:
        if interrupted and not failures:
            raise Interrupted(
                "interrupted before any page was usable: no result was written, and the same "
                "command goes on"
            )
        raise InputError(failures[0] if failures else "no page has a result yet")
    ended = "interrupted; the same command with --force goes on" if interrupted else "finished"
    failed = [row["page"] for row in rows if row.get("status") == "failed"]
    steps = sum(rows[place]["steps"] for place in pixels)
    with_none = len(given) == 1 and summary["stop_reason"] in ("alone", "no_fit")
    chosen = _WITH_NONE if with_none else ""
    return Fitted(pixels, failed, failures, steps, interrupted, ended, chosen)


def _failure(one: Mapping[str, Any]) -> str:
    where = f" in part {one['part']}" if "part" in one else ""
    return f"seed {one['seed']} failed{where}: {one['reason']}"


def config_of_run(arguments: argparse.Namespace, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the run that `fit_with_report` makes."""
    set_here: dict[str, Any] = {
        "image": os.fspath(arguments.image),
        "degrade": "none",
        "seed": arguments.seed,
        "seeds": arguments.seeds,
    }
    if tasks.DOORS[arguments.task].fills:
        set_here |= {
            "mask": "" if arguments.mask is None else os.fspath(arguments.mask),
            "mask_polarity": arguments.mask_polarity,
            "keep_known": arguments.keep_known,
        }
    if arguments.task in tasks.MEASURED:
        known = tasks.defaults(arguments.task)["operator"]
        names = [name for name in known if hasattr(arguments, name)]
        set_here |= {f"operator.{name}": getattr(arguments, name) for name in names}
    if arguments.data_range is not None:
        set_here["data_range"] = tuple(arguments.data_range)
    set_here |= changes_of(arguments.steps, arguments.criterion, changes)
    return fields.override(_defaults(arguments), set_here)


def _how_ended(infos: Sequence[FitInfo], interrupted: bool) -> str:
    reasons = {info.stop_reason for info in infos}
    if interrupted:
        return "interrupted; the best so far was written"
    if "diverged" in reasons:
        return "ended early because the fit kept falling apart; the best image so far was taken"
    return "stopped by itself" if reasons == {"criterion"} else "finished"


def _chosen(info: FitInfo) -> str:
    steps = list(info.chosen_steps.values())
    if info.parts:
        words = f", {len(info.parts)} part{'s' * (len(info.parts) > 1)}"
        words += f", mean of {len(steps)} seeds" if len(steps) > 1 else ""
        return words + (f", {len(info.failed)} failed" if info.failed else "")
    if not steps:
        return _WITH_NONE
    words = f", mean of {len(steps)} seeds" if len(steps) > 1 else f", step {steps[0]} chosen"
    return words + (f", {len(info.failed)} failed" if info.failed else "")
