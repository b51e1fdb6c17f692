"""What the results of one or more seeds amount to: the picture given, its figures, its spread.

    of each seed its member: the network's image, with the known values put in, refined
    -> the mean of the members -> pixels as they were given, the known ones as they came

The one ending of arrays and of files. Images are `(h, w, c)` float32 in [0, 1]. The mean over seeds
is the ensemble's result, and their standard deviation says where not to trust it.
"""

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from dip_jax.finish import composite
from dip_jax.finish.consistency import consistent
from dip_jax.finish.denoising import denoised, no_worse
from dip_jax.finish.filling import filled
from dip_jax.finish.pilot import piloted
from dip_jax.finish.plausible import plausible
from dip_jax.finish.smooth_filling import filled_smoothly
from dip_jax.forward import metrics
from dip_jax.forward.model import Measured
from dip_jax.forward.observation import Observation, with_gaps
from dip_jax.lanes.jobs import Restoration
from dip_jax.pictures.arrays import Layout
from dip_jax.prepare.correlated_noise import sign_of_correlation
from dip_jax.prepare.prepared import Prepared

Image = Float[np.ndarray, "h w c"]
Mask = Bool[np.ndarray, "h w"]
Images = Float[np.ndarray, "n h w c"]


@dataclasses.dataclass(frozen=True)
class Ending:
    """How results become the picture given; `settings.ending` makes it of a configuration.

    Attributes:
        keep_known: whether known values come back exactly as they were given. Else, as always in
            denoising, all of the picture comes from the network.
        seamless: whether what is filled is corrected to meet the known values, as
            `composite.seamless` does; only where they are kept.
        refine: whether the result is refined: what is filled by `filling`, where it is seamless;
            else by `denoising`, which takes less from the picture where more would do harm
            (`is_refined`); what an operator measured by `consistency`.
        judged: whether held-out values judge how far `filling` goes, and what share the network's
            image has in `denoising`.
        around_damage: whether it is a part around damage, which may be filled by a smooth surface
            (`smooth_filling`).
    """

    keep_known: bool
    seamless: bool
    refine: bool
    judged: bool = True
    around_damage: bool = False


class Ended(NamedTuple):
    """What results amount to.

    Attributes:
        members: what each seed gives, `(n, h, w, c)`.
        image: their mean, the result, as the network and the refinement give it, on the scale on
            which it was fitted: with the known values as float32, which `composited` puts in
            exactly.
        judged: where the picture comes from the network, `(h, w)`; elsewhere all channels are kept.
        spread: the standard deviation over seeds, `(h, w)` in [0, 1] on the picture's own scale, 0
            where all is kept; None if there is one member.
        refined: whether the members are refined.
        figures: PSNRs in dB and SSIMs of the network's images: of the output ("out") and the moving
            average ("avg") of one seed at its chosen step, or of the means of these over seeds, and
            of that of the images that the seeds chose ("mean"). Those against the clean picture are
            taken on the picture's own scale, the others on that on which it was fitted.
    """

    members: Images
    image: Image
    judged: Mask
    spread: Float[np.ndarray, "h w"] | None
    refined: bool
    figures: dict[str, dict[str, float]]


def ended(
    results: Sequence[Restoration],
    prepared: Prepared,
    how: Ending,
    clean: Image | None = None,
    *,
    of_means: bool | None = None,
    refined: bool | None = None,
    noise: Float[np.ndarray, " c"] | None = None,
) -> Ended:
    """What the results of the seeds of one picture amount to.

    Args:
        results: one or more.
        prepared: what they were fitted to.
        how: they become the picture.
        clean: the clean picture of an experiment, on its own scale; for the figures.
        of_means: whether the figures are those of means over seeds, be it over a single one; by
            default if there are several.
        refined: whether a picture is refined, where that is known of a larger one.
        noise: the deviations of its noise, where they were measured in a larger one.
    """
    observation = jax.tree.map(jnp.asarray, prepared.observation)
    if isinstance(observation.forward, Measured):
        refined = how.refine
    elif refined is None:
        refined = is_refined(how, observation, prepared.striped)
    members = np.stack(
        [shown(r.x, observation, how, refined=refined, held=r.held, noise=noise) for r in results]
    )
    if how.refine and not how.seamless and not refined:  # noise that is correlated
        members = np.stack([no_worse(member, observation) for member in members])
    judged: Mask = np.ones(members.shape[1:3], bool)
    if how.keep_known:
        judged = np.logical_not((np.asarray(observation.known) > 0).all(axis=-1))
    if prepared.still is not None:
        judged &= ~prepared.still
    if of_means is None:
        of_means = len(results) > 1
    on_own_scale = np.stack([prepared.to_picture(member) for member in members])
    return Ended(
        members,
        members.mean(axis=0),
        judged,
        uncertainty(on_own_scale, judged) if len(results) > 1 else None,
        refined,
        figures_of_means(results, prepared, clean)
        if of_means
        else _figures_of_one(results[0], prepared, clean),
    )


