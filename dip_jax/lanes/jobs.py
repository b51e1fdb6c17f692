"""What is asked of the loop around the device, and what it gives: lanes to fit, logs, results."""

import dataclasses
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from dip_jax.errors import InputError, field
from dip_jax.fit.hyperparameters import FitSettings
from dip_jax.forward.model import Measured
from dip_jax.forward.observation import Observation

if TYPE_CHECKING:  # Orbax takes 0.3 seconds to import, and not all need it
    from dip_jax.lanes.checkpoints import Checkpoints

Row = dict[str, Any]
NO_IMAGE = np.zeros((0, 0, 0), np.float32)


@dataclasses.dataclass(frozen=True)
class Log:
    """What `on_log` sees at every logged step of a lane.

    Attributes:
        seed: of the lane.
        step: steps made so far.
        row: the figures of this step, those of `metrics.jsonl`; PSNRs in dB.
        rollbacks: how often the fit has fallen apart and gone back, since the start.
        x_avg: fetches the moving average, `(h, w, c)` in [0, 1].
    """

    seed: int
    step: int
    row: Row
    rollbacks: int
    x_avg: Callable[[], np.ndarray]

    def going_back(self, fit: str) -> str:
        """What to tell when it has gone back since the last log; `fit` is what it is called."""
        return (
            f"step {self.step}: {fit} fell apart and went back to its last good state "
            f"({self.rollbacks} in all)"
        )


@dataclasses.dataclass(frozen=True)
class Restoration:
    """The result of one lane.

    Attributes:
        seed: of the lane.
        x: the best image, `(h, w, c)` float32 in [0, 1]: the raw network, nothing composited.
        x_out: the output at the chosen step.
        x_avg: the moving average at the chosen step.
        steps: steps made.
        chosen_step: the step that `x` comes from, counted from 1.
        chosen_image: "out" or "avg".
        stop_reason: "criterion"; "schedule", if the learning rate has come to the end of its
            schedule, or "num_steps" if it has none; "diverged" or "asked".
        rollbacks: how often the fit has fallen apart and gone back.
        oracle: the highest `psnr_true` of "out" and "avg" and their steps; empty if there is no
            clean image.
        figures: for "out" and "avg" at the chosen step, their PSNRs in dB and SSIMs.
        seconds: time spent fitting, all sessions of a resumed run together; of time spent on
            several lanes at once, the lane's share.
        seconds_to_first_step: from the call to the end of its first step, compilation included;
            None if there was no step left to make.
        steps_per_second: after the first step, of the lane's share of the time.
        held: `(h, w, k)`, True where a value was held out; None if that is not known any more.
        usable: False if it was asked to end so early that its image shows nothing yet; see
            `figures.is_usable`.
    """

    seed: int
    x: np.ndarray
    x_out: np.ndarray
    x_avg: np.ndarray
    steps: int
    chosen_step: int
    chosen_image: str
    stop_reason: str
    rollbacks: int
    oracle: dict[str, float]
    figures: dict[str, dict[str, float]]
    seconds: float
    seconds_to_first_step: float | None
    steps_per_second: float
    held: np.ndarray | None = None
    usable: bool = True

    def without_images(self) -> "Restoration":
        """The same with empty images, for where only the figures are asked for."""
        return dataclasses.replace(self, x=NO_IMAGE, x_out=NO_IMAGE, x_avg=NO_IMAGE, held=None)


@dataclasses.dataclass(frozen=True)
class LaneJob:
    """One lane to be fitted, and what is done with it on the way.

    Attributes:
        observation: the degraded image, `(h, w, c)`, and what is known of it.
        seed: of the weights, the input, its noise and the held-out values.
        clean: the clean image of an experiment, `(h, w, c)` in [0, 1].
        num_steps: the largest number of its steps, where that is less than that of all lanes.
        checkpoints: where to save, and to go on from if there is something.
        on_log: called at the first, at every logged and at the last step; True ends all fits.
        on_preview: called with the step and the moving average, `(h, w, c)` in [0, 1].
        on_done: called with the result when the lane has ended, or was asked to.
        on_failed: called, in place of `on_done`, with what makes a result impossible; the others
            go on. Without it the error is raised once the others have ended.
    """

    observation: Observation
    seed: int = 0
    clean: np.ndarray | None = None
    num_steps: int | None = None
    checkpoints: "Checkpoints | None" = None
    on_log: Callable[[Log], bool] | None = None
    on_preview: Callable[[int, np.ndarray], None] | None = None
    on_done: Callable[[Restoration], None] | None = None
    on_failed: Callable[[InputError], None] | None = None


@dataclasses.dataclass(frozen=True)
class LaterJob:
    """A lane that is made ready only when its turn comes, so that not all are in memory at once.

    Attributes:
        shape: `(h, w, c)` of its picture, by which lanes are put together. A guess will do.
        with_clean: whether it has a clean image; likewise.
        open: gives the lane, or raises `InputError`.
        on_failed: called with what `open` raises.
    """

    shape: tuple[int, int, int]
    with_clean: bool
    open: Callable[[], LaneJob]
    on_failed: Callable[[InputError], None] | None = None


def check_size(h: int, w: int, settings: FitSettings) -> None:
    """Refuses a picture that is smaller than the network's scales need.

    Raises:
        InputError: if a side is shorter than 2^S pixels.
    """
    least = settings.architecture.min_side
    if min(h, w) < least:
        raise InputError(
            f"the picture is {w} x {h} pixels, smaller than the {least} x {least} that a network "
            f"of {settings.architecture.scales} scales needs: use a larger picture, or a smaller ",
            field("network.scales"),
        )


def fingerprint(observation: Observation, clean: np.ndarray | None) -> str:
    """A digest of the picture, of what is known of it, and of the clean picture."""
    digest = hashlib.sha256()
    if isinstance(observation.forward, Measured):
        digest.update(str(jax.tree.structure(observation)).encode())
    arrays = jax.tree.leaves(observation)
    for array in (*arrays, *(() if clean is None else (clean,))):
        digest.update(str(array.shape).encode())
        digest.update(np.asarray(array).tobytes())
    return digest.hexdigest()
