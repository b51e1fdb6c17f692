"""What is told of the fit of an array: at every logged step, and at the end."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from dip_jax.lanes.jobs import Restoration
from dip_jax.prepare.parts import Part

Pixels = NDArray[Any]


@dataclasses.dataclass(frozen=True)
class FitStep:
    """What a callback sees.

    Attributes:
        seed: that is being fitted.
        step: steps made with it so far.
        num_steps: the largest number of steps with it.
        row: the figures of this step; PSNRs in dB, such as `psnr_heldout_avg` and
            `psnr_observed_avg`.
        part: that is being fitted, from 0.
        parts: how many there are; 1 if the picture is fitted as a whole.
    """

    seed: int
    step: int
    num_steps: int
    row: Mapping[str, float]
    _preview: Callable[[], Pixels] = dataclasses.field(repr=False)
    part: int = 0
    parts: int = 1

    @functools.cached_property
    def preview(self) -> Pixels:
        """The moving average of the outputs, like the image that was given.

        Of a picture in parts: the image, with the parts that are done and this one's average.
        """
        return self._preview()


Callback = Callable[[FitStep], Any]


@dataclasses.dataclass(frozen=True)
class FitPart:
    """A part of a picture, and how it was restored.

    Attributes:
        part: its place in the picture, in pixels.
        figures: as in `FitInfo`, of this part.
        chosen_steps: as in `FitInfo`, of this part.
        steps: made, over all seeds.
    """

    part: Part
    figures: dict[str, dict[str, float]]
    chosen_steps: dict[int, int]
    steps: int


@dataclasses.dataclass(frozen=True)
class FitInfo:
    """How a picture was restored.

    Attributes:
        figures: PSNRs in dB and SSIMs of the network's images: of the output ("out") and the moving
            average ("avg") of one seed at its chosen step, or of the means of these over seeds, and
            of that of the images that the seeds chose ("mean").
        chosen_steps: for each seed, the step that its picture comes from, counted from 1. Without
            those that failed, and, where the callback ended the fit, those that had only begun.
        uncertainty: the standard deviation over seeds, `(h, w)` in the image's values; 0 where
            known pixels were kept; None for one seed. Of what refinement takes, in denoising, from
            the noisy picture for all seeds alike it tells nothing.
        history: for each seed the figures of every logged step, one after the other.
        steps: made, over all seeds.
        seconds: spent on them, compilation included.
        stop_reason: "criterion"; "schedule" (all steps were made, and the learning rate has
            fallen to nothing), or "num_steps" where it is constant; "diverged" (the fit kept
            falling apart, and the best before that was taken); "asked" (the callback ended it).
        rollbacks: how often a fit has fallen apart and gone back to its last good state.
        failed: the seeds that have no result, and why; the picture is the mean of the others.
        results: of each seed that has one, of the network alone, in [0, 1] on the scale on which it
            was fitted.
        config: every option that was in force, those of `tasks.defaults` that an array has; its
            `seeds` is the list of all that were fitted, failed ones too, and there is no `seed`.
        remarks: how the image and the mask have been taken, what was seen in the picture, and what
            was done about it, in a line each.
        parts: of a picture that was fitted in parts, each that has been made; else none. `results`
            has none then, `chosen_steps` is the median over parts, and `figures` are those of all
            parts together.
    """

    figures: dict[str, dict[str, float]]
    chosen_steps: dict[int, int]
    uncertainty: Float[np.ndarray, "h w"] | None
    history: list[dict[str, Any]] = dataclasses.field(repr=False)
    steps: int
    seconds: float
    stop_reason: str
    rollbacks: int
    failed: dict[int, str]
    results: tuple[Restoration, ...] = dataclasses.field(repr=False)
    config: dict[str, Any] = dataclasses.field(repr=False)
    remarks: tuple[str, ...] = ()
    parts: tuple[FitPart, ...] = dataclasses.field(default=(), repr=False)
