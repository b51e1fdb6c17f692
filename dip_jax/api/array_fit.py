"""The fit of one array: from what a person gives to the restored array and how it came about.

The defaults are those of `tasks`. The commands make the same fit.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from dip_jax.api.info import Callback, FitInfo, Pixels
from dip_jax.api.options import changes_of, options_of, seeds_of
from dip_jax.api.parted_fit import PartedFit
from dip_jax.api.watching import Watching
from dip_jax.errors import FitError, InputError, Interrupted, field
from dip_jax.finish.ensemble import Ending, composited, ended
from dip_jax.forward.observation import Observation
from dip_jax.lanes import our_jax
from dip_jax.lanes.jobs import check_size
from dip_jax.lanes.seeds import restore
from dip_jax.pictures.arrays import Layout, read_array, with_alpha
from dip_jax.pictures.marks import Mask, about_hidden, about_share, check_mask, of_alpha
from dip_jax.pictures.mask_arrays import read_mask_array
from dip_jax.pictures.pil_images import ImageLike, Opened, opened
from dip_jax.pictures.values import DataRange
from dip_jax.prepare.division import unknown_values
from dip_jax.prepare.prepared import Prepared
from dip_jax.prepare.prepared import prepare as prepared_of
from dip_jax.report.progress import Progress
from dip_jax.settings import build, estimates, tasks, without_network
from dip_jax.settings.adapting import adapting
from dip_jax.settings.ending import ending
from dip_jax.settings.fields import override
from dip_jax.settings.parting import config_of_parts, divided, ending_of_parts
from dip_jax.settings.steps import with_steps

TOO_EARLY = (
    "interrupted before there was a usable picture: nothing was written, and the same command "
    "begins anew"
)


@dataclasses.dataclass(frozen=True, eq=False)
class ArrayFit:
    """What is to be fitted; all that can be wrong with it has been found.

    Attributes:
        task: of `tasks.TASKS` or `tasks.MEASURED`.
        before: the picture as it was given.
        layout: of the restored array, which is that of `before` where its own pixels are known.
        prepared: what of it is fitted.
        how: results become the restored array.
        config: the whole configuration.
        seeds: to fit with.
        alpha: goes past the fit, as the last channel of the restored array; `(h, w)`, or None.
        remarks: how what was given has been taken, in a line each.
    """

    task: str
    before: Pixels
    layout: Layout
    prepared: Prepared
    how: Ending
    config: dict[str, Any]
    seeds: list[int]
    alpha: Pixels | None = None
    remarks: tuple[str, ...] = ()

    def advice(self) -> list[str]:
        """What a person should know before: time, memory, a better criterion and how to ask so."""
        return [
            *self.remarks,
            *self.prepared.remarks,
            *estimates.advice(self.config, self.observation, stripes=self.prepared.striped),
            *without_network.advice(self.config, self.prepared),
        ]

    def warnings(self) -> list[str]:
        """What of that a person has to know, even if they did not ask for it."""
        return [*self.prepared.warnings, *self.hints()]

    def hints(self) -> list[str]:
        """What other options may fit better, and how to ask for them."""
        return estimates.hints(self.config, self.observation, self.prepared.striped)

    @property
    def observation(self) -> Observation:
        """What is known of the picture, on the scale on which it is fitted."""
        return self.prepared.observation

    @property
    def shapes(self) -> list[tuple[int, int, int]]:
        """Of what is fitted, `(h, w, c)`: one."""
        return [self.observation.shape]

    def _like_given(self, x: np.ndarray) -> Pixels:
        return with_alpha(self.layout.pixels(self.prepared.to_picture(x)), self.alpha)

    @our_jax.as_needed()
    def run(
        self,
        callback: Callback | None = None,
        progress: Progress | None = None,
        *,
        only_usable: bool = False,
        asked: Callable[[], bool] = lambda: False,
    ) -> tuple[Pixels, FitInfo]:
        """Fits every seed, and gives the mean as an array like the one before.

        Args:
            callback: sees every logged step, and may end the fit.
            progress: shows how far it is.
            only_usable: whether a picture is refused that shows nothing yet, because the callback
                has ended the fit after a few steps. Of several seeds those that show nothing
                are left out in any case.
            asked: whether it is to end; the callback is asked instead, at every logged step.

        Raises:
            FitError: if no seed has a result.
            Interrupted: if none may be used.
        """
        config, layout = self.config, self.layout
        watching = Watching(self._like_given, config["num_steps"], callback, progress)
        failed: dict[int, str] = {}

        def on_failed(seed: int, error: InputError) -> None:
            failed[seed] = str(error)
            if len(self.seeds) > 1:
                watching.say(f"seed {seed} failed: {failed[seed]}")

        try:
            if progress is not None:
                progress.start(config["num_steps"] * len(self.seeds))
            results = restore(
                self.observation,
                seeds=self.seeds,
                **build.fitting(config),
                say=watching.say,
                on_log=watching,
                on_failed=on_failed,
            )
        finally:
            if progress is not None:
                progress.stop()
        if not results:
            raise FitError(next(iter(failed.values())))
        steps = sum(result.steps for result in results)
        usable = [result for result in results if result.usable]
        if only_usable and not usable:
            raise Interrupted(TOO_EARLY)
        ended_early = any(result.stop_reason == "asked" for result in results)
        results = usable or results
        given = ended(results, self.prepared, self.how)
        restored = composited(given.image, self.prepared, self.how, self.before, layout)
        longest = max(results, key=lambda result: result.steps)
        return with_alpha(restored, self.alpha), FitInfo(
            figures=given.figures,
            chosen_steps={result.seed: result.chosen_step for result in results},
            uncertainty=None if given.spread is None else given.spread * layout.width,
            history=watching.history,
            steps=steps,
            seconds=sum(result.seconds for result in results),
            stop_reason="asked" if ended_early else longest.stop_reason,
            rollbacks=sum(result.rollbacks for result in results),
            failed=failed,
            results=tuple(results),
            config=options_of(self.task, self.config, self.seeds) | {"refine": given.refined},
            remarks=(*self.remarks, *self.prepared.remarks, *self.hints()),
        )


@our_jax.as_needed()
def prepare(
    task: str,
    image: ImageLike,
    mask: ImageLike | None = None,
    *,
    mask_polarity: str = "fill",
    keep_known: bool = True,
    num_steps: int | None = None,
    seeds: int | Sequence[int] = 1,
    rng: int | np.random.Generator | None = None,
    channel_axis: int | None = -1,
    data_range: DataRange | None = None,
    criterion: str | None = None,
    preset: str = "",
    options: Mapping[str, Any] | None = None,
) -> ArrayFit | PartedFit:
    """Checks everything, and gives the fit; `denoise` and `inpaint` explain the options.

    Raises:
        InputError: if anything given cannot be used.
    """
    given = opened(image, "the image")
    fills = tasks.TASKS[task].fills
    if not fills and "seamless" in (options or {}):
        raise InputError("'seamless' is for known pixels that are kept, and denoising keeps none")
    before, layout = read_array(given.array, -1 if given.image else channel_axis, data_range)
    remarks = given.remarks
    if before.ndim == 3 and before.shape[-1] == 4 and before.dtype.kind == "u":
        remarks += (
            "the image has 4 channels, and all are restored alike: if the last is alpha, give the "
            "image of Pillow itself, whose alpha goes past the fit",
        )
    chosen = seeds_of(seeds, rng)
    config = override(tasks.defaults(task, preset), changes_of(num_steps, criterion, options))
    # The seeds themselves are handed on beside it: they need not count up from the first.
    config |= {"degrade": "none", "seed": 0, "seeds": len(chosen)}
    config["data_range"] = layout.data_range or ()
    if fills:
        config |= {"mask_polarity": mask_polarity, "keep_known": keep_known}
    how = ending(config)
    config["seamless"] = how.seamless
    pixels = layout.channels_last(before)
    h, w, c = pixels.shape
    marked = Mask(np.zeros((h, w), bool))
    alpha = given.alpha
    if fills:
        if mask is None:
            marked, alpha = _of_alpha(given, mask_polarity), None
        else:
            marked = _of_mask(mask, given, layout, mask_polarity)
        if np.isfinite(before).all():
            check_mask(marked)
    fill = marked.fill
    if fills:
        hidden = about_hidden(fill, alpha, "the image")
        remarks += (*marked.remarks, *hidden, about_share(fill))
    _check_known(~unknown_values(pixels, fill))
    check_size(h, w, build.fit_settings(config))
    division = divided(config, before, layout, fill if fills else None)
    if division is not None:
        config = config_of_parts(config, division)
        how = ending_of_parts(config, division)
        parted = PartedFit(task, division, how, config, chosen, alpha, remarks)
        parted.check_memory()
        return parted
    estimates.check_memory_of_shape(config, (h, w, c), False)
    prepared = prepared_of(layout.image(before), fill if fills else None, layout, adapting(config))
    return ArrayFit(
        task=task,
        before=before,
        layout=layout,
        prepared=prepared,
        how=how,
        config=with_steps(config, prepared.observation, prepared.striped),
        seeds=chosen,
        alpha=alpha,
        remarks=remarks,
    )


def _of_mask(mask: Any, given: Opened, layout: Layout, polarity: str) -> Mask:
    if given.turned and not isinstance(mask, Image.Image):
        raise InputError(
            "the image is turned upright, as its EXIF says, and the mask is an array; expected "
            "both to lie alike: give PIL.ImageOps.exif_transpose(image), and the mask for that"
        )
    return read_mask_array(mask, layout, polarity)


def _of_alpha(given: Opened, polarity: str) -> Mask:
    if given.alpha is None:
        raise InputError(
            "the mask is None; expected an array, true where the image is to be filled, or for the "
            "image one of Pillow that is transparent there: was its file found?"
        )
    return of_alpha(given.alpha, polarity, "the image")


def _check_known(known: np.ndarray) -> None:
    channels = known.any(axis=(0, 1))
    if channels.all():
        return
    if not channels.any():
        raise InputError(
            "no value of the image is known: the mask fills all that is finite. Mark only what is "
            "to be filled, or try the other ",
            field("mask_polarity"),
        )
    raise InputError(
        f"no value of channel {int(np.argmin(channels))} is known; expected some in every channel: "
        "leave that channel out"
    )
