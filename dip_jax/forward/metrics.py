"""How close two images are: scalars for images `(h, w, c)` in [0, 1], so the peak is 1.

Three references occur, and their names are never mixed: `psnr_true` is measured against the clean
image of an experiment, `psnr_heldout` on held-out pixels of the degraded image, and `psnr_observed`
against the degraded image on all its known pixels.
"""

from typing import Any

import dm_pix
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dip_jax.forward import data_term
from dip_jax.forward.data_term import masked_mse
from dip_jax.forward.model import PICTURE, Forward


def psnr(x: Any, y: Any, mask: Any) -> Float[Array, ""]:
    """The peak signal-to-noise ratio in dB, over the values where `mask` is 1.

    Of images `(h, w, c)` with a mask of one channel or c, or of any other measurements. It is
    `−10 log₁₀` of the mean squared error, since the peak is 1.
    Infinite where the images are equal, NaN where the mask is empty.
    """
    return -10 * jnp.log10(masked_mse(x, y, mask))


def psnr_observed(
    x: Float[Array, "h w c"], y: Any, mask: Any, forward: Forward = PICTURE
) -> Float[Array, ""]:
    """The PSNR in dB of what would have been measured of `x`, against `y`, where `mask` is 1."""
    return psnr(data_term.measured(x, forward), y, mask)


def ssim(
    x: Float[Array, "h w c"],
    y: Float[Array, "h w c"],
    inside: Float[Array, "h w 1"] | None = None,
) -> Float[Array, ""]:
    """The mean structural similarity over pixels and channels, at most 1.

    Gaussian window of 11×11 with a standard deviation of 1.5, biased moments, K = (0.01, 0.03),
    without the border where the window does not fit. Source: Wang, Bovik, Sheikh, Simoncelli,
    "Image quality assessment", IEEE TIP 2004. NaN for an image smaller than the window.

    Args:
        x: an image.
        y: another.
        inside: 1 in a rectangle from the first pixel on, 0 in the padding at the bottom and at the
            right, where no window reaches; None if there is none.
    """
    if min(x.shape[:2]) < _WINDOW:
        return jnp.float32(jnp.nan)
    # dm_pix relies on promotions that a strict session forbids.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        if inside is None:
            return dm_pix.ssim(x, y, max_val=1.0)
        windows = dm_pix.ssim(x, y, max_val=1.0, return_map=True)
    fits = inside[_WINDOW - 1 :, _WINDOW - 1 :]  # a window fits if its last pixel is inside
    return jnp.sum(fits * windows) / (jnp.sum(fits) * x.shape[2])


_WINDOW = 11


def ssim_observed(
    x: Float[Array, "h w c"],
    y: Float[Array, "h w c"],
    known: Float[Array, "h w k"],
    inside: Float[Array, "h w 1"] | None = None,
) -> Float[Array, ""]:
    """The SSIM of an image and of the picture `y`, unknown values set to 0."""
    return ssim(known * x, known * y, inside)
