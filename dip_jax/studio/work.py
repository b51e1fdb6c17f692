"""The one fit that goes on at a time: a thread of its own, and what is seen of it."""

import argparse
import dataclasses
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dip_jax.api.array_fit import ArrayFit
from dip_jax.api.info import FitInfo, FitStep
from dip_jax.api.parted_fit import PartedFit
from dip_jax.cli.output import check_output, format_of_result, name_of_result
from dip_jax.cli.pages import likes, prepared, with_masks
from dip_jax.cli.words import COMMAND
from dip_jax.errors import InputError, Interrupted, speaking
from dip_jax.pictures.picture import Picture
from dip_jax.pictures.reading import read_pages
from dip_jax.pictures.writing import changes, write_pages
from dip_jax.report.progress import Pace
from dip_jax.report.records import plain as plain_value
from dip_jax.settings import estimates, fields, tasks
from dip_jax.studio import views
from dip_jax.studio.asked import Asked
from dip_jax.studio.desk import Desk, Sheet, plain

_PREVIEW_EVERY = 0.8  # seconds
_LOG_EVERY = 1.0  # seconds, as far as that can be told before; it changes nothing of the result
_LARGEST_PREVIEW = 2**21  # pixels
_MOST_POINTS = 400  # of a curve
_CLOSE_UP = 512  # pixels on a side, at most

