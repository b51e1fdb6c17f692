"""A run: a configuration becomes a work directory with the restored picture and the figures.

    read, or damage a sample -> observe -> restore -> composite with the known pixels -> write,
    report

Everything that can be wrong with the input is found before the first file is written.
"""

import functools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from dip_jax import reporting, tasks
from dip_jax.errors import FitError, InputError
from dip_jax.jobs import Job, prepare, remarks
from dip_jax.observation import Observation, observe
from dip_jax.processes import ALONE, Processes
from dip_jax.progress import Progress
from dip_jax.restoring import LaneJob, LaterJob, Restoration, check_size, fingerprint, fit_lanes
from dip_jax.results import write_results
from dip_jax.workdirs import (
    Overall,
    check_workdir,
    finished_summary,
    lane_folders,
    make_workdir,
)

Config = Mapping[str, Any]


def run(
    config: Config,
    workdir: str | os.PathLike[str],
    progress: Progress,
    should_stop: Callable[[], bool] = lambda: False,
    processes: Processes = ALONE,
    command: Sequence[str] = (),
) -> dict[str, Any]:
    """Runs one restoration, or goes on with it, and gives its summary.

    Args:
        config: as `tasks.defaults` gives it.
        workdir: the work directory; new, empty, or that of the same run to go on with.
        progress: shows what is going on.
        should_stop: asked at every logged step; True saves what there is and ends the run.
        processes: those that share the work; all are given the same configuration and folder.
        command: what was run, as its words; the report shows it.

    Raises:
        InputError: if something given cannot be used, and nothing has been written then.
        FitError: if every seed failed.
    """
    overall = Overall(progress)
    picture = PictureRun(config, Path(workdir), overall, should_stop, command=command)
    picture.read()
    begun = check_workdir(picture.folder, config)
    finished = processes.share("finished", picture.finished_summary)
    if finished:
        progress.message(
            f"{picture.folder} holds this run, finished ({finished['stop_reason']}): nothing to do"
        )
        return finished
    for line in picture.remarks():
        progress.message(line)
    if processes.index == 0:
        make_workdir(picture.folder, config)
    processes.meet("config.json", picture.folder)
    if begun:
        progress.message(picture.what_is_there())
    restore_pictures([picture], config, overall, processes)
    if picture.summary is None:
        raise FitError(picture.failure or "no seed has a result yet: the same command goes on")
    return picture.summary


def restore_pictures(
    pictures: Sequence["PictureRun"], config: Config, overall: Overall, processes: Processes
) -> None:
    """Fits all seeds of all pictures, and reports on each picture once its last seed has ended.

    The lanes are divided over the processes. A picture whose lanes are all one process' own is
    reported by that one at once, the others by the first process when all have ended.

    Args:
        pictures: those that are not finished; the same in every process.
        config: what they have in common: all but the files.
        overall: the steps of all of them together.
        processes: those that share the work.
    """
    for picture in pictures:
        picture.look()
    todo = processes.share("lanes", lambda: [picture.unfinished() for picture in pictures])
    owners = _deal([len(lanes) for lanes in todo], processes.count)
    jobs: list[LaterJob] = []
    for picture, lanes, owner in zip(pictures, todo, owners, strict=True):
        jobs += picture.later_jobs(lanes, owner, processes.index)
    progress = overall.progress
    lanes_of_all = sum(len(picture.lanes) for picture in pictures)
    overall.start(config["num_steps"] * lanes_of_all)
    try:
        fit_lanes(
            jobs,
            settings=tasks.fit_settings(config),
            criterion=tasks.criterion(config),
            num_steps=config["num_steps"],
            log_every=config["log_every"],
            preview_every=config["preview_every"],
            checkpoint_every=config["checkpoint_every"],
            at_once=config["lanes"]["at_once"],
            form=config["lanes"]["form"],
            say=progress.message,
        )
        for picture in pictures:  # interrupted, or killed before its report
            if picture.owned and not picture.has_ended:
                picture.finish()
        if lanes_of_all > 1:  # alone, it is told at which step it has stopped
            overall.catch_up()
    finally:
        for picture in pictures:
            picture.close()
        progress.stop()
    if processes.count == 1:
        return
    for told in processes.gather("fitted", [picture.outcome() for picture in pictures]):
        for picture, outcome in zip(pictures, told, strict=True):
            picture.hear(outcome)
    if processes.index == 0:
        for picture in pictures:
            if not picture.has_ended:
                picture.finish()
    outcomes = processes.share("reported", lambda: [picture.outcome() for picture in pictures])
    for picture, outcome in zip(pictures, outcomes, strict=True):
        picture.hear(outcome)


