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
from zipfile import BadZipFile

import jax
import jax.numpy as jnp
import numpy as np

from dip_jax import degrade, images, metrics, reporting, tasks
from dip_jax.checkpoints import Checkpoints
from dip_jax.errors import InputError
from dip_jax.files import is_temporary, write_atomically
from dip_jax.images import Picture
from dip_jax.observation import observe
from dip_jax.progress import Progress
from dip_jax.restoring import LaneJob, Log, Restoration, check_size, fingerprint, fit_lanes

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

    seeds = range(config["seed"], config["seed"] + config["seeds"])
    begun = (folder / "config.json").exists()
    lanes = _make_workdir(folder, config, seeds)
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


class _LaneFolder:
    """What one seed of a run leaves on disk: the run's own folder, or one of several in it.

    Attributes:
        seed: of the lane.
        rows: the logged rows so far.
        steps: steps made so far, as far as the log and the checkpoints know.
        checkpoints: of the lane; None once its result is there.
        result: its result, when it has ended.
    """

    def __init__(self, folder: Path, seed: int, alone: bool, all_lanes: "list[_LaneFolder]"):
        self.seed, self._folder, self._alone, self._all = seed, folder, alone, all_lanes
        self.result: Restoration | None = None
        self.checkpoints: Checkpoints | None = None
        self.rows: list[dict[str, Any]] = []
        self.steps = 0

    def make(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "preview").mkdir(exist_ok=True)
        if not self._result_path.exists():
            self.checkpoints = Checkpoints(self._folder / "checkpoints")

    @property
    def _result_path(self) -> Path:
        return self._folder / "result.npz"

    def open(
        self,
        job: Job,
        config: Config,
        mark: str,
        progress: Progress,
        should_stop: Callable[[], bool],
    ) -> None:
        """Reads what an earlier session has left."""
        self._job, self._mark = job, mark
        self._keep_known, self._num_steps = config["keep_known"], config["num_steps"]
        self._progress, self._should_stop = progress, should_stop
        if self.checkpoints is None:
            self.result = _read_result(self._result_path, mark)
            self.steps = self._num_steps
            self.rows = _rows_so_far(self._folder, self.result.steps)
            return
        step = self.checkpoints.latest_step()
        self.rows = _rows_so_far(self._folder, step)
        reporting.write_metrics(self._folder / "metrics.jsonl", self.rows)
        self._rollbacks: int | None = None if step else 0
        self.steps = step or 0

    def on_log(self, log: Log) -> bool:
        if self.rows and self.rows[-1]["step"] >= log.step:  # an older checkpoint was read
            self.rows[:] = [row for row in self.rows if row["step"] < log.step]
            reporting.write_metrics(self._folder / "metrics.jsonl", self.rows)
        self.rows.append(log.row)
        reporting.append_metrics(self._folder / "metrics.jsonl", log.row)
        self.steps = log.step
        self._progress.update(sum(lane.steps for lane in self._all), log.row)
        if self._rollbacks is not None and log.rollbacks > self._rollbacks:
            who = "the fit" if self._alone else f"the fit of seed {self.seed}"
            self._progress.message(
                f"step {log.step}: {who} fell apart and went back to its last good state "
                f"({log.rollbacks} in all)"
            )
        self._rollbacks = log.rollbacks
        return self._should_stop()

    def on_preview(self, step: int, x_avg: np.ndarray) -> None:
        pixels = _pixels(self._job, x_avg, self._keep_known)
        path = self._folder / "preview" / f"step_{step:06d}.png"
        if pixels.dtype.kind == "f":  # PNG holds no float values
            pixels = images.from_float(images.to_float(pixels), np.uint8, pixels.ndim)
            images.write(path, pixels)
        else:
            images.write(path, pixels, self._job.degraded)

    def on_done(self, result: Restoration) -> None:
        self.result = result
        if result.stop_reason == "asked" or self._alone:
            return
        _write_result(self._result_path, result, self._mark)
        self.steps = self._num_steps
        words = {"criterion": "stopped by itself", "diverged": "kept falling apart, ended"}
        self._progress.message(
            f"seed {self.seed}: {words.get(result.stop_reason, 'finished')} at step {result.steps}"
        )

    def close(self) -> None:
        if self.checkpoints is not None:
            self.checkpoints.close()
            if self.checkpoints.passed_over:
                self._progress.message(
                    f"damaged checkpoints were passed over: {self.checkpoints.passed_over}"
                )


_IMAGES = ("x", "x_out", "x_avg")


def _write_result(path: Path, result: Restoration, mark: str) -> None:
    """The result of one seed, as a NumPy archive: the images, and the figures as JSON."""
    figures = {
        field.name: getattr(result, field.name)
        for field in dataclasses.fields(result)
        if field.name not in _IMAGES
    }
    text = json.dumps(reporting.plain(figures | {"fingerprint": mark}))
    arrays = {name: getattr(result, name) for name in _IMAGES}
    write_atomically(path, lambda file: np.savez(file, figures=np.array(text), **arrays))