WHY = {
    "criterion": "It stopped by itself: held-out pixels got no better.",
    "schedule": "All steps were made.",
    "num_steps": "All steps were made, and more may help.",
    "diverged": "The fit kept falling apart; this is the best before that.",
    "asked": "Stopped by you; this is the best so far.",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Ready:
    """A fit that can begin; all that can be wrong has been found.

    Attributes:
        fit: it; None once it is over.
        like: what goes into the result's file beside the pixels.
        output: the name of that file.
        lines: what a person should know before.
    """

    fit: ArrayFit | PartedFit | None
    like: Picture
    output: str
    lines: tuple[str, ...]


def make_ready(sheet: Sheet, asked: Asked) -> Ready:
    """What the command does before its fit.

    Raises:
        InputError: if anything that was given cannot be used.
    """
    with speaking(COMMAND):
        arguments = _arguments(sheet, asked)
        data_range = None if arguments.data_range is None else tuple(arguments.data_range)
        pages = read_pages(arguments.image, data_range)
        given = with_masks(arguments, pages)
        like = likes(arguments, [one.picture for one in given])[0]
        written = format_of_result(arguments.task, pages[0].file_format)
        ending = tasks.DOORS[arguments.task].ending
        output = name_of_result(Path(sheet.name), written, ending)
        check_output(sheet.folder / output, [like])
        fit = prepared(arguments, fields.parsed(arguments.set), given)[0]
        lines = (*given[0].remarks, *changes(output, [like]), *fit.advice())
    every = _steps_between_logs(fit)
    fit = dataclasses.replace(fit, config=fit.config | {"log_every": every})
    return Ready(fit, like, output, lines)


def _arguments(sheet: Sheet, asked: Asked) -> argparse.Namespace:
    fills = asked.command in ("inpaint", "fill-hole", "reconstruct")
    mask = None if sheet.mask is None or not fills else str(sheet.mask)
    files = {name: str(path) for name, (_, path) in sheet.files.items()}
    return asked.arguments(str(sheet.path), mask, files)


def _steps_between_logs(fit: ArrayFit | PartedFit) -> int:
    """So many that something is seen every second or so."""
    config, usual = fit.config, fit.config["log_every"]
    seconds = [
        estimates.seconds_of({**config, "seeds": 1, "refine": False}, shape)
        for shape in {*fit.shapes}
    ]
    known = [sum(pair) / 2 / config["num_steps"] for pair in seconds if pair is not None]
    if not known:
        return usual  # an accelerator's steps are quick
    return int(np.clip(_LOG_EVERY / max(known), 1, usual))


class Work:
    """A fit, from its beginning to its result."""

    def __init__(self, number: int, desk: Desk, sheet: Sheet, asked: Asked, ready: Ready) -> None:
        """Takes what is to be done; `start` does it."""
        self.number, self.sheet, self.asked = number, sheet, asked
        self.state = "fitting"  # then "done", "nothing" or "failed"
        self.lines = [plain(line, desk.folder) for line in ready.lines]
        self.error = ""
        self.downloaded = False
        self.result: Path | None = None
        self._ready, self._desk = ready, desk
        self.mask = sheet.mask
        self._parted = isinstance(ready.fit, PartedFit)
        self._patience = ready.fit.config["stop"]["patience"] if ready.fit else 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"fit {number}", daemon=True)
        self._pace = Pace(1, 0, time.monotonic)
        self._step: FitStep | None = None
        self._curve: list[list[float | None]] = []  # of this seed and part: step, PSNRs
        self._seen = 0.0
        self._shown: views.View | None = None  # the picture as it is so far, reduced
        self._close_up: NDArray[Any] | None = None
        self._preview = 0  # how many there have been
        self._encoded: dict[bool, tuple[int, tuple[bytes, str]]] = {}  # the last one
        self._lock = threading.Lock()
        self._begin, self._seconds = time.monotonic(), 0.0
        self._views: dict[str, tuple[bytes, str]] = {}
        self._facts: dict[str, Any] | None = None

    # What the server asks for.

    def start(self) -> None:
        self._thread.start()

    @property
    def is_going_on(self) -> bool:
        return self.state == "fitting"

    def stop(self) -> None:
        """Ends the fit at its next logged step; the best so far is the result."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Waits for the end; whether it has come."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def told(self) -> dict[str, Any]:
        """What the page tells of it."""
        step, curve = self._step, self._curve
        said: dict[str, Any] = {
            "number": self.number,
            "picture": self.sheet.told(),
            "command": self.asked.command,
            "options": dict(self.asked.given),
            "patience": self._patience,
            "parted": self._parted,
            "state": self.state,
            "stopping": self._stop.is_set() and self.is_going_on,
            "lines": list(self.lines),
            "error": self.error,
            "made": self._pace.step,
            "total": self._pace.total_steps,
            "left": self._pace.seconds_left,
            "seconds": time.monotonic() - self._begin if self.is_going_on else self._seconds,
            "preview": self._preview,
            "close_up": self._close_up is not None,
            "curve": curve[:: 1 + len(curve) // _MOST_POINTS],
            "result": self._facts,
        }
        if step is not None:
            said |= {"seed": step.seed, "step": step.step, "num_steps": step.num_steps}
            said |= {"part": step.part, "parts": step.parts}
        return plain_value(said)

    def _facts_of(self, info: FitInfo, uncertain: float | None) -> dict[str, Any]:
        own, files = self._names()
        mask = None if self.mask is None else self.sheet.mask_name
        h, w = self._ready.like.pixels.shape[:2]
        return {
            "file": self._ready.output,
            "width": w,
            "height": h,
            "same_size": (h, w) == self.sheet.size,
            "why": WHY.get(info.stop_reason, info.stop_reason),
            "steps": info.steps,
            "chosen": info.chosen_steps,
            "failed": info.failed,
            "heldout": info.figures.get("psnr_heldout", {}),
            "uncertainty": uncertain,
            "mask": mask,
            "command": self.asked.as_command(own, mask, files),
            "python": self.asked.as_python(
                own, mask, files, self._ready.output, _pillow_reads_all(self.sheet.picture)
            ),
        }

    def _names(self) -> tuple[str, dict[str, str]]:
        return self.sheet.name, {name: said for name, (said, _) in self.sheet.files.items()}

    def preview(self, close_up: bool = False) -> tuple[bytes, str]:
        """The picture as it is so far, or a part of it at full size; a file and its media type."""
        with self._lock:
            n, shown, part = self._preview, self._shown, self._close_up
            shown = None if shown is None else shown.copy()
        if (part if close_up else shown) is None:
            return self.sheet.view()
        last, file = self._encoded.get(close_up, (0, (b"", "")))
        if last != n:
            like = self._ready.like
            view = views.view_of(part, like) if close_up and part is not None else shown
            assert view is not None
            file = views.encoded(view, like.icc_profile)
            self._encoded[close_up] = n, file
        return file

    def view(self, name: str) -> tuple[bytes, str]:
        """Of the result: "after", or "uncertainty"; a file and its media type.

        Raises:
            KeyError: if there is none.
        """
        return self._views[name]

    # What goes on in the thread.

    def _run(self) -> None:
        try:
            with speaking(COMMAND):
                self._restore()
            self.state = "done"
        except Interrupted:
            self.state = "nothing"
            self.error = "Stopped before there was a usable picture; nothing is lost or changed."
        except InputError as error:
            self.state, self.error = "failed", plain(str(error), self._desk.folder)
        except MemoryError:
            self.state = "failed"
            self.error = "The memory was not enough; close other programs, or reduce the picture."
        except Exception as error:  # the page has to be told, whatever it is
            traceback.print_exc()
            self.state, self.error = "failed", f"{type(error).__name__}: {error}"
        finally:
            with self._lock:
                self._shown = self._close_up = None
            self._ready = dataclasses.replace(self._ready, fit=None)  # and all that it holds

    def _restore(self) -> None:
        ready = self._ready
        assert ready.fit is not None
        pixels, info = ready.fit.run(self._see, _Bar(self), only_usable=True)
        folder = self._desk.new_folder()
        write_pages(folder / ready.output, [pixels], [ready.like])
        h, w = pixels.shape[:2]
        reduced = views.reduction(h, w)
        after = views.view_of(pixels, ready.like, reduced)
        self._views["after"] = views.encoded(after, ready.like.icc_profile)
        uncertain = None
        if info.uncertainty is not None:
            overlay, uncertain = views.overlay_of(info.uncertainty, reduced)
            self._views["uncertainty"] = overlay, "image/png"
        self.lines += [line for line in info.remarks if line not in self.lines]
        self._seconds = time.monotonic() - self._begin
        self.result = folder / ready.output
        self._facts = self._facts_of(info, uncertain)

    def _see(self, step: FitStep) -> bool:
        before = self._step
        if before is None or (before.seed, before.part) != (step.seed, step.part):
            self._curve = []
        self._step = step
        row = step.row
        self._curve.append([step.step, row.get("psnr_heldout_avg"), row.get("psnr_heldout_out")])
        now = time.monotonic()
        if now - self._seen >= _PREVIEW_EVERY:
            self._show(step)
            self._seen = time.monotonic()
        return self._stop.is_set()

    def _show(self, step: FitStep) -> None:
        pixels, like = step.preview, self._ready.like
        h, w = pixels.shape[:2]
        r = views.reduction(h, w, _LARGEST_PREVIEW)
        shown = self._shown
        if step.place is None or shown is None:
            shown = views.view_of(pixels, like, r)
        else:  # parts that were there before stay
            rows, columns = (slice(p.start // r * r, -(-p.stop // r) * r) for p in step.place)
            part = dataclasses.replace(
                like, alpha=None if like.alpha is None else like.alpha[rows, columns]
            )
            new = views.view_of(pixels[rows, columns], part, r)
            top, left = rows.start // r, columns.start // r
            shown = shown.copy()
            shown[top : top + new.shape[0], left : left + new.shape[1], :3] = new[..., :3]
        with self._lock:
            self._shown = shown
            if step.place is not None:
                self._close_up = pixels[_around(step.place, pixels.shape)].copy()
            self._preview += 1


def _around(place: tuple[slice, slice], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """A part, or the middle of a large one."""
    found = []
    for one, n in zip(place, shape, strict=False):
        begin, end = one.start, min(one.stop, n)
        cut = max(0, end - begin - _CLOSE_UP) // 2
        found.append(slice(begin + cut, end - cut))
    return found[0], found[1]


class _Bar:
    """The progress of a fit, for the page."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def start(self, total_steps: int, done_steps: int = 0) -> None:
        self._work._pace = Pace(total_steps, done_steps, time.monotonic)

    def update(self, step: int, row: Mapping[str, Any]) -> None:
        self._work._pace.update(step)

    def message(self, text: str) -> None:
        self._work.lines.append(plain(text, self._work._desk.folder))

    def stop(self) -> None:
        pass

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *what: Any) -> None:
        pass


