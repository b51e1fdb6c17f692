"""What a picture is made to before a fit, and what the refinement makes of that with no network."""

import numpy as np

from dip_jax.finish.alone import restored_alone
from dip_jax.finish.ensemble import Ending
from dip_jax.pictures.arrays import Layout
from dip_jax.prepare.prepared import Adapting, Prepared, prepare


def prepared_as_floats(y: np.ndarray, fill: np.ndarray | None, how: Adapting) -> Prepared:
    """What a person's picture is made to before it is fitted.

    Args:
        y: the picture, `(h, w, c)` in [0, 1].
        fill: True where it is to be filled, `(h, w)`; None in denoising.
        how: it is looked at.
    """
    layout = Layout(y.shape, np.dtype(np.float32), -1, None)
    return prepare(y.astype(np.float32), fill, layout, how)


def refinement_alone(y: np.ndarray, fill: np.ndarray | None) -> np.ndarray:
    """The picture, prepared as for a fit, and refined as the result of one is.

    In the place of the network's image is a thin plate, which is at a known pixel what the others
    say of it; or in denoising, where it only tells which single values are wrong, non-local means.

    Args:
        y: the picture, `(h, w, c)` in [0, 1].
        fill: True where it is to be filled, `(h, w)`; None in denoising.

    Returns:
        The image, float32 in [0, 1].
    """
    prepared = prepared_as_floats(y, fill, Adapting())
    fills = fill is not None
    how = Ending(keep_known=fills, seamless=fills, refine=True)
    x = prepared.to_picture(restored_alone(prepared.observation, how))
    return x if prepared.still is None else np.where(prepared.still[..., None], y, x)


def nonlocal_means(y: np.ndarray, sigma: float) -> np.ndarray:
    """Of scikit-image, with its usual parameters, told the noise; float32 in [0, 1]."""
    from skimage.restoration import denoise_nl_means

    x = denoise_nl_means(
        y, patch_size=5, patch_distance=9, h=0.6 * sigma, sigma=sigma, channel_axis=-1
    )
    return np.clip(x, 0, 1).astype(np.float32).reshape(y.shape)
