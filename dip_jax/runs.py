"""A run: a configuration becomes a work directory with the restored picture and the figures.

    read, or damage a sample -> observe -> restore -> composite with the known pixels -> write,
    report

Everything that can be wrong with the input is found before the first file is written.
"""

import dataclasses
import json
import os
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dip_jax import degrade, images, metrics, reporting, tasks
from dip_jax.checkpoints import Checkpoints
from dip_jax.errors import InputError
from dip_jax.files import is_temporary
from dip_jax.images import Picture
from dip_jax.observation import observe
from dip_jax.progress import Progress
from dip_jax.restoring import Log, Restoration, check_size, fingerprint, restore

Config = Mapping[str, Any]

# How a degraded sample looks where its pixels are lost: burnt-in text is white, the rest is black.
_ERASED = {"text": 1.0, "holes": 0.0, "missing": 0.0}


@dataclasses.dataclass(frozen=True)
class Job:
    """What a run works on.

    Attributes:
        name: of the picture, for titles.
        degraded: the picture to restore, in its file's dtype.
        y: the same, `(h, w, c)` float32 in [0, 1].
        fill: True where a pixel is to be filled, `(h, w)`; None where all are known.
        clean: the clean picture, `(h, w, c)` in [0, 1], or None.
        damaged_here: whether the damage was added by this run, for an experiment.
    """

    name: str
    degraded: Picture
    y: np.ndarray
    fill: np.ndarray | None
    clean: np.ndarray | None
    damaged_here: bool


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
    if finished := _check_workdir(folder, config, mark):
        progress.message(
            f"{folder} holds this run, finished ({finished['stop_reason']}): nothing to do"
        )
        return finished
    for line in _remarks(job, config, not_finite):
        progress.message(line)

    checkpoints = _make_workdir(folder, config)
    resumed_at = checkpoints.latest_step()
    rows = _rows_so_far(folder, resumed_at)
    if resumed_at is not None:
        progress.message(f"going on after step {resumed_at} of {folder}")
    elif (folder / "metrics.jsonl").exists():
        progress.message(f"no checkpoint in {folder}: starting from the first step")
    reporting.write_metrics(folder / "metrics.jsonl", rows)
    rollbacks: int | None = None if resumed_at else 0

    def on_log(log: Log) -> bool:
        nonlocal rollbacks
        if rows and rows[-1]["step"] >= log.step:  # an older checkpoint than the latest was read
            rows[:] = [row for row in rows if row["step"] < log.step]
            reporting.write_metrics(folder / "metrics.jsonl", rows)
        rows.append(log.row)
        reporting.append_metrics(folder / "metrics.jsonl", log.row)
        progress.update(log.step, log.row)
        if rollbacks is not None and log.rollbacks > rollbacks:
            progress.message(
                f"step {log.step}: the fit fell apart and went back to its last good state "
                f"({log.rollbacks} in all)"
            )
        rollbacks = log.rollbacks
        return should_stop()

    def on_preview(step: int, x_avg: np.ndarray) -> None:
        pixels = _pixels(job, x_avg, config["keep_known"])
        path = folder / "preview" / f"step_{step:06d}.png"
        if pixels.dtype.kind == "f":  # PNG holds no float values
            pixels = images.from_float(images.to_float(pixels), np.uint8, pixels.ndim)
            images.write(path, pixels)
        else:
            images.write(path, pixels, job.degraded)

    progress.start(config["num_steps"], resumed_at or 0)
    try:
        restoration = restore(
            observation,
            settings=settings,
            criterion=criterion,
            num_steps=config["num_steps"],
            seed=config["seed"],
            clean=job.clean,
            log_every=config["log_every"],
            on_log=on_log,
            preview_every=config["preview_every"],
            on_preview=on_preview,
            checkpoints=checkpoints,
            checkpoint_every=config["checkpoint_every"],
        )
    finally:
        checkpoints.close()
        progress.stop()
    if checkpoints.passed_over:
        progress.message(f"damaged checkpoints were passed over: {checkpoints.passed_over}")
    return _report(folder, config, job, restoration, rows, mark)