def _deal(counts: Sequence[int], processes: int) -> list[list[int]]:
    """Which process fits which lane: whole pictures in turn while there are enough, else seeds.

    Args:
        counts: the lanes of every picture.
        processes: their number.

    Returns:
        The process of every lane of every picture.
    """
    whole = sum(count > 0 for count in counts) >= processes
    owners, turn = [], 0
    for count in counts:
        if whole:
            owners.append([turn % processes] * count)
            turn += count > 0
        else:
            owners.append([(turn + i) % processes for i in range(count)])
            turn += count
    return owners


class PictureRun:
    """The run of one picture: what is read, its seeds' folders, its report.

    Attributes:
        folder: its work directory.
        lanes: its seeds.
        owned: whether this process fits all of its seeds that are not finished, and reports it.
        summary: once it has been reported.
        failure: why it was not, and will not be; "" as long as it may.
    """

    def __init__(
        self,
        config: Config,
        folder: Path,
        overall: Overall,
        should_stop: Callable[[], bool],
        name: str = "",
        load: Callable[[], Job] | None = None,
        shape: tuple[int, int, int] | None = None,
        on_end: Callable[["PictureRun"], None] = lambda picture: None,
        command: Sequence[str] = (),
    ) -> None:
        """A run that has not begun: nothing is read or written.

        Args:
            config: of this picture.
            folder: its work directory.
            overall: told of every step.
            should_stop: asked at every logged step.
            name: what messages begin with; "" for the only picture.
            load: gives what it works on; by default, what `config` names.
            shape: `(h, w, c)`, as far as it is known without reading the picture.
            on_end: called when it has a summary, or has failed.
            command: what was run, as its words; for the report.
        """
        self.config, self.folder, self._shape = config, folder, shape
        self._load = load or (lambda: prepare(config))
        self._name, self._should_stop, self._on_end = name, should_stop, on_end
        self._command = command
        self.lanes = lane_folders(folder, config, name, overall)
        self.owned = True
        self.summary: dict[str, Any] | None = None
        self.failure = ""
        self._job: Job | None = None
        self._observation: Observation | None = None
        self._waiting: set[int] = set()

    def read(self) -> None:
        """Reads the picture, unless it has been read.

        Raises:
            InputError: if it cannot be used.
        """
        if self._job is not None:
            return
        settings = tasks.fit_settings(self.config)
        job = self._load()
        h, w, _ = job.y.shape
        check_size(h, w, settings)
        observation, self._not_finite = observe(job.y, job.fill)
        # Not on a device, where only the lanes in their places are to be.
        self._observation = jax.tree.map(np.asarray, observation)
        self._mark = fingerprint(self._observation, job.clean)
        self._shape, self._job = (h, w, job.y.shape[2]), job

    def finished_summary(self) -> dict[str, Any] | None:
        """Its summary, if an earlier session has finished it."""
        return finished_summary(self.folder, self._mark)

    def remarks(self) -> list[str]:
        """What a person should know before it is fitted."""
        assert self._job is not None
        return remarks(self._job, self.config, self._not_finite)

    def look(self) -> None:
        """Finds out how far an earlier session has come."""
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
                self._shape or (1, 1, 3),
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
            self.read()
            check_workdir(self.folder, self.config)
            make_workdir(self.folder, self.config)
        except InputError as error:
            self.failure = str(error)
            raise
        assert self._job is not None and self._observation is not None
        lane.open(self._job, self.config, self._mark, self._should_stop)
        return LaneJob(
            self._observation,
            lane.seed,
            self._job.clean,
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
        self._job = self._observation = None
        for lane in self.lanes:
            lane.forget()

    def recall(self) -> None:
        """Takes the summary that is on disk for its own."""
        text = (self.folder / "summary.json").read_text(encoding="utf-8")
        self.summary = json.loads(text)

    def _report(self) -> None:
        if not any(lane.result or lane.failure or lane.is_finished for lane in self.lanes):
            return  # its turn has not come
        self.read()
        assert self._job is not None
        for lane in self.lanes:
            if lane.result is None and not lane.failure and lane.is_finished:
                try:
                    lane.read(self._mark)
                except InputError as error:
                    lane.on_failed(error)
        failed = [
            {"seed": lane.seed, "reason": lane.failure} for lane in self.lanes if lane.failure
        ]
        results = [lane.result for lane in self.lanes]
        if not any(results):
            self.failure = next((lane.failure for lane in self.lanes if lane.failure), "")
            return
        rows = self.lanes[0].rows
        if len(self.lanes) > 1:
            rows = [{"seed": lane.seed} | row for lane in self.lanes for row in lane.rows]
            reporting.write_metrics(self.folder / "metrics.jsonl", rows)
        self.summary = write_results(
            self.folder, self.config, self._job, results, rows, self._mark, failed, self._command
        )

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
