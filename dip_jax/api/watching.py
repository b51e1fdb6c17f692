"""What is seen of a fit while it goes on: its history, the bar, and the person's callback."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dip_jax.api.info import Callback, FitStep, Pixels
from dip_jax.lanes import our_jax
from dip_jax.lanes.jobs import Log
from dip_jax.report.progress import Progress


class Watching:
    """Keeps the history, moves the bar, and asks the callback."""

    def __init__(
        self,
        pixels: Callable[[np.ndarray], Pixels],
        num_steps: int,
        callback: Callback | None,
        progress: Progress | None,
        parts: int = 0,
    ) -> None:
        """Nothing has been seen yet.

        Args:
            pixels: makes of a moving average what the callback is shown.
            num_steps: the largest number of steps of a lane.
            callback: sees every logged step, and may end the fit.
            progress: shows how far it is.
            parts: that are fitted; 0 if it is the whole picture.
        """
        self.history: list[dict[str, Any]] = []
        self._pixels, self._num_steps, self._parts = pixels, num_steps, parts
        self._callback, self._progress = callback, progress
        self._steps: dict[tuple[int, int], int] = {}
        self._rollbacks: dict[tuple[int, int], int] = {}

    def say(self, text: str) -> None:
        if self._progress is not None:
            self._progress.message(text)

    def __call__(self, log: Log) -> bool:
        return self.see(log, self._pixels)

    def ended(self, part: int, seed: int) -> None:
        """A lane makes no more steps, which the bar counts as made."""
        self._steps[part, seed] = self._num_steps

    def see(
        self,
        log: Log,
        pixels: Callable[[np.ndarray], Pixels],
        part: int = 0,
        place: tuple[slice, slice] | None = None,
    ) -> bool:
        """Takes in a logged step; whether all are to end.

        Args:
            log: of the step.
            pixels: makes of its moving average what the callback is shown.
            part: that it is of, from 0.
            place: of that part in the picture; None where it is fitted as a whole.
        """
        lane = part, log.seed
        where = {"part": part} if self._parts else {}
        self.history.append({**where, "seed": log.seed} | log.row)
        self._steps[lane] = log.step
        if log.rollbacks > self._rollbacks.get(lane, 0):
            of_part = f" in part {part + 1}" if self._parts else ""
            self.say(log.going_back(f"the fit of seed {log.seed}{of_part}"))
        self._rollbacks[lane] = log.rollbacks
        if self._progress is not None:
            self._progress.update(sum(self._steps.values()), log.row)
        if self._callback is None:
            return False
        step = FitStep(
            log.seed,
            log.step,
            self._num_steps,
            dict(log.row),
            our_jax.as_needed()(lambda: pixels(log.x_avg())),
            part,
            max(self._parts, 1),
            place,
        )
        with our_jax.as_outside():
            answer = self._callback(step)
        return isinstance(answer, bool | np.bool_) and bool(answer)
