"""What the results of one or more seeds amount to: the picture given, its figures, its spread.

Images are `(h, w, c)` float32 in [0, 1]. The mean over seeds is the ensemble's result, and their
standard deviation says where not to trust it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from dip_jax.finish import composite
from dip_jax.finish.correlated_noise import sign_of_correlation
from dip_jax.finish.denoising import denoised
from dip_jax.finish.filling import filled
from dip_jax.forward import metrics
from dip_jax.forward.observation import Observation, with_gaps
from dip_jax.lanes.jobs import Restoration
from dip_jax.pictures.values import DataRange, from_float

Image = Float[np.ndarray, "h w c"]
Mask = Bool[np.ndarray, "h w"]
Images = Float[np.ndarray, "n h w c"]


def is_refined(config: Mapping[str, Any], observation: Observation) -> bool:
    """Whether the result is refined, by `denoising` or `filling`: not where that would do harm.

    Denoisers would take noise that is correlated from pixel to pixel for the picture, and keep it.
    So there are none where the picture has a sign of it, nor with ES-WMV, which is the criterion
    for such noise. What is filled is refined by the known pixels around it; not where these are
    not kept, or are not trusted so far as to be met without a seam.

    Args:
        config: of the run; its `refine` otherwise.
        observation: the picture.
    """
    if not config["refine"]:
        return False
    if config["task"] != "denoise":
        return config["keep_known"] and config["seamless"]
    if config["stop"]["criterion"] == "wmv":
        return False
    return not sign_of_correlation(with_gaps(observation))


def members(
    results: Sequence[Restoration], observation: Observation, *, seamless: bool, refine: bool
) -> Images:
    """What each seed gives, whose mean is the result.

    Args:
        results: of the seeds.
        observation: what they were fitted to.
        seamless: whether known values are put in, and what is filled is corrected to meet them, as
            `composite.seamless` does; else it is the network's image.
        refine: whether it is refined: as what is filled if it is seamless, else as in denoising.
    """
    how = {"seamless": seamless, "refine": refine}
    return np.stack([shown(r.x, observation, held=r.held, **how) for r in results])


def shown(
    x: Image,
    observation: Observation,
    *,
    seamless: bool,
    refine: bool = False,
    held: NDArray[np.bool_] | None = None,
) -> Image:
    """A network's image as `members` gives it; `held`: which values were held out of its fit."""
    if refine and seamless:
        return filled(x, observation, held)
    if refine:
        return denoised(x, observation)
    return np.asarray(composite.seamless(jnp.asarray(x), observation)) if seamless else x


def composited(
    x: Image,
    before: NDArray[Any],
    fill: Mask | None,
    data_range: DataRange | None = None,
) -> NDArray[Any]:
    """An image as pixels like those before it, whose known pixels are kept exactly as they came.

    Args:
        x: the restored image.
        before: the degraded picture in its own dtype, `(h, w)` or `(h, w, c)`.
        fill: True where a pixel is filled from `x`, as are values that are not finite; None takes
            all of `x`.
        data_range: the values of black and white in `before`; None as in `values.to_float`.
    """
    pixels = from_float(x, before.dtype, before.ndim, data_range)
    if fill is None:
        return pixels
    fill = fill if before.ndim == 2 else fill[..., None]
    return np.where(fill | ~np.isfinite(before), pixels, before)


def figures_of_means(
    results: Sequence[Restoration], observation: Observation, clean: Image | None
) -> dict[str, dict[str, float]]:
    """For the mean over seeds of the outputs, the averages and the chosen images ("mean").

    Held-out pixels differ from seed to seed, so they have no say here.
    """
    figures = {}
    for name, field in (("out", "x_out"), ("avg", "x_avg"), ("mean", "x")):
        x = np.mean([getattr(result, field) for result in results], axis=0)
        values = {
            "psnr_observed": float(metrics.psnr(jnp.asarray(x), *observation)),
            "ssim_observed": float(metrics.ssim_observed(jnp.asarray(x), *observation)),
        }
        if clean is not None:
            values |= against_clean(x, clean)
        figures[name] = {key: value for key, value in values.items() if not np.isnan(value)}
    return figures


def uncertainty(members: Images, judged: Mask | None = None) -> Float[np.ndarray, "h w"]:
    """The standard deviation over seeds, root mean square over channels, in [0, 1].

    Args:
        members: what two seeds or more give. Of what the refinement of denoising takes from
            the noisy picture for all seeds alike it tells nothing.
        judged: where the picture comes from the network; known pixels that are kept are certain,
            so elsewhere it is 0. None for everywhere.
    """
    spread = np.sqrt(np.mean(np.var(members, axis=0), axis=-1))
    return spread if judged is None else np.where(judged, spread, 0.0)


def against_clean(x: Image, clean: Image) -> dict[str, float]:
    """`psnr_true` in dB, and `ssim_true` where the image is large enough for it."""
    a, b = jnp.asarray(x), jnp.asarray(clean)
    values = {
        "psnr_true": float(metrics.psnr(a, b, jnp.ones((*x.shape[:2], 1)))),
        "ssim_true": float(metrics.ssim(a, b)),
    }
    return {name: value for name, value in values.items() if not np.isnan(value)}
