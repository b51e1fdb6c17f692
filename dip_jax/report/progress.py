"""How far a run is: a bar on a terminal, lines in a log.

What cannot be shown, because a stream is gone or full, is left out: the run goes on (`streams`).

Speed is in steps per second over the recent updates, so that compilation, which falls before the
first update, does not count; it and the time left are shown only once they are known.
"""

import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self, TextIO, cast

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dip_jax.report.durations import clock
from dip_jax.report.streams import Unfailing

RECENT_SECONDS = 30.0
BAR_CELLS = 8  # the narrowest bar that is still worth looking at

Clock = Callable[[], float]


class Progress(Protocol):
    """What a run tells about itself while it lasts; leaving the `with` block calls `stop`."""

    def start(self, total_steps: int, done_steps: int = 0) -> None:
        """A fit of `total_steps` begins, or is resumed after `done_steps`."""

    def update(self, step: int, row: Mapping[str, Any]) -> None:
        """`step` steps are done; `row` is the latest logged one (PSNRs in dB)."""

    def message(self, text: str) -> None:
        """Say something on a line of its own."""

    def stop(self) -> None:
        """The fit ended, at its last step or before. May be called more than once."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


_PAUSED = 0.25  # of the speed so far; what is slower for a while is a pause


class Pace:
    """The speed of the recent updates, and the time left at that speed."""

    def __init__(self, total_steps: int, done_steps: int, clock: Clock) -> None:
        self.total_steps = total_steps
        self.step = done_steps
        self._clock = clock
        self._updates: deque[tuple[float, int]] = deque()
        self._first: tuple[float, int] | None = None

    def update(self, step: int) -> None:
        """`step` steps are done now."""
        now = self._clock()
        if step < self.step or self._first is None:
            self._updates, self._first = deque(), (now, step)
        self.step = step
        self._updates.append((now, step))
        while len(self._updates) > 2 and self._updates[0][0] < now - RECENT_SECONDS:
            self._updates.popleft()

    @property
    def steps_per_second(self) -> float | None:
        """Steps per second, or None while unknown."""
        updates = self._updates  # the thread that draws the bar asks while `update` goes on
        if len(updates) < 2:
            return None
        (start, first), (end, last) = updates[0], updates[-1]
        if end <= start or last <= first:
            return None
        recent = (last - first) / (end - start)
        # A pause, as while a program for another size is compiled, says little of the rest.
        begin, done = self._first or updates[0]
        overall = (last - done) / (end - begin)
        return overall if recent < _PAUSED * overall else recent

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the last step (a fit may stop earlier), or None while unknown."""
        speed = self.steps_per_second
        return None if speed is None else max(self.total_steps - self.step, 0) / speed


