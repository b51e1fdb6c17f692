"""What one seed of a run leaves on disk, and takes up again: its log, previews, result.

A run of one seed keeps its lane in the work directory itself, one of several seeds in
`seeds/<seed>/`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dip_jax.errors import WORKDIR, InputError
from dip_jax.finish.ensemble import composited, shown
from dip_jax.lanes.checkpoints import Checkpoints
from dip_jax.lanes.jobs import Log, Restoration
from dip_jax.pictures import writing
from dip_jax.pictures.values import from_float, to_float
from dip_jax.report import records
from dip_jax.report.progress import Progress
from dip_jax.run.loaded import Loaded
from dip_jax.run.seed_files import read_result, rows_so_far, write_result
from dip_jax.settings.ending import ending
from dip_jax.settings.tasks import Config


class Overall:
    """The steps of all lanes together, for the progress bar."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.steps, self.started = progress, 0, False
        self._shown, self._row = 0, dict[str, Any]()

    def start(self, total_steps: int) -> None:
        """The lanes begin, those steps that are known to be done behind them."""
        self._shown, self.started = self.steps, True
        self.progress.start(total_steps, self.steps)

    def made(self, steps: int, row: Mapping[str, Any] | None = None) -> None:
        """So many more steps are done, or need not be; `row` is what they led to."""
        self.steps += steps
        if row is not None:
            self._shown, self._row = self.steps, dict(row)
            self.progress.update(self.steps, row)

    def catch_up(self) -> None:
        """Shows the steps of lanes that have ended before their last one."""
        if self.steps > self._shown:
            self.made(0, self._row)


