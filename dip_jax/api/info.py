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
    """What a callback is given: one logged step of a fit.

    Attributes:
        seed: the seed that is being fitted.
        step: the number of steps made with it so far.
        num_steps: the largest number of steps with it.
        row: the figures of this step. PSNRs are in dB, such as `psnr_heldout_avg` and
            `psnr_observed_avg`.
        part: the part of the picture that is being fitted, counted from 0.
        parts: how many parts there are; 1 if the picture is fitted as a whole.
        place: where the part lies in the picture: slices of rows and columns; None if the picture
            is fitted as a whole.
    """

    seed: int
    step: int
    num_steps: int
    row: Mapping[str, float]
    _preview: Callable[[], Pixels] = dataclasses.field(repr=False)
    part: int = 0
    parts: int = 1
    place: tuple[slice, slice] | None = None

    @functools.cached_property
    def preview(self) -> Pixels:
        """The moving average of the outputs, as an array like the image that was given.

        Of a picture in parts: the image as it was given, with this part's average in its place.
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
        figures: PSNRs in dB and SSIMs of the network's images, before they are refined: "out" of
            the output at the chosen step, "avg" of the moving average there. With several seeds the
            images are averaged over the seeds first; "mean" is then the same for the images that
            were chosen, of each seed its output or its moving average.
        chosen_steps: for each seed, the step that its image comes from, counted from 1. Left out:
            seeds that failed, and seeds that had only begun when the callback ended the fit.
        uncertainty: the standard deviation over the seeds, `(h, w)` in the image's values. It is 0
            where known pixels were kept and where the picture was continued with no network, and
            None for one seed. In denoising, part of the result
            comes from the noisy picture itself and is the same for all seeds: the uncertainty does
            not show errors of that part.
        history: the figures of every logged step, seed after seed.
        steps: the number of steps made, over all seeds.
        seconds: the time that they took, compilation included, and what was made with no network.
        stop_reason: "criterion": the criterion stopped it. "schedule": all steps were made, and the
            learning rate has fallen to nothing. "num_steps": all steps were made at a constant
            rate. "diverged": the fit kept diverging, and the best image before that was taken.
            "asked": the callback ended it. "no_fit": the picture is smooth all around the damage,
            and was continued there with no network. "alone": it was restored by its own
            patches, with no network. "failed": every fit failed, and only such
            places were filled.
        rollbacks: how often a fit diverged and went back to its last good state.
        failed: the seeds that have no result, and why. The picture is the mean of the others.
        results: the network's own result for each seed, in [0, 1] on the scale that was fitted.
        config: every option that was in force. `seeds` is the list of all seeds that were fitted,
            failed ones too; there is no `seed`.
        remarks: how the image and the mask were understood, what was found in the picture, and what
            was done about it, in a line each.
        parts: the parts that were fitted, if the picture was fitted in parts; else none. With
            parts, `results` is empty, `chosen_steps` are medians over the parts, and `figures` are
            those of all parts together.
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