def _read_result(path: Path, mark: str) -> Restoration:
    try:
        with np.load(path) as archive:
            figures = json.loads(str(archive["figures"]))
            arrays = {name: archive[name] for name in _IMAGES}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read ({error}): remove it to fit that seed again"
        ) from error
    if figures.pop("fingerprint") != mark:
        raise InputError(
            f"{path} belongs to another picture or mask under the same name: choose another "
            "work directory with --workdir"
        )
    speed = figures.pop("steps_per_second")
    return Restoration(
        **figures, **arrays, steps_per_second=float("nan") if speed is None else speed
    )


def _say_what_is_there(
    folder: Path, lanes: list[_LaneFolder], begun: bool, progress: Progress
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


def _make_workdir(folder: Path, config: Config, seeds: range) -> list[_LaneFolder]:
    lanes: list[_LaneFolder] = []
    for seed in seeds:
        alone = len(seeds) == 1
        lanes.append(
            _LaneFolder(folder if alone else folder / "seeds" / str(seed), seed, alone, lanes)
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reporting.write_json(folder / "config.json", config)  # first: it marks the folder
        for lane in lanes:
            lane.make()
    except OSError as error:
        raise InputError(
            f"the work directory {folder} cannot be written ({error.strerror}): choose "
            "another with --workdir"
        ) from error
    return lanes


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
    results: list[Restoration | None],
    rows: list[dict[str, Any]],
    mark: str,
) -> dict[str, Any]:
    """Writes the result: of one seed, or the mean of several."""
    ended = [result for result in results if result is not None]
    interrupted = len(ended) < len(results) or any(r.stop_reason == "asked" for r in ended)
    only = ended[0] if len(results) == 1 else None
    pixels = _pixels(job, np.mean([r.x for r in ended], axis=0), config["keep_known"])
    # Without loss, so that known pixels stay what they were; PNG holds no float values.
    tiff = job.degraded.file_format == "TIFF" or pixels.dtype.kind == "f"
    suffix = ".tif" if tiff else ".png"
    images.write(folder / f"restored{suffix}", pixels, job.degraded)
    if job.damaged_here:
        images.write(folder / f"degraded{suffix}", job.degraded.pixels, job.degraded)

    restored = images.to_float(pixels)
    kept = job.fill is not None and config["keep_known"]
    figures = dict(only.figures) if only else _figures_of_means(job, ended)
    chosen = figures[only.chosen_image] if only else figures.pop("mean")
    figures["restored"] = {} if kept else dict(chosen)
    degraded = {}
    if job.clean is not None:
        figures["restored"] |= _against(restored, job.clean)
        degraded = _against(job.y, job.clean)
    panels: list[tuple[str, np.ndarray]] = [
        (_label("degraded", degraded), images.to_float(job.degraded.pixels))
    ]
    panels.append((_label("restored", figures["restored"]), restored))
    if job.clean is not None:
        panels.append(("clean", job.clean))
    uncertainty = None
    if len(ended) > 1:
        spread, uncertainty = _uncertainty(job, ended, kept)
        shown = np.clip(spread / max(uncertainty["white"], 1e-12), 0, 1)
        images.write(folder / "uncertainty.png", np.round(shown * 65535).astype(np.uint16))
        label = f"uncertainty (white: {255 * uncertainty['white']:.1f} of 255)"
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
        "uncertainty": uncertainty,
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


def _figures_of_means(job: Job, results: list[Restoration]) -> dict[str, dict[str, float]]:
    """For the mean over seeds of the outputs, the averages and the chosen images.

    Held-out pixels differ from seed to seed, so they have no say here.
    """
    observation, _ = observe(job.y, job.fill)
    figures = {}
    for name, field in (("out", "x_out"), ("avg", "x_avg"), ("mean", "x")):
        x = np.mean([getattr(result, field) for result in results], axis=0)
        values = {
            "psnr_observed": float(metrics.psnr(jnp.asarray(x), *observation)),
            "ssim_observed": float(metrics.ssim_observed(jnp.asarray(x), *observation)),
        }
        if job.clean is not None:
            values |= _against(x, job.clean)
        figures[name] = {key: value for key, value in values.items() if not np.isnan(value)}
    return figures


def _uncertainty(
    job: Job, results: list[Restoration], kept: bool
) -> tuple[np.ndarray, dict[str, float]]:
    """The standard deviation over seeds, root mean square over channels, `(h, w)` in [0, 1].

    Known pixels that are kept are certain. With it what its white stands for in the picture (the
    99.5th percentile over the pixels that were not kept), and its mean over the same pixels.
    """
    spread = np.sqrt(np.mean(np.var([result.x for result in results], axis=0), axis=-1))
    judged = np.ones(spread.shape, bool)
    if kept and job.fill is not None:
        judged = job.fill | ~np.isfinite(job.y).all(axis=-1)
        spread = np.where(judged, spread, 0.0)
    white = float(np.percentile(spread[judged], 99.5))
    return spread, {"white": white, "mean": float(spread[judged].mean())}


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