def _pillow_reads_all(picture: Picture) -> bool:
    return picture.pixels.dtype == np.uint8 and picture.file_format != "TIFF"


class Bench:
    """The works, of which one goes on at a time."""

    def __init__(self, desk: Desk) -> None:
        """None has begun."""
        self.desk = desk
        self.works: list[Work] = []
        self._lock = threading.Lock()
        self._readying = threading.Lock()
        self._closed = False

    @property
    def now(self) -> Work | None:
        """The work that goes on."""
        return self.works[-1] if self.works and self.works[-1].is_going_on else None

    def uses(self, sheet: Sheet) -> bool:
        """Whether a picture is being restored, or has results."""
        return any(work.sheet is sheet for work in self.works)

    def work(self, number: int) -> Work:
        """The work of a number.

        Raises:
            KeyError: if there is none.
        """
        for work in self.works:
            if work.number == number:
                return work
        raise KeyError(number)

    def estimate(self, sheet: Sheet, asked: Asked) -> dict[str, Any]:
        """What a person should know before a fit.

        Raises:
            InputError: if anything that was given cannot be used.
        """
        with self._readying, self.desk.plainly():
            ready = make_ready(sheet, asked)
        return {
            "lines": [plain(line, self.desk.folder) for line in ready.lines],
            "output": ready.output,
        }

    def start(self, sheet: Sheet, asked: Asked) -> Work:
        """Begins a fit.

        Raises:
            Busy: if another goes on.
            InputError: if anything that was given cannot be used.
        """
        with self._lock:
            if (now := self.now) is not None:
                raise Busy(
                    f"{now.sheet.name} is being restored, and one picture is at a time: wait for "
                    "it, or stop it"
                )
            if self._closed:
                raise Busy("the studio is being closed")
            with self._readying, self.desk.plainly():
                ready = make_ready(sheet, asked)
            number = self.works[-1].number + 1 if self.works else 1
            work = Work(number, self.desk, sheet, asked, ready)
            self.works.append(work)
            work.start()
            return work

    def close(self) -> None:
        """No other begins, and the one that goes on is ended."""
        self._closed = True
        if (now := self.now) is not None:
            now.stop()

    def unsaved(self) -> list[Work]:
        """The works whose results nobody has downloaded."""
        return [w for w in self.works if w.result is not None and not w.downloaded]


class Busy(Exception):
    """Another picture is being restored."""