def prepare(config: Config) -> Job:
    """Reads the files that a configuration names, and damages its sample if it says so.

    Raises:
        InputError: if a file or a combination of options cannot be used.
    """
    masked = config["task"] != "denoise"
    if config["mask"] and not masked:
        raise InputError(
            "config.mask is given, but denoising takes none: use text_inpaint, hole_fill or "
            "reconstruct, or leave it out"
        )
    if config["mask"] and not config["image"]:
        raise InputError("config.mask is given without config.image: give the picture as well")
    if config["clean"] and not config["image"]:
        raise InputError("config.clean is given without config.image: give the degraded picture")
    own = bool(config["image"])
    picture = (
        images.read(config["image"])
        if own
        else images.sample(config["sample"]["name"], config["sample"]["side"])
    )
    name = Path(config["image"]).name if own else config["sample"]["name"]
    x = images.to_float(picture.pixels)
    if config["mask"] or config["clean"] or config["degrade"] == "none":
        return _already_damaged(config, name, picture, x, masked)

    if not np.isfinite(x).all():
        raise InputError(
            f"{name} has NaN or infinite values and cannot serve as the clean picture of an "
            "experiment: say --config.degrade=none, or give a mask"
        )
    rng = np.random.default_rng(config["damage"]["seed"])
    y, fill = _damage(config, x, rng)
    if masked and fill is None:
        raise InputError(
            f"config.degrade is 'noise', but {config['task']} fills unknown pixels: use text, "
            "holes or missing, or give config.mask"
        )
    if not masked and fill is not None:
        raise InputError(
            f"config.degrade is {config['degrade']!r}, but denoising takes no mask: use noise, "
            "or one of the other tasks"
        )
    degraded = images.from_float(y, picture.pixels.dtype, picture.pixels.ndim)
    return Job(name, dataclasses.replace(picture, pixels=degraded), y, fill, x, True)


def _already_damaged(config: Config, name: str, picture: Picture, y, masked: bool) -> Job:
    if masked and not config["mask"]:
        raise InputError(
            f"{config['task']} needs to know which pixels to fill: give config.mask, a picture of "
            "the same size that is white where the picture is to be filled"
        )
    fill, clean = None, None
    if config["mask"]:
        fill = images.read_mask(config["mask"], y.shape[:2], config["mask_polarity"])
    if config["clean"]:
        clean = images.to_float(images.read(config["clean"]).pixels)
        if clean.shape != y.shape:
            raise InputError(
                f"config.clean is {_size(clean)}, expected {_size(y)} like the degraded picture"
            )
        if not np.isfinite(clean).all():
            raise InputError("config.clean has NaN or infinite values: give one without")
    elif config["stop"]["criterion"] == "oracle":
        raise InputError(
            "config.stop.criterion is 'oracle', which needs the clean picture: give config.clean, "
            "or choose heldout or wmv"
        )
    return Job(name, picture, y, fill, clean, False)


def _size(x: np.ndarray) -> str:
    return f"{x.shape[1]} x {x.shape[0]} pixels with {x.shape[2]} channels"


def _damage(config: Config, x: np.ndarray, rng: np.random.Generator):
    kind, damage = config["degrade"], config["damage"]
    if kind == "noise":
        return degrade.gaussian_noise(x, damage["sigma"], rng), None
    if kind == "text":
        fill = degrade.text_mask(x.shape[:2], rng)
    elif kind == "holes":
        fill = degrade.holes_mask(x.shape[:2], rng, damage["share"])
    else:
        fill = degrade.missing_mask(x.shape[:2], rng, damage["share"])
    images.check_mask(fill, "the drawn mask")
    return degrade.erase(x, fill, _ERASED[kind]), fill


def _remarks(job: Job, config: Config, not_finite: int) -> list[str]:
    """What a person should know before the fit starts."""
    h, w, c = job.y.shape
    remarks = [f"{config['task']}: {job.name}, {w} x {h} pixels, {c} channel{'s' * (c > 1)}"]
    if job.damaged_here and config["image"]:
        remarks.append(
            f"{job.name} is taken for a clean picture and damaged ({config['degrade']}) for an "
            "experiment; if it is damaged already, say --config.degrade=none or give a mask"
        )
    if job.fill is not None:
        remarks.append(f"the mask fills {100 * job.fill.mean():.1f}% of the picture")
    if not_finite:
        remarks.append(f"{not_finite} values are NaN or infinite: taken as unknown")
    return remarks


def _check_workdir(folder: Path, config: Config, mark: str) -> dict[str, Any] | None:
    """Refuses a folder with anything but this run in it; gives the summary of a finished run."""
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise InputError(
            f"the work directory {folder} is a file, expected a folder: choose another"
        )
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise InputError(
            f"the work directory {folder} cannot be read ({error.strerror}): choose another"
        ) from error
    inside = {entry.name for entry in entries if not is_temporary(entry)}
    if not inside:
        return None
    if "config.json" not in inside:
        raise InputError(
            f"the work directory {folder} holds other files ({', '.join(sorted(inside)[:3])}), "
            "expected a new or an empty folder: choose another with --workdir"
        )
    try:
        before = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / 'config.json'} cannot be read ({error})") from error
    if not isinstance(before, dict):
        raise InputError(f"{folder / 'config.json'} holds no configuration: choose another folder")
    changes = _differences(before, reporting.plain(config))
    if changes:
        raise InputError(
            f"the work directory {folder} holds another run: {'; '.join(changes)}. Choose another "
            "with --workdir, or give the same configuration to go on with that run"
        )
    try:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / 'summary.json'} cannot be read ({error})") from error
    if not isinstance(summary, dict) or summary.get("stop_reason") in (None, "interrupted"):
        return None
    if summary.get("fingerprint") != mark:
        raise InputError(
            f"the work directory {folder} holds the finished run of another picture or mask under "
            "the same name: choose another with --workdir"
        )
    return summary


