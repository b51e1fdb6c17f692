"""What a run leaves behind: the restored picture, its figures, and what shows how it came about."""

import dataclasses
import itertools
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from PIL import Image

from dip_jax.finish.ensemble import against_clean, composited, ended
from dip_jax.lanes.jobs import Restoration
from dip_jax.pictures import writing
from dip_jax.pictures.picture import Picture
from dip_jax.pictures.values import DataRange, to_float
from dip_jax.report import records
from dip_jax.report.comparison import comparison, write_picture
from dip_jax.run.inputs import Job, added_damage
from dip_jax.run.loaded import Loaded
from dip_jax.settings.ending import ending
from dip_jax.settings.tasks import Config, task_of

LONGEST_SHOWN = 1024
"""Pixels on a side of a picture that was divided, as it is shown beside the file of it."""


def write_results(
    folder: Path,
    config: Config,
    loaded: Loaded,
    results: list[Restoration | None],
    rows: list[dict[str, Any]],
    failed: list[dict[str, Any]],
    command: Sequence[str] = (),
) -> tuple[dict[str, Any], NDArray[Any]]:
    """Writes the result of one seed, or the mean of several, and all that shows how it came about.

    Args:
        folder: the work directory.
        config: of the run.
        loaded: the picture.
        results: of every seed, None where there is none.
        rows: the logged rows, with their `seed` where there are several.
        failed: the seeds that failed, and why.
        command: what was run, as its words; for the report.

    Returns:
        The summary, as it is in `summary.json`, and the restored pixels, as they are in their file.
    """
    there = [result for result in results if result is not None]
    job, prepared = loaded.job, loaded.prepared
    how = ending(config)
    given = ended(there, prepared, how, job.clean, of_means=len(results) > 1)
    like = loaded.like
    # The network's image is not the result where that is refined or has known pixels in it.
    changed = how.keep_known or how.refine or prepared.still is not None
    return write_outcome(
        folder,
        config,
        job,
        like,
        Outcome(
            pixels=composited(given.image, prepared, how, like.pixels, like.layout),
            figures=given.figures,
            spread=given.spread,
            judged=given.judged,
            refined=given.refined,
            is_networks=not changed and prepared.tone is None,
            remarks=prepared.remarks,
            mark=loaded.mark,
        ),
        results,
        rows,
        failed,
        command,
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """What has become of a picture.

    Attributes:
        pixels: restored, as they are in their file.
        figures: as in `ensemble.Ended`.
        spread: likewise.
        judged: likewise.
        refined: likewise.
        is_networks: whether the pixels are those of a network's image.
        remarks: what a person should know of how the picture was taken.
        mark: its fingerprint.
        parts: how many it was fitted in, which may be none; None if it was as a whole.
        left: of these, how many have no result yet.
        part_of: which of them, from 1, each of the results is of.
        alone: whether it was refined alone, with no network, where that suffices.
        seconds: spent on what was not fitted.
        crops: some of them at their full size, before and after.
    """

    pixels: NDArray[Any]
    figures: dict[str, dict[str, float]]
    spread: Float[np.ndarray, "h w"] | None
    judged: Bool[np.ndarray, "h w"]
    refined: bool
    is_networks: bool
    remarks: Sequence[str]
    mark: str
    parts: int | None = None
    left: int = 0
    part_of: Sequence[int] = ()
    alone: bool = False
    seconds: float = 0.0
    crops: Image.Image | None = None


def write_outcome(
    folder: Path,
    config: Config,
    job: Job,
    like: Picture,
    made: Outcome,
    results: list[Restoration | None],
    rows: list[dict[str, Any]],
    failed: list[dict[str, Any]],
    command: Sequence[str] = (),
) -> tuple[dict[str, Any], NDArray[Any]]:
    """Writes what has become of a picture, and all that shows how; see `write_results`.

    Args:
        folder: the work directory.
        config: of the run.
        job: the picture.
        like: what goes into the file of the restored picture beside its pixels.
        made: of it.
        results: as for `write_results`, of every part; their images have no say.
        rows: as there.
        failed: as there.
        command: as there.
    """
    there = [result for result in results if result is not None]
    large = made.parts is not None
    only = there[0] if len(results) == 1 and not large else None
    pixels, data_range = made.pixels, like.data_range
    # Without loss, so that known pixels stay what they were; PNG holds these two types alone.
    tiff = job.degraded.file_format == "TIFF" or pixels.dtype not in (np.uint8, np.uint16)
    suffix = ".tif" if tiff else ".png"
    writing.write(folder / f"restored{suffix}", pixels, like)
    # Only now: what draws takes longer to import than a fit to start, and the picture comes first.
    from dip_jax.report import plots
    from dip_jax.report.html.page import write_report

    if job.damaged_here:
        writing.write(folder / f"degraded{suffix}", job.degraded.pixels, job.degraded)

    figures = dict(made.figures)
    chosen = figures[only.chosen_image] if only else figures.pop("mean", {})
    figures["restored"] = dict(chosen) if made.is_networks else {}
    degraded = {}
    if job.clean is not None:
        restored = to_float(pixels, data_range, checked=True)
        figures["restored"] |= against_clean(restored, job.clean)
        del restored  # a large picture in floats
        if job.shape == job.clean.shape:
            degraded = against_clean(job.y, job.clean)
    shown = _shown(pixels, data_range, large)
    before = _of_size(job.degraded.pixels, pixels.shape[:2])
    panels: list[tuple[str, np.ndarray]] = [
        (_label("degraded", degraded), _shown(before, job.degraded.data_range, large))
    ]
    panels.append((_label("restored", figures["restored"]), shown))
    if job.clean is not None:
        panels.append(("clean", _shown(job.clean, None, large)))
    spread_figures = None
    # Where a part was continued with no network, all seeds give the same.
    if made.spread is not None and (uncertain := made.judged & (made.spread > 0)).any():
        judged = made.spread[uncertain]
        # White is the 99.5th percentile over the pixels in which they differ.
        white = float(np.percentile(judged, 99.5))
        spread_figures = {"white": white, "mean": float(judged.mean())}
        seen = np.clip(made.spread / max(white, 1e-12), 0, 1).astype(np.float32)
        writing.write(folder / "uncertainty.png", np.round(seen * 65535).astype(np.uint16))
        label = f"uncertainty (white: {255 * white:.1f} of 255)"
        panels.append((label, _shown(seen, None, large)))
    write_picture(folder / "comparison.png", comparison(panels))
    if made.crops is not None:
        write_picture(folder / "crops.png", made.crops)
    name = config["stop"]["criterion"]
    seeds = sorted({result.seed for result in there})
    whose = f"seed {config['seed']}" if len(seeds) == 1 else f"{len(seeds)} seeds"
    if made.parts:
        whose += f", part 1 of {made.parts}"
    chosen_step = only.chosen_step if only else None
    if results:
        write_picture(
            folder / "curves.png",
            plots.curves(
                rows,
                chosen_step,
                name,
                f"{config['task']}: {job.name}, {whose}",
                only.oracle if only else None,
            ),
        )
    first = [r.seconds_to_first_step for r in there if r.seconds_to_first_step is not None]
    speeds = [r.steps_per_second for r in there if np.isfinite(r.steps_per_second)]
    summary = {
        "task": config["task"],
        "image": config["image"] or job.name,
        "page": config["page"] or None,
        "shape": list(job.shape),
        "seeds": seeds,
        "parts": made.parts,
        "parts_left": made.left,
        "steps": sum(result.steps for result in there),
        "chosen_step": chosen_step,
        "chosen_image": only.chosen_image if only else "mean",
        "criterion": name,
        "added_damage": added_damage(config),
        "stop_reason": "interrupted"
        if made.left
        else stop_reason_of(results, failed, alone=made.alone),
        "rollbacks": sum(result.rollbacks for result in there),
        "filled_share": None if job.fill is None else float(job.fill.mean()),
        "refined": made.refined,
        "ending": task_of(config).refinement,
        "remarks": list(made.remarks),
        "seconds": sum(result.seconds for result in there) + made.seconds,
        "seconds_to_first_step": first[0] if first else None,  # later ones find it compiled
        "steps_per_second": float(np.mean(speeds)) if speeds else None,
        "device": jax.local_devices()[0].device_kind,
        "versions": _versions(),
        "degraded": degraded,
        "oracle": only.oracle if only else {},
        "metrics": figures,
        "uncertainty": spread_figures,
        "lanes": [
            ({"part": part} if part else {}) | _lane_summary(result)
            for result, part in itertools.zip_longest(there, made.part_of)
        ],
        "failed": failed,
        "restored": f"restored{suffix}",
        "fingerprint": made.mark,
    }
    write_report(
        folder / "report.html",
        panels=panels,
        rows=rows,
        summary=summary,
        command=command,
        done=task_of(config).done,
        crops=b"" if made.crops is None else (folder / "crops.png").read_bytes(),
    )
    records.write_json(folder / "summary.json", summary)  # last: it says that all is there
    return summary, pixels


def _shown(pixels: NDArray[Any], data_range: DataRange | None, large: bool) -> np.ndarray:
    """Pixels as the image that is shown: large ones reduced, by the mean of whole squares of them.

    Some rows after the other: a large picture has no room for all of them in floats.
    """
    times = -(-max(pixels.shape[:2]) // LONGEST_SHOWN) if large else 1
    if times == 1:
        return to_float(pixels, data_range, checked=True)
    h, w = (n // times for n in pixels.shape[:2])
    rows = []
    for top in range(0, h * times, times):
        image = to_float(pixels[top : top + times, : w * times], data_range, checked=True)
        rows.append(image.reshape(times, w, times, -1).mean(axis=(0, 2), dtype=np.float32))
    return np.stack(rows)


def _of_size(y: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The degraded picture to be seen beside the restored one, of its size: the nearest pixels."""
    if y.shape[:2] == shape[:2]:
        return y
    rows, columns = (np.arange(n) * m // n for n, m in zip(shape[:2], y.shape[:2], strict=True))
    return y[rows][:, columns]


def stop_reason_of(
    results: Sequence[Restoration | None], failed: Sequence[Any], *, alone: bool = False
) -> str:
    """Why the fits ended: "interrupted", or the reason of the seed that went on the longest.

    Args:
        results: of every seed, None where there is none; at least one is there, or none at all:
            nothing was to be fitted ("no_fit", or "alone"), or every fit failed beside what needed
            none.
        failed: the seeds that failed.
        alone: whether what was not to be fitted was refined alone.
    """
    if not results:
        return "failed" if failed else "alone" if alone else "no_fit"
    there = [result for result in results if result is not None]
    asked = any(result.stop_reason == "asked" for result in there)
    if asked or len(there) + len(failed) < len(results):
        return "interrupted"
    return max(there, key=lambda result: result.steps).stop_reason


def _lane_summary(result: Restoration) -> dict[str, Any]:
    names = (
        "seed steps chosen_step chosen_image stop_reason rollbacks oracle seconds "
        "seconds_to_first_step steps_per_second"
    )
    return {name: getattr(result, name) for name in names.split()} | {"metrics": result.figures}


def _label(name: str, figures: Mapping[str, float]) -> str:
    return f"{name} {figures['psnr_true']:.2f} dB" if "psnr_true" in figures else name


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("dip_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