class LaneFolder:
    """What one seed of a run leaves on disk: the run's own folder, or one of several in it.

    Attributes:
        seed: of the lane.
        num_steps: the largest number of its steps.
        rows: the logged rows so far.
        steps: steps made so far, as far as the log and the checkpoints know.
        checkpoints: of the lane, while it is open and has no result.
        result: its result, when it has ended.
        failure: why it has none and will have none; "" as long as it may.
    """

    def __init__(
        self, folder: Path, seed: int, num_steps: int, alone: bool, name: str, overall: Overall
    ) -> None:
        self.seed, self._folder, self._alone = seed, folder, alone
        self.num_steps, self._name, self._overall = num_steps, name, overall
        self.result: Restoration | None = None
        self.checkpoints: Checkpoints | None = None
        self.rows: list[dict[str, Any]] = []
        self.failure = ""
        self.steps = 0
        self._loaded: Loaded | None = None

    @property
    def is_finished(self) -> bool:
        """Whether an earlier session, or another process, has left its result."""
        return not self._alone and self._result_path.exists()

    def shorten(self, num_steps: int) -> None:
        """Learns that it makes no more steps than these; those that it was to make need not be."""
        spared, self.num_steps = self.num_steps - num_steps, num_steps
        counted = max(0, self.steps - num_steps)  # of a lane that had ended
        self.steps -= counted
        self._overall.made((spared if self._overall.started else 0) - counted)

    def look(self) -> None:
        """Finds out, without opening anything, how many steps there are from an earlier session."""
        self._count(self.num_steps if self.is_finished else self.saved_steps())

    def saved_steps(self) -> int:
        """The step of its latest checkpoint, without opening it; 0 if there is none."""
        folder = self._folder / "checkpoints"
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        return max((int(name) for name in names if name.isdigit()), default=0)

    @property
    def _result_path(self) -> Path:
        return self._folder / "result.npz"

    def open(self, loaded: Loaded, config: Config, should_stop: Callable[[], bool]) -> None:
        """Makes its folder, and reads what an earlier session has left.

        Raises:
            InputError: if that cannot be used, or nothing can be written.
        """
        self._loaded, self._mark = loaded, loaded.mark
        self._how, self._should_stop = ending(config), should_stop
        if self.is_finished:
            self.read(loaded.mark)
            return
        try:
            (self._folder / "preview").mkdir(parents=True, exist_ok=True)
            self.checkpoints = Checkpoints(self._folder / "checkpoints")
            step = self.checkpoints.latest_step()
            self.rows = rows_so_far(self._folder, step)
            records.write_metrics(self._folder / "metrics.jsonl", self.rows)
        except OSError as error:
            raise InputError(
                f"{self._folder} cannot be written ({error.strerror}): choose another work "
                "directory with ",
                WORKDIR,
            ) from error
        self._rollbacks: int | None = None if step else 0
        self._count(step or 0)

    def read(self, mark: str) -> None:
        """Reads the result that is there."""
        self.result = read_result(self._result_path, mark)
        self.rows = rows_so_far(self._folder, self.result.steps)

    def rows_on_disk(self) -> list[dict[str, Any]]:
        """The logged rows, all of them."""
        return rows_so_far(self._folder, self.num_steps)

    def _count(self, steps: int, row: Mapping[str, Any] | None = None) -> None:
        before, self.steps = self.steps, steps
        self._overall.made(steps - before, row)

    def on_log(self, log: Log) -> bool:
        if self.rows and self.rows[-1]["step"] >= log.step:  # an older checkpoint was read
            self.rows[:] = [row for row in self.rows if row["step"] < log.step]
            records.write_metrics(self._folder / "metrics.jsonl", self.rows)
        self.rows.append(log.row)
        records.append_metrics(self._folder / "metrics.jsonl", log.row)
        self._count(log.step, log.row)
        if self._rollbacks is not None and log.rollbacks > self._rollbacks:
            who = "the fit" if self._alone else f"the fit of seed {self.seed}"
            self._say(log.going_back(who))
        self._rollbacks = log.rollbacks
        return self._should_stop()

    def on_preview(self, step: int, x_avg: np.ndarray) -> None:
        assert self._loaded is not None
        prepared, like = self._loaded.prepared, self._loaded.like
        before, layout = like.pixels, like.layout
        x = shown(x_avg, prepared.observation, self._how)
        pixels = composited(x, prepared, self._how, before, layout)
        path = self._folder / "preview" / f"step_{step:06d}.png"
        if pixels.dtype not in (np.uint8, np.uint16):  # PNG holds no other values
            x = to_float(pixels, like.data_range)
            pixels = from_float(x, np.uint8, pixels.ndim)
            writing.write(path, pixels)
        else:
            writing.write(path, pixels, like)

    def on_done(self, result: Restoration) -> None:
        self.close()
        if not result.usable:  # as if its turn had not come, but for its checkpoint
            return
        self.result = result
        if result.stop_reason != "asked":
            self._count(self.num_steps)
        if result.stop_reason == "asked" or self._alone:
            return
        try:
            write_result(self._result_path, result, self._mark)
        except OSError as error:
            raise InputError(
                f"{self._result_path} cannot be written ({error.strerror}); its checkpoint is kept"
            ) from error
        words = {"criterion": "stopped by itself", "diverged": "kept falling apart, ended"}
        self._say(
            f"seed {self.seed}: {words.get(result.stop_reason, 'finished')} at step {result.steps}"
        )

    def give_up(self, reason: str) -> None:
        """It has no result, and will have none in this session."""
        self.failure, self.result = reason, None
        self.close()
        self._count(self.num_steps)

    def on_failed(self, error: InputError) -> None:
        self.give_up(str(error))
        if not self._alone:
            self._say(f"seed {self.seed} failed: {error}")

    def _say(self, text: str) -> None:
        self._overall.progress.message(f"{self._name}{text}")

    def forget(self) -> None:
        """Drops its images and rows, which are on disk, and the picture."""
        self.result, self.rows, self._loaded = None, [], None

    def close(self) -> None:
        """Lets go of its checkpoints."""
        if self.checkpoints is not None:
            self.checkpoints.close()
            if self.checkpoints.passed_over:
                self._say(f"damaged checkpoints were passed over: {self.checkpoints.passed_over}")
            self.checkpoints = None


def lane_folders(folder: Path, config: Config, name: str, overall: Overall) -> list[LaneFolder]:
    """The folders of a run's seeds; nothing is written or read.

    Args:
        folder: the work directory.
        config: of the run.
        name: what messages begin with; "" where there is only one picture.
        overall: told of every step.
    """
    seeds = range(config["seed"], config["seed"] + config["seeds"])
    steps = config["num_steps"]
    if len(seeds) == 1:
        return [LaneFolder(folder, seeds[0], steps, True, name, overall)]
    return [LaneFolder(folder / "seeds" / str(n), n, steps, False, name, overall) for n in seeds]