def _differences(before: Any, now: Any, path: str = "config") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        names = sorted(before.keys() | now.keys())
        return [
            line
            for name in names
            for line in _differences(before.get(name), now.get(name), f"{path}.{name}")
        ]
    return [] if before == now else [f"{path} was {before!r}, is {now!r}"]


def _make_workdir(folder: Path, config: Config) -> Checkpoints:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reporting.write_json(folder / "config.json", config)  # first: it marks the folder
        (folder / "preview").mkdir(exist_ok=True)
        return Checkpoints(folder / "checkpoints")
    except OSError as error:
        raise InputError(
            f"the work directory {folder} cannot be written ({error.strerror}): choose "
            "another with --workdir"
        ) from error


def _rows_so_far(folder: Path, step: int | None) -> list[dict[str, Any]]:
    """The logged rows up to the checkpoint; a torn last line, or later rows, are left out."""
    path = folder / "metrics.jsonl"
    if step is None or not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            break
        if row["step"] <= step:
            rows.append(row)
    return rows


def _pixels(job: Job, x: np.ndarray, keep_known: bool) -> np.ndarray:
    """An image as pixels like the degraded picture's, whose known pixels it keeps as they came."""
    before = job.degraded.pixels
    pixels = images.from_float(x, before.dtype, before.ndim)
    if job.fill is None or not keep_known:
        return pixels
    fill = job.fill if before.ndim == 2 else job.fill[..., None]
    return np.where(fill | ~np.isfinite(before), pixels, before)


def _report(
    folder: Path,
    config: Config,
    job: Job,
    restoration: Restoration,
    rows: list[dict[str, Any]],
    mark: str,
) -> dict[str, Any]:
    pixels = _pixels(job, restoration.x, config["keep_known"])
    # Without loss, so that known pixels stay what they were; PNG holds no float values.
    tiff = job.degraded.file_format == "TIFF" or pixels.dtype.kind == "f"
    suffix = ".tif" if tiff else ".png"
    images.write(folder / f"restored{suffix}", pixels, job.degraded)
    if job.damaged_here:
        images.write(folder / f"degraded{suffix}", job.degraded.pixels, job.degraded)

    figures = dict(restoration.figures)
    restored = images.to_float(pixels)
    kept = job.fill is not None and config["keep_known"]
    chosen = figures[restoration.chosen_image]
    figures["restored"] = {} if kept else dict(chosen)
    degraded = {}
    if job.clean is not None:
        figures["restored"] |= _against(restored, job.clean)
        degraded = _against(job.y, job.clean)
    panels = [(_label("degraded", degraded), images.to_float(job.degraded.pixels))]
    panels.append((_label("restored", figures["restored"]), restored))
    if job.clean is not None:
        panels.append(("clean", job.clean))
    reporting.write_picture(folder / "comparison.png", reporting.comparison(panels))
    name = config["stop"]["criterion"]
    title = f"{config['task']}: {job.name}, seed {config['seed']}"
    reporting.write_picture(
        folder / "curves.png",
        reporting.curves(rows, restoration.chosen_step, name, title, restoration.oracle),
    )
    reason = "interrupted" if restoration.stop_reason == "asked" else restoration.stop_reason
    summary = {
        "task": config["task"],
        "image": config["image"] or job.name,
        "shape": list(job.y.shape),
        "seeds": [config["seed"]],
        "steps": restoration.steps,
        "chosen_step": restoration.chosen_step,
        "chosen_image": restoration.chosen_image,
        "criterion": name,
        "stop_reason": reason,
        "rollbacks": restoration.rollbacks,
        "filled_share": None if job.fill is None else float(job.fill.mean()),
        "seconds": restoration.seconds,
        "seconds_to_first_step": restoration.seconds_to_first_step,
        "steps_per_second": restoration.steps_per_second,
        "device": jax.devices()[0].device_kind,
        "versions": _versions(),
        "degraded": degraded,
        "oracle": restoration.oracle,
        "metrics": figures,
        "restored": f"restored{suffix}",
        "fingerprint": mark,
    }
    reporting.write_json(folder / "summary.json", summary)
    return summary


def _against(x: np.ndarray, clean: np.ndarray) -> dict[str, float]:
    a, b = jnp.asarray(x), jnp.asarray(clean)
    values = {
        "psnr_true": float(metrics.psnr(a, b, jnp.ones((*x.shape[:2], 1)))),
        "ssim_true": float(metrics.ssim(a, b)),
    }
    return {name: value for name, value in values.items() if not np.isnan(value)}


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