class PlainProgress:
    """One log line at most every `every_seconds`, and always for the first and last update."""

    def __init__(
        self,
        name: str,
        stream: TextIO | None = None,
        every_seconds: float = 10.0,
        clock: Clock = time.monotonic,
    ) -> None:
        self._name = name
        self._stream = Unfailing(sys.stderr if stream is None else stream)
        self._every_seconds = every_seconds
        self._clock = clock
        self._pace = Pace(0, 0, clock)
        self._written_at: float | None = None
        self._unwritten: str | None = None

    def start(self, total_steps: int, done_steps: int = 0) -> None:
        self.stop()
        self._pace = Pace(total_steps, done_steps, self._clock)
        self._written_at = None
        resumed = f", resumed after {done_steps}" if done_steps else ""
        self.message(f"{self._name}: {total_steps} steps{resumed}")

    def update(self, step: int, row: Mapping[str, Any]) -> None:
        self._pace.update(step)
        self._unwritten = self._line(row)
        now = self._clock()
        if (
            self._written_at is None
            or now - self._written_at >= self._every_seconds
            or step >= self._pace.total_steps
        ):
            self._write(now)

    def message(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def stop(self) -> None:
        if self._unwritten is not None:
            self._write(self._clock())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _line(self, row: Mapping[str, Any]) -> str:
        psnrs = [f"{text} dB" for text in _psnrs(row)]
        return "  ".join([f"step {_count(self._pace)}", *_timing(self._pace), *psnrs])

    def _write(self, now: float) -> None:
        if self._unwritten is not None:
            self.message(self._unwritten)
        self._unwritten = None
        self._written_at = now


class RichProgress:
    """A bar that stays on one line: what does not fit a narrow terminal is left out."""

    def __init__(
        self,
        name: str,
        console: Console | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._name = name
        stderr = cast(TextIO, Unfailing(sys.stderr))
        self._console = Console(file=stderr) if console is None else console
        self._clock = clock
        self._pace = Pace(0, 0, clock)
        self._psnrs: list[str] = []
        self._started = False
        self._live: Live | None = None

    def start(self, total_steps: int, done_steps: int = 0) -> None:
        self.stop()
        self._pace = Pace(total_steps, done_steps, self._clock)
        self._psnrs = []
        self._started = False
        # Few refreshes: the fit wants the processor more.
        self._live = Live(console=self._console, get_renderable=self._render, refresh_per_second=4)
        self._live.start(refresh=True)

    def update(self, step: int, row: Mapping[str, Any]) -> None:
        self._pace.update(step)
        self._psnrs = _psnrs(row)
        self._started = True

    def message(self, text: str) -> None:
        self._console.print(Text(text))

    def stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _render(self) -> Table:
        pace = self._pace
        psnrs = "  ".join(self._psnrs) + " dB" if self._psnrs else ""
        timing = _timing(pace) if self._started else ["starting"]
        parts = {
            "name": Text(self._name, style="bold"),
            # As wide at the first step as at the last, so that nothing comes and goes.
            "count": Text(_count(pace).rjust(2 * len(str(pace.total_steps)) + 1)),
            "speed": Text(timing[0] if timing else "", style="dim"),
            "left": Text(timing[1] if len(timing) > 1 else "", style="cyan"),
            "psnr": Text(psnrs, style="green"),
        }
        parts = {key: part for key, part in parts.items() if part}
        for least_important in ("speed", "name", "left", "psnr"):
            needed = sum(part.cell_len + 2 for part in parts.values()) + BAR_CELLS
            if needed > self._console.width:
                parts.pop(least_important, None)

        bar = ProgressBar(
            total=max(pace.total_steps, 1), completed=pace.step, pulse=not self._started
        )
        name = [parts.pop("name")] if "name" in parts else []
        line = Table.grid(padding=(0, 2, 0, 0), pad_edge=False, expand=True)
        for _ in name:
            line.add_column(no_wrap=True)
        line.add_column(ratio=1)
        for _ in parts:
            line.add_column(no_wrap=True)
        line.add_row(*name, bar, *parts.values())
        return line


def make_progress(name: str, stream: TextIO | None = None) -> Progress:
    """A bar if `stream` (default: the present `sys.stderr`) is a terminal, else log lines."""
    stream = sys.stderr if stream is None else stream
    if Unfailing(stream).isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown"):
        return RichProgress(name, Console(file=cast(TextIO, Unfailing(stream))))
    return PlainProgress(name, stream)


def _count(pace: Pace) -> str:
    return f"{pace.step}/{pace.total_steps}"


def _timing(pace: Pace) -> list[str]:
    """Speed and time left, those that are known."""
    speed, left = pace.steps_per_second, pace.seconds_left
    if speed is None or left is None:
        return []
    figure = f"{speed:.0f}" if speed >= 100 else f"{speed:.1f}" if speed >= 1 else f"{speed:.2g}"
    return [f"{figure} steps/s", *([f"{clock(left)} left"] if left > 0 else [])]


def _psnrs(row: Mapping[str, Any]) -> list[str]:
    """The PSNRs of avg, in dB, that the row has."""
    values = {"held-out": row.get("psnr_heldout_avg"), "true": row.get("psnr_true_avg")}
    return [
        f"{label} {float(value):.2f}"
        for label, value in values.items()
        if value is not None and math.isfinite(value)
    ]
