"""The run of one part of a picture: a run of its own, whose result is kept until all are done."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from dip_jax.errors import WORKDIR, InputError
from dip_jax.files import write_atomically
from dip_jax.finish.assembly import Made, made_of
from dip_jax.finish.ensemble import Ending
from dip_jax.lanes.jobs import NO_IMAGE, Restoration, fingerprint
from dip_jax.prepare.division import Division
from dip_jax.report import records
from dip_jax.run.inputs import Job
from dip_jax.run.loaded import Loaded
from dip_jax.run.picture_run import PictureRun
from dip_jax.run.results import stop_reason_of
from dip_jax.run.seed_files import figures_of, with_figures
from dip_jax.run.seed_folder import Overall
from dip_jax.settings.tasks import Config


@dataclasses.dataclass(frozen=True, eq=False)
class Whole:
    """The picture that parts are of.

    Attributes:
        job: what was read.
        division: its parts.
        how: results become the picture.
    """

    job: Job
    division: Division
    how: Ending


class PartRun(PictureRun):
    """The run of one part, in a folder of its own."""

    def __init__(
        self,
        config: Config,
        folder: Path,
        overall: Overall,
        should_stop: Callable[[], bool],
        whole: Whole,
        index: int,
        on_end: Callable[[PictureRun], None] = lambda part: None,
    ) -> None:
        """A run that has not begun: nothing is read or written.

        Args:
            config: of the parts.
            folder: of this one.
            overall: told of every step.
            should_stop: asked at every logged step.
            whole: the picture.
            index: which of its parts it is.
            on_end: called when it has a summary, or has failed.
        """
        self.part = whole.division.plan.parts[index]
        self.index, self._whole = index, whole
        super().__init__(
            config,
            folder,
            overall,
            should_stop,
            name=f"part {index + 1}: ",
            shape=(*self.part.size, whole.division.shape[2]),
            on_end=on_end,
        )

    def load(self) -> Loaded:
        """What is fitted, which is cut from the picture."""
        if self._loaded is None:
            job, division = self._whole.job, self._whole.division
            prepared = division.prepared(self.part)
            clean = prepared.of_clean(division.clean(self.part, job.clean))
            mark = fingerprint(prepared.observation, clean)
            self._loaded = Loaded(job, prepared, clean, mark)
        return self._loaded

    def _report(self) -> None:
        found = self._results()
        if found is None:
            return
        results, failed = found
        there = [result for result in results if result is not None]
        whole = self._whole
        made = made_of(self.part, there, whole.division, whole.how, whole.job.clean)
        stop_reason = stop_reason_of(results, failed)
        summary = records.plain(
            {
                "part": dataclasses.asdict(self.part),
                "steps": sum(result.steps for result in there),
                "stop_reason": stop_reason,
                "refined": made.refined,
                "figures": made.figures,
                "results": [figures_of(result) for result in there],
                "failed": failed,
                "fingerprint": self.load().mark,
            }
        )
        spread = np.zeros((0, 0), np.float32) if made.spread is None else made.spread
        write_atomically(self._path, lambda file: np.savez(file, image=made.image, spread=spread))
        records.write_json(self.folder / "summary.json", summary)  # last: all is there
        if stop_reason != "interrupted":  # of many parts they would fill a disk
            for folder in (self.folder, *self.folder.glob("seeds/*")):
                shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        self.summary = summary

    @property
    def _path(self) -> Path:
        return self.folder / "part.npz"

    def is_done(self) -> bool:
        """Whether a session before has finished it.

        Raises:
            InputError: if that was another picture.
        """
        if not (self.folder / "summary.json").exists():
            return False
        mark, found = self.load().mark, self.told()
        self.forget()
        if found.get("fingerprint") != mark:  # interrupted, and then of another picture
            raise InputError(
                f"{self.folder} holds a part of another picture or mask under the same name: "
                "choose another work directory with ",
                WORKDIR,
            )
        if found["stop_reason"] == "interrupted" or found["failed"]:
            return False
        try:
            self.made()
        except InputError:  # torn: it is fitted again
            return False
        return True

    def has_result(self) -> bool:
        """Whether there is something of it on the disk, finished or not."""
        there = self._path.exists() and (self.folder / "summary.json").exists()
        return there and not self.failure

    def is_left(self) -> bool:
        """Whether it is still to be done, or to be gone on with."""
        if self.failure:
            return False
        return not self.has_result() or self.told()["stop_reason"] == "interrupted"

    def failures(self) -> list[dict[str, Any]]:
        """Its seeds that failed, and why."""
        if not self.failure and self.has_result():
            return [{"part": self.index + 1, **one} for one in self.told()["failed"]]
        if not self.failure:
            return []
        return [
            {"part": self.index + 1, "seed": lane.seed, "reason": self.failure}
            for lane in self.lanes
        ]

    def made(self) -> Made:
        """What was made of it, from the disk.

        Raises:
            InputError: if that cannot be read.
        """
        summary = self.told()
        try:
            with open(self._path, "rb") as file, np.load(file) as archive:
                image, spread = archive["image"], archive["spread"]
            one = spread if spread.size else None
            return Made(image, one, summary["refined"], summary["figures"])
        except (OSError, EOFError, BadZipFile, ValueError, KeyError) as error:
            raise InputError(
                f"{self._path} cannot be read ({error}): remove the folder {self.folder} to fit "
                "that part again"
            ) from error

    def told(self) -> dict[str, Any]:
        """Its summary, from the disk.

        Raises:
            InputError: if that cannot be read.
        """
        path = self.folder / "summary.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read ({error})") from error
        return found

    def results_without_images(self) -> list[Restoration]:
        """Its results, from the disk; their images are empty."""
        images = dict.fromkeys(("x", "x_out", "x_avg"), NO_IMAGE)
        return [with_figures(one, **images) for one in self.told()["results"]]

    def all_rows(self) -> list[dict[str, Any]]:
        """The logged rows of all seeds, from the disk, each with its part and its seed."""
        rows = []
        for lane in self.lanes:
            for row in lane.rows_on_disk():
                rows.append({"part": self.index, "seed": lane.seed} | row)
        return rows
