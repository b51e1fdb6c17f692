"""A fit: a thread of its own, and what is seen of it."""

import dataclasses
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dip_jax.api.info import FitStep
from dip_jax.api.parted_fit import PartedFit
from dip_jax.errors import InputError, Interrupted, speaking
from dip_jax.pictures.writing import write_pages
from dip_jax.report.progress import Pace
from dip_jax.report.records import plain as plain_value
from dip_jax.studio import views
from dip_jax.studio.asked import Asked
from dip_jax.studio.desk import Desk, Sheet, plain
from dip_jax.studio.ready import Ready, lossless_name
from dip_jax.studio.words import PAGE

_PREVIEW_EVERY = 0.8  # seconds
_LARGEST_PREVIEW = 2**21  # pixels
_MOST_POINTS = 400  # of a curve
_CLOSE_UP = 512  # pixels on a side, at most

WHY = {
    "criterion": "It stopped by itself: it got no better.",
    "schedule": "All steps were made.",
    "num_steps": "All steps were made, and more may help.",
    "diverged": "The fit kept falling apart; this is the best before that.",
    "asked": "Stopped by you; this is the best so far.",
    "no_fit": "The picture is smooth all around: it was continued there, with no network.",
    "alone": "It was restored by its own patches, with no network.",
    "failed": "Every fit failed; only what is smooth around the damage was filled.",
}


class Work:
    """A fit, from its beginning to its result."""

    def __init__(self, number: int, desk: Desk, sheet: Sheet, asked: Asked, ready: Ready) -> None:
        """Takes what is to be done; `start` does it."""
        self.number, self.sheet, self.asked, self.files = number, sheet, asked, ready.files
        self.state = "fitting"  # then "done", "nothing" or "failed"
        self.lines = [plain(line, desk.folder) for line in ready.lines]
        self.error = ""
        self.downloaded = False
        self.result: Path | None = None
        h, w = ready.like.pixels.shape[:2]
        self._told = {
            **{"number": number, "picture": sheet.told(), "shape": [w, h]},
            **{"command": asked.command, "options": dict(asked.given)},
            "patience": ready.fit.config["stop"]["patience"],
            "parted": isinstance(ready.fit, PartedFit),
            "fits": bool(ready.fit.shapes),
        }
        self._ready: Ready | None = ready
        self._desk = desk
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"fit {number}", daemon=True)
        self._pace = Pace(1, 0, time.monotonic)
        self._step: FitStep | None = None
        self._curve: list[list[float | None]] = []  # of this seed and part: step, PSNRs
        self._seen = 0.0
        # The picture as it is so far, reduced; each is an array of its own, which stays as it is.
        self._shown: views.View | None = None
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
            **self._told,
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

    def file(self, lossless: bool = False) -> Path | None:
        """The result's file; None if there is none.

        Args:
            lossless: whether it is to be one that loses nothing.
        """
        if self.result is None or not lossless:
            return self.result
        return self.result.with_name(lossless_name(self.result.name))

    def preview(self, close_up: bool = False) -> tuple[bytes, str]:
        """The picture as it is so far, or a part of it at full size; a file and its media type."""
        with self._lock:
            n, shown, part = self._preview, self._shown, self._close_up
        ready = self._ready
        if (part if close_up else shown) is None or ready is None:
            return self.sheet.view()
        last, file = self._encoded.get(close_up, (0, (b"", "")))
        if last != n:
            like = ready.like
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
            with speaking(PAGE):
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
                self._encoded = {}
            self._ready = None  # and all that it holds

    def _restore(self) -> None:
        ready = self._ready
        assert ready is not None
        pixels, info = ready.fit.run(
            self._see, _Bar(self), only_usable=True, asked=self._stop.is_set
        )
        folder, lossless = self._desk.new_folder(), lossless_name(ready.output)
        for name in {ready.output, lossless}:
            write_pages(folder / name, [pixels], [ready.like])
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
        self._facts = {
            **ready.shown,
            **{"file": ready.output, "width": w, "height": h},
            "lossless": lossless if lossless != ready.output else None,
            "why": WHY.get(info.stop_reason, info.stop_reason),
            "steps": info.steps,
            "chosen": info.chosen_steps,
            "failed": info.failed,
            "heldout": info.figures.get("psnr_heldout", {}),
            "uncertainty": uncertain,
        }
        self.result = folder / ready.output

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
        assert self._ready is not None
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
