"""A run: a configuration becomes a work directory with the restored picture and the figures.

    read, or damage a sample -> observe -> restore -> composite with the known pixels -> write,
    report

Everything that can be wrong with the input is found before the first file is written.
"""

import os
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from dip_jax import images, reporting, tasks
from dip_jax.ensembles import against_clean, composited, figures_of_means, uncertainty
from dip_jax.jobs import Job, prepare, remarks
from dip_jax.observation import observe
from dip_jax.progress import Progress
from dip_jax.restoring import LaneJob, Restoration, check_size, fingerprint, fit_lanes
from dip_jax.workdirs import LaneFolder, check_workdir, make_workdir

Config = Mapping[str, Any]


def run(
    config: Config,
    workdir: str | os.PathLike[str],
    progress: Progress,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Runs one restoration, or goes on with it, and gives its summary.

    Args:
        config: as `tasks.defaults` gives it.
        workdir: the work directory; new, empty, or that of the same run to go on with.
        progress: shows what is going on.
        should_stop: asked at every logged step; True saves what there is and ends the run.

    Raises:
        InputError: if something given cannot be used; nothing has been written then.
    """
    settings, criterion = tasks.fit_settings(config), tasks.criterion(config)
    job = prepare(config)
    h, w, _ = job.y.shape
    check_size(h, w, settings)
    folder = Path(workdir)
    observation, not_finite = observe(job.y, job.fill)
    mark = fingerprint(observation, job.clean)
    if finished := check_workdir(folder, config, mark):
        progress.message(
            f"{folder} holds this run, finished ({finished['stop_reason']}): nothing to do"
        )
        return finished
    for line in remarks(job, config, not_finite):
        progress.message(line)

    seeds = range(config["seed"], config["seed"] + config["seeds"])
    begun = (folder / "config.json").exists()
    lanes = make_workdir(folder, config, seeds)
    try:
        for lane in lanes:
            lane.open(job, config, mark, progress, should_stop)
        _say_what_is_there(folder, lanes, begun, progress)
        progress.start(config["num_steps"] * len(lanes), sum(lane.steps for lane in lanes))
        fit_lanes(
            [
                LaneJob(
                    observation,
                    lane.seed,
                    job.clean,
                    checkpoints=lane.checkpoints,
                    on_log=lane.on_log,
                    on_preview=lane.on_preview,
                    on_done=lane.on_done,
                )
                for lane in lanes
                if lane.result is None
            ],
            settings=settings,
            criterion=criterion,
            num_steps=config["num_steps"],
            log_every=config["log_every"],
            preview_every=config["preview_every"],
            checkpoint_every=config["checkpoint_every"],
            at_once=config["lanes"]["at_once"],
            form=config["lanes"]["form"],
            say=progress.message,
        )
    finally:
        for lane in lanes:
            lane.close()
        progress.stop()
    if len(lanes) > 1:
        rows = [{"seed": lane.seed} | row for lane in lanes for row in lane.rows]
        reporting.write_metrics(folder / "metrics.jsonl", rows)
    else:
        rows = lanes[0].rows
    return _report(folder, config, job, [lane.result for lane in lanes], rows, mark)


def _say_what_is_there(
    folder: Path, lanes: list[LaneFolder], begun: bool, progress: Progress
) -> None:
    if not begun:
        return
    if len(lanes) > 1:
        done = sum(lane.result is not None for lane in lanes)
        progress.message(
            f"going on with {folder}: {done} of {len(lanes)} seeds are finished, and "
            f"{sum(bool(lane.steps) for lane in lanes) - done} begun"
        )
    elif lanes[0].steps:
        progress.message(f"going on after step {lanes[0].steps} of {folder}")
    else:
        progress.message(f"no checkpoint in {folder}: starting from the first step")


def _report(
    folder: Path,
    config: Config,
    job: Job,
    results: list[Restoration | None],
    rows: list[dict[str, Any]],
    mark: str,
) -> dict[str, Any]:
    """Writes the result: of one seed, or the mean of several."""
    ended = [result for result in results if result is not None]
    interrupted = len(ended) < len(results) or any(r.stop_reason == "asked" for r in ended)
    only = ended[0] if len(results) == 1 else None
    kept = job.fill if config["keep_known"] else None  # else nothing is kept, all is given
    mean = np.mean([r.x for r in ended], axis=0)
    data_range = job.degraded.data_range
    pixels = composited(mean, job.degraded.pixels, kept, data_range)
    # Without loss, so that known pixels stay what they were; PNG holds no float values.
    tiff = job.degraded.file_format == "TIFF" or pixels.dtype.kind == "f"
    suffix = ".tif" if tiff else ".png"
    images.write(folder / f"restored{suffix}", pixels, job.degraded)
    if job.damaged_here:
        images.write(folder / f"degraded{suffix}", job.degraded.pixels, job.degraded)

    restored = images.to_float(pixels, data_range)
    observation, _ = observe(job.y, job.fill)
    figures = dict(only.figures) if only else figures_of_means(ended, observation, job.clean)
    chosen = figures[only.chosen_image] if only else figures.pop("mean")
    figures["restored"] = dict(chosen) if kept is None else {}
    degraded = {}
    if job.clean is not None:
        figures["restored"] |= against_clean(restored, job.clean)
        degraded = against_clean(job.y, job.clean)
    panels: list[tuple[str, np.ndarray]] = [
        (_label("degraded", degraded), images.to_float(job.degraded.pixels, data_range))
    ]
    panels.append((_label("restored", figures["restored"]), restored))
    if job.clean is not None:
        panels.append(("clean", job.clean))
    spread_figures = None
    if len(ended) > 1:
        judged = np.ones(job.y.shape[:2], bool)
        if kept is not None:
            judged = kept | ~np.isfinite(job.y).all(axis=-1)
        spread = uncertainty(ended, judged)
        # White is the 99.5th percentile over the pixels that were not kept.
        white = float(np.percentile(spread[judged], 99.5))
        spread_figures = {"white": white, "mean": float(spread[judged].mean())}
        shown = np.clip(spread / max(white, 1e-12), 0, 1)
        images.write(folder / "uncertainty.png", np.round(shown * 65535).astype(np.uint16))
        label = f"uncertainty (white: {255 * white:.1f} of 255)"
        panels.append((label, shown[..., None]))
    reporting.write_picture(folder / "comparison.png", reporting.comparison(panels))
    name = config["stop"]["criterion"]
    whose = f"seed {config['seed']}" if only else f"{len(ended)} seeds"
    chosen_step = only.chosen_step if only else None
    reporting.write_picture(
        folder / "curves.png",
        reporting.curves(
            rows,
            chosen_step,
            name,
            f"{config['task']}: {job.name}, {whose}",
            only.oracle if only else None,
        ),
    )
    first = [r.seconds_to_first_step for r in ended if r.seconds_to_first_step is not None]
    speeds = [r.steps_per_second for r in ended if np.isfinite(r.steps_per_second)]
    summary = {
        "task": config["task"],
        "image": config["image"] or job.name,
        "shape": list(job.y.shape),
        "seeds": [result.seed for result in ended],
        "steps": sum(result.steps for result in ended),
        "chosen_step": chosen_step,
        "chosen_image": only.chosen_image if only else "mean",
        "criterion": name,
        "stop_reason": "interrupted" if interrupted else _common_reason(ended),
        "rollbacks": sum(result.rollbacks for result in ended),
        "filled_share": None if job.fill is None else float(job.fill.mean()),
        "seconds": sum(result.seconds for result in ended),
        "seconds_to_first_step": min(first, default=None),
        "steps_per_second": float(np.mean(speeds)) if speeds else None,
        "device": jax.devices()[0].device_kind,
        "versions": _versions(),
        "degraded": degraded,
        "oracle": only.oracle if only else {},
        "metrics": figures,
        "uncertainty": spread_figures,
        "lanes": [_lane_summary(result) for result in ended],
        "restored": f"restored{suffix}",
        "fingerprint": mark,
    }
    reporting.write_json(folder / "summary.json", summary)
    return summary


def _common_reason(results: list[Restoration]) -> str:
    """Why the run ended: the reason of all seeds, or of the one that went on the longest."""
    return max(results, key=lambda result: result.steps).stop_reason


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