def is_refined(how: Ending, observation: Observation, stripes: Collection[int] = ()) -> bool:
    """Whether the result of a picture is refined: not where that would do harm.

    Denoisers would take noise that is correlated from pixel to pixel for the picture, and keep it.
    So there are none where the picture has a sign of it.

    Args:
        how: results become the picture.
        observation: the picture.
        stripes: along which axes it had stripes.
    """
    correlated = not how.seamless and sign_of_correlation(with_gaps(observation), stripes)
    return how.refine and not correlated


def shown(
    x: Image,
    observation: Observation,
    how: Ending,
    *,
    refined: bool = False,
    held: NDArray[np.bool_] | None = None,
    noise: Float[np.ndarray, " c"] | None = None,
) -> Image:
    """A network's image as the picture shows it, which is a member if it is refined as they are.

    Args:
        x: the network's image, in [0, 1].
        observation: what it was fitted to.
        how: it becomes the picture.
        refined: whether it is refined, which takes a while; see `is_refined`.
        held: which values were held out of its fit; None if none, or if that is not known.
        noise: as for `ended`.
    """
    if refined:
        if isinstance(observation.forward, Measured):
            return consistent(x, observation, held)
        if not how.seamless:
            return denoised(x, observation, measured=noise, held=held if how.judged else None)
        if how.around_damage:
            return filled_smoothly(x, observation)
        pilot = plausible(x, observation)
        if not how.judged:  # of a few steps
            return filled(piloted(pilot, observation), observation)
        return filled(pilot, observation, held)
    return np.asarray(composite.seamless(jnp.asarray(x), observation)) if how.seamless else x


def composited(
    x: Image, prepared: Prepared, how: Ending, before: NDArray[Any], layout: Layout
) -> NDArray[Any]:
    """An image as pixels like those before it, whose known values may be kept as they came.

    So are, in all tasks, regions that have no noise.

    Args:
        x: the restored image, on the scale on which it was fitted.
        prepared: what it was fitted to.
        how: it becomes the picture: whether known values are kept.
        before: the degraded picture, as it was given.
        layout: of it.
    """
    pixels = layout.pixels(prepared.to_picture(x))
    kept = np.zeros(x.shape, bool)
    if how.keep_known:
        kept |= np.asarray(prepared.observation.known) > 0
    if prepared.still is not None:
        kept |= prepared.still[..., None]
    return np.where(layout.like_array(kept), before, pixels) if kept.any() else pixels


def figures_of_means(
    results: Sequence[Restoration], prepared: Prepared, clean: Image | None
) -> dict[str, dict[str, float]]:
    """For the mean over seeds of the outputs, the averages and the chosen images ("mean").

    Held-out pixels differ from seed to seed, so they have no say here.
    """
    figures = {}
    y, known, forward = prepared.observation
    for name, field in (("out", "x_out"), ("avg", "x_avg"), ("mean", "x")):
        x = np.mean([getattr(result, field) for result in results], axis=0)
        values = {"psnr_observed": float(metrics.psnr_observed(jnp.asarray(x), y, known, forward))}
        if not isinstance(forward, Measured):
            values["ssim_observed"] = float(metrics.ssim_observed(jnp.asarray(x), y, known))
        if clean is not None:
            values |= against_clean(prepared.to_picture(x), clean)
        figures[name] = {key: value for key, value in values.items() if not np.isnan(value)}
    return figures


def _figures_of_one(
    result: Restoration, prepared: Prepared, clean: Image | None
) -> dict[str, dict[str, float]]:
    if clean is None or prepared.tone is None:
        return result.figures
    images = {"out": result.x_out, "avg": result.x_avg}
    return {
        name: result.figures[name] | against_clean(prepared.to_picture(x), clean)
        for name, x in images.items()
    }


def uncertainty(members: Images, judged: Mask) -> Float[np.ndarray, "h w"]:
    """The standard deviation over seeds, root mean square over channels, in [0, 1].

    Args:
        members: what two seeds or more give. Of what the refinement of denoising takes from
            the noisy picture for all seeds alike it tells nothing.
        judged: where the picture comes from the network; known pixels that are kept are certain,
            so elsewhere it is 0.
    """
    spread = np.sqrt(np.mean(np.var(members, axis=0), axis=-1))
    return np.where(judged, spread, 0.0)


def against_clean(x: Image, clean: Image) -> dict[str, float]:
    """`psnr_true` in dB, and `ssim_true` where the image is large enough for it."""
    a, b = jnp.asarray(x), jnp.asarray(clean)
    values = {
        "psnr_true": float(metrics.psnr(a, b, jnp.ones((*x.shape[:2], 1)))),
        "ssim_true": float(metrics.ssim(a, b)),
    }
    return {name: value for name, value in values.items() if not np.isnan(value)}
