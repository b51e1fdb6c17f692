"""The work directory of a run: is it this run's, what has an earlier session left, what is kept.

A run of one seed keeps its lane in the work directory itself, one of several seeds in
`seeds/<seed>/`.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from dip_jax import images, reporting
from dip_jax.checkpoints import Checkpoints
from dip_jax.ensembles import composited
from dip_jax.errors import InputError
from dip_jax.files import is_temporary, write_atomically
from dip_jax.jobs import Job
from dip_jax.progress import Progress
from dip_jax.restoring import Log, Restoration

Config = Mapping[str, Any]


class LaneFolder:
    """What one seed of a run leaves on disk: the run's own folder, or one of several in it.

    Attributes:
        seed: of the lane.
        rows: the logged rows so far.
        steps: steps made so far, as far as the log and the checkpoints know.
        checkpoints: of the lane; None once its result is there.
        result: its result, when it has ended.
    """

    def __init__(self, folder: Path, seed: int, alone: bool, all_lanes: "list[LaneFolder]"):
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
        self._num_steps = config["num_steps"]
        self._kept_around = job.fill if config["keep_known"] else None
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
        data_range = self._job.degraded.data_range
        pixels = composited(x_avg, self._job.degraded.pixels, self._kept_around, data_range)
        path = self._folder / "preview" / f"step_{step:06d}.png"
        if pixels.dtype not in (np.uint8, np.uint16):  # PNG holds no other values
            x = images.to_float(pixels, data_range)
            pixels = images.from_float(x, np.uint8, pixels.ndim)
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


def check_workdir(folder: Path, config: Config, mark: str) -> dict[str, Any] | None:
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


def make_workdir(folder: Path, config: Config, seeds: range) -> list[LaneFolder]:
    lanes: list[LaneFolder] = []
    for seed in seeds:
        alone = len(seeds) == 1
        lanes.append(
            LaneFolder(folder if alone else folder / "seeds" / str(seed), seed, alone, lanes)
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
