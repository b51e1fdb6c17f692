"""The run of one picture: loaded when its turn comes, fitted with every seed, and reported."""

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dip_jax.errors import InputError
from dip_jax.lanes.jobs import LaneJob, LaterJob, Restoration
from dip_jax.pictures import reading
from dip_jax.report import records
from dip_jax.run.inputs import Given, Job
from dip_jax.run.loaded import Loaded, load
from dip_jax.run.results import write_results
from dip_jax.run.seed_folder import Overall, lane_folders
from dip_jax.run.workdir import check_workdir, finished_summary, make_workdir
from dip_jax.settings.steps import with_steps
from dip_jax.settings.tasks import Config


class PictureRun:
    """The run of one picture: its folder and those of its seeds, its report, its outcome.

    Attributes:
        folder: its work directory.
        lanes: its seeds.
        owned: whether this process fits all of its seeds that are not finished, and reports it.
        summary: once it has been reported.
        failure: why it was not, and will not be; "" as long as it may.
        shape: `(h, w, c)`, as far as it is known.
        given: what has been read of it.
    """

    def __init__(
        self,
        config: Config,
        folder: Path,
        overall: Overall,
        should_stop: Callable[[], bool],
        name: str = "",
        shape: tuple[int, int, int] | None = None,
        on_end: Callable[["PictureRun"], None] = lambda picture: None,
        command: Sequence[str] = (),
        given: Given | None = None,
        keep: bool = False,
        job: Job | None = None,
    ) -> None:
        """A run that has not begun: nothing is read or written.

        Args:
            config: of this picture.
            folder: its work directory.
            overall: told of every step.
            should_stop: asked at every logged step.
            name: what messages begin with; "" for the only picture.
            shape: `(h, w, c)`, as far as it is known without reading the picture.
            on_end: called when it has a summary, or has failed.
            command: what was run, as its words; for the report.
            given: what has been read of it.
            keep: whether the restored pixels are kept in memory, for `restored`.
            job: the picture, where it has been read and damaged.
        """
        self.config, self.folder, self.shape = config, folder, shape
        self._name, self._should_stop, self._on_end = name, should_stop, on_end
        self._command, self.given, self._job = command, given, job
        self._keep = keep
        self._restored: NDArray[Any] | None = None
        self.lanes = lane_folders(folder, config, name, overall)
        self.owned = True
        self.summary: dict[str, Any] | None = None
        self.failure = ""
        self._loaded: Loaded | None = None
        self._waiting: set[int] = set()
        self._settled: Config | None = None

    def load(self) -> Loaded:
        """The picture, which is read unless it has been.

        Raises:
            InputError: if it cannot be used.
        """
        if self._loaded is None:
            self._loaded = load(self.config, self.given, self._job)
            self.shape = self._loaded.observation.shape
        return self._loaded

    def finished_summary(self) -> dict[str, Any] | None:
        """Its summary, if an earlier session has finished it.

        Raises:
            InputError: if the picture cannot be used, or that was another one.
        """
        return finished_summary(self.folder, self.load().mark)

    def _settle(self) -> Config:
        """The configuration of its fits: read, the picture says how many steps its seeds make.

        Raises:
            InputError: if it cannot be used.
        """
        if self._settled is None:
            loaded = self.load()
            self._settled = with_steps(self.config, loaded.observation, loaded.prepared.striped)
            for lane in self.lanes:
                lane.shorten(self._settled["num_steps"])
        return self._settled

    def remarks(self) -> list[str]:
        """What a person should know before the fit starts.

        Raises:
            InputError: if it cannot be used, or the memory is too small for it.
        """
        return self.load().remarks(self._settle())

    def look(self) -> None:
        """Finds out how far an earlier session has come, and how far it is, if it was read."""
        if self._loaded is not None:
            self._settle()
        for lane in self.lanes:
            lane.look()

    def unfinished(self) -> list[int]:
        """The places in `lanes` of those that have no result yet."""
        return [i for i, lane in enumerate(self.lanes) if not lane.is_finished]

    def what_is_there(self) -> str:
        """What an earlier session has left, in words."""
        steps = [lane.saved_steps() for lane in self.lanes]
        if len(self.lanes) > 1:
            done = sum(lane.is_finished for lane in self.lanes)
            begun = sum(bool(n) for n in steps) - done
            return (
                f"going on with {self.folder}: {done} of {len(steps)} seeds are finished, and "
                f"{begun} begun"
            )
        if steps[0]:
            return f"going on after step {steps[0]} of {self.folder}"
        return f"no checkpoint in {self.folder}: starting from the first step"

    @property
    def has_ended(self) -> bool:
        """Whether it has a summary, or has failed."""
        return self.summary is not None or bool(self.failure)

    def later_jobs(self, lanes: Sequence[int], owners: Sequence[int], me: int) -> list[LaterJob]:
        """The lanes that this process is to fit.

        Args:
            lanes: the places in `lanes` of those that are not finished.
            owners: which process fits each.
            me: this process.
        """
        self.owned = set(owners or [0]) == {me}
        self._waiting = {i for i, owner in zip(lanes, owners, strict=True) if owner == me}
        with_clean = self.config["degrade"] != "none" and not self.config["mask"]
        return [
            LaterJob(
                self.shape or (1, 1, 3),
                with_clean or bool(self.config["clean"]),
                functools.partial(self._open, i),
                functools.partial(self._lane_failed, i),
            )
            for i in sorted(self._waiting)
        ]

    def _open(self, i: int) -> LaneJob:
        if self.failure:
            raise InputError(self.failure)
        lane = self.lanes[i]
        try:
            loaded, settled = self.load(), self._settle()
            check_workdir(self.folder, self.config)
            make_workdir(self.folder, self.config)
        except InputError as error:
            self.failure = str(error)
            raise
        lane.open(loaded, self.config, self._should_stop)
        return LaneJob(
            loaded.observation,
            lane.seed,
            loaded.clean,
            settled["num_steps"],
            checkpoints=lane.checkpoints,
            on_log=lane.on_log,
            on_preview=lane.on_preview,
            on_done=functools.partial(self._lane_done, i),
            on_failed=functools.partial(self._lane_failed, i),
        )

    def _lane_done(self, i: int, result: Restoration) -> None:
        self.lanes[i].on_done(result)
        if result.stop_reason != "asked":
            self._lane_ended(i)

    def _lane_failed(self, i: int, error: InputError) -> None:
        if self.failure:  # of the whole picture, told at its end
            self.lanes[i].give_up(self.failure)
        else:
            self.lanes[i].on_failed(error)
        self._lane_ended(i)

    def _lane_ended(self, i: int) -> None:
        self._waiting.discard(i)
        if self.owned and not self._waiting:
            self.finish()

    def finish(self) -> None:
        """Reports what there is; a picture none of whose seeds has a result may have failed."""
        try:
            if not self.failure:
                self._report()
        except (InputError, OSError) as error:
            self.failure = str(error)
        self.forget()
        if self.has_ended:
            self._on_end(self)

    def forget(self) -> None:
        """Drops the picture and its results, which are on disk."""
        self._loaded = None
        for lane in self.lanes:
            lane.forget()

    def recall(self) -> None:
        """Takes the summary that is on disk for its own."""
        text = (self.folder / "summary.json").read_text(encoding="utf-8")
        self.summary = json.loads(text)

    def _results(self) -> tuple[list[Restoration | None], list[dict[str, Any]]] | None:
        """The results of its seeds and the failures; None if there is nothing to report."""
        if not any(lane.result or lane.failure or lane.is_finished for lane in self.lanes):
            return None  # its turn has not come
        loaded = self.load()
        for lane in self.lanes:
            if lane.result is None and not lane.failure and lane.is_finished:
                try:
                    lane.read(loaded.mark)
                except InputError as error:
                    lane.on_failed(error)
        failed = [
            {"seed": lane.seed, "reason": lane.failure} for lane in self.lanes if lane.failure
        ]
        results = [lane.result for lane in self.lanes]
        if not any(results):
            self.failure = next((lane.failure for lane in self.lanes if lane.failure), "")
            return None
        return results, failed

    def _report(self) -> None:
        found = self._results()
        if found is None:
            return
        loaded, (results, failed) = self.load(), found
        rows = self.lanes[0].rows
        if len(self.lanes) > 1:
            rows = [{"seed": lane.seed} | row for lane in self.lanes for row in lane.rows]
            records.write_metrics(self.folder / "metrics.jsonl", rows)
        self.summary, pixels = write_results(
            self.folder, self.config, loaded, results, rows, failed, self._command
        )
        self._restored = pixels if self._keep else None

    def restored(self) -> NDArray[Any] | None:
        """The restored pixels, from the disk unless this session has kept them; None without any.

        Raises:
            InputError: if their file cannot be read.
        """
        if self._restored is not None or self.summary is None:
            return self._restored
        data_range = self.config["data_range"] or None
        return reading.read(self.folder / self.summary["restored"], data_range).pixels

    def outcome(self) -> dict[str, Any]:
        """What other processes should know of it."""
        failures = {str(i): lane.failure for i, lane in enumerate(self.lanes) if lane.failure}
        return {"ended": self.has_ended, "failure": self.failure, "failures": failures}

    def hear(self, outcome: dict[str, Any]) -> None:
        """Learns what another process has made of it."""
        for i, failure in outcome["failures"].items():
            self.lanes[int(i)].failure = failure
        if outcome["ended"] and not self.has_ended:
            self.failure = outcome["failure"]
            if not self.failure:
                self.recall()

    def close(self) -> None:
        """Lets go of what is open."""
        for lane in self.lanes:
            lane.close()
