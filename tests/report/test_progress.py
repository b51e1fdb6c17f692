"""What the progress display says, at what time, and how wide."""

import io
import math
import re
import sys
from collections.abc import Callable

import numpy as np
import pytest
from rich.console import Console

from dip_jax.report.progress import Pace, PlainProgress, Progress, RichProgress, make_progress

ROW = {"step": 400, "loss": 0.01, "psnr_heldout_avg": 28.912, "psnr_true_avg": np.float32(29.4)}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def plain() -> tuple[PlainProgress, io.StringIO, Clock]:
    stream, clock = io.StringIO(), Clock()
    return PlainProgress("denoise", stream, clock=clock), stream, clock


def rich(width: int, name: str = "denoise") -> tuple[RichProgress, io.StringIO, Clock]:
    stream, clock = io.StringIO(), Clock()
    console = Console(width=width, force_terminal=True, file=stream)
    return RichProgress(name, console, clock=clock), stream, clock


def lines_on_screen(stream: io.StringIO) -> list[str]:
    """Every line that was drawn, without the colours and movements of the cursor."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    return [line for line in re.split(r"[\r\n]", text) if line]


# The speed


def test_the_speed_is_not_known_before_the_second_update() -> None:
    pace = Pace(100, 0, Clock())
    assert pace.steps_per_second is None and pace.seconds_left is None
    pace.update(10)
    assert pace.steps_per_second is None and pace.seconds_left is None


def test_speed_and_time_left_do_not_count_what_came_before_the_first_update() -> None:
    clock = Clock()
    pace = Pace(1000, 0, clock)
    clock.now += 90  # compiling
    for step in range(50, 501, 50):
        pace.update(step)
        clock.now += 10
    assert pace.steps_per_second == pytest.approx(5.0)
    assert pace.seconds_left == pytest.approx(100.0)


def test_the_speed_is_that_of_the_recent_updates() -> None:
    clock = Clock()
    pace = Pace(10_000, 0, clock)
    for step in range(0, 100):
        clock.now += 1.0
        pace.update(step)
    for step in range(100, 1000, 10):
        clock.now += 1.0
        pace.update(step)
    assert pace.steps_per_second == pytest.approx(10.0)


def test_updates_that_are_minutes_apart_still_have_a_speed() -> None:
    clock = Clock()
    pace = Pace(100, 0, clock)
    for step in (10, 20, 30):
        clock.now += 300
        pace.update(step)
    assert pace.steps_per_second == pytest.approx(10 / 300)


@pytest.mark.parametrize("steps", [(10, 10), (20, 10)])
def test_no_speed_from_steps_that_do_not_advance(steps: tuple[int, int]) -> None:
    clock = Clock()
    pace = Pace(100, 0, clock)
    for step in steps:
        clock.now += 1
        pace.update(step)
    assert pace.steps_per_second is None


# Lines in a log


def test_a_log_line_says_step_speed_time_left_and_psnrs() -> None:
    progress, stream, clock = plain()
    progress.start(1500)
    clock.now += 60
    progress.update(349, ROW)
    clock.now += 10
    progress.update(400, ROW)
    assert stream.getvalue().splitlines() == [
        "denoise: 1500 steps",
        "step 349/1500  held-out 28.91 dB  true 29.40 dB",
        "step 400/1500  5.1 steps/s  3:36 left  held-out 28.91 dB  true 29.40 dB",
    ]


def test_log_lines_keep_their_distance_but_the_first_and_last_always_come() -> None:
    progress, stream, clock = plain()
    progress.start(100, 50)
    for step in range(51, 101):
        clock.now += 1
        progress.update(step, {})
    progress.stop()
    lines = stream.getvalue().splitlines()
    assert lines[0] == "denoise: 100 steps, resumed after 50"
    steps = [int(line.split()[1].split("/")[0]) for line in lines[1:]]
    assert steps == [51, 61, 71, 81, 91, 100]


def test_a_fit_that_stops_early_still_says_where() -> None:
    progress, stream, clock = plain()
    with progress:
        progress.start(1000)
        for step in (10, 20, 30):
            clock.now += 1
            progress.update(step, {})
    progress.stop()
    assert [line.split("/")[0] for line in stream.getvalue().splitlines()[1:]] == [
        "step 10",
        "step 30",
    ]


def test_only_the_psnrs_that_the_row_has_are_said() -> None:
    progress, stream, _ = plain()
    progress.start(10)
    progress.update(1, {"psnr_true_avg": None, "psnr_heldout_avg": math.nan, "psnr_true_out": 9.0})
    progress.update(10, {"psnr_true_avg": 20.0})
    first, last = stream.getvalue().splitlines()[1:]
    assert "dB" not in first
    assert last.endswith("10/10  true 20.00 dB")


def test_hours_are_written_as_hours() -> None:
    progress, stream, clock = plain()
    progress.start(11_000)
    progress.update(0, {})
    clock.now += 100
    progress.update(100, {})
    assert "1.0 steps/s  3:01:40 left" in stream.getvalue()


# A bar on a terminal


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
@pytest.mark.parametrize("name", ["denoise", "[bold]a long name of a photograph [/x] " * 4])
@pytest.mark.parametrize("total", [1500, 1_000_000])
def test_no_line_is_wider_than_the_terminal(width: int, name: str, total: int) -> None:
    progress, stream, clock = rich(width, name)
    with progress:
        progress.start(total)
        for step in (1, total // 3, total):
            clock.now += 77
            progress.update(step, ROW)
            progress.message("a message that is longer than most terminals are wide " * 3)
    lines = lines_on_screen(stream)
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)
    assert f"{total}/{total}" in lines[-1]


def test_a_wide_terminal_shows_everything() -> None:
    progress, stream, clock = rich(120)
    progress.start(1500)
    progress.update(349, ROW)
    clock.now += 10
    progress.update(400, ROW)
    progress.stop()
    last = lines_on_screen(stream)[-1]
    assert last.startswith("denoise  ")
    assert last.endswith("400/1500  5.1 steps/s  3:36 left  held-out 28.91  true 29.40 dB")


def test_eighty_columns_keep_the_name_the_time_left_and_the_psnrs() -> None:
    progress, stream, clock = rich(80)
    progress.start(1500)
    progress.update(349, ROW)
    clock.now += 10
    progress.update(400, ROW)
    progress.stop()
    last = lines_on_screen(stream)[-1]
    assert last.startswith("denoise  ")
    assert last.endswith("400/1500  3:36 left  held-out 28.91  true 29.40 dB")


def test_messages_are_printed_as_they_are() -> None:
    progress, stream, _ = rich(80)
    with progress:
        progress.start(10)
        progress.message("[red]mask.png[/red] fills 12 %")
    assert "[red]mask.png[/red] fills 12 %" in lines_on_screen(stream)


@pytest.mark.parametrize("make", [lambda: plain(), lambda: rich(80)])
def test_one_display_can_show_one_fit_after_another(
    make: Callable[[], tuple[Progress, io.StringIO, Clock]],
) -> None:
    progress, stream, clock = make()
    with progress:
        for total in (10, 20):
            progress.start(total)
            clock.now += 1
            progress.update(total, ROW)
    assert "10/10" in stream.getvalue() and "20/20" in stream.getvalue()


# Which of the two


def test_a_terminal_gets_the_bar_and_anything_else_the_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    assert isinstance(make_progress("x", Terminal()), RichProgress)
    assert isinstance(make_progress("x", io.StringIO()), PlainProgress)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(make_progress("x", Terminal()), PlainProgress)


def test_the_default_stream_is_the_present_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    make_progress("denoise").start(3)
    assert stream.getvalue() == "denoise: 3 steps\n"
