"""A network's image and the patches of a JPEG, put together: neither knows what the other does.

The network takes away the blocks and what rings, and some of what is fine; non-local means of the
picture keep what is fine where it repeats, and some of the blocks. Their errors have little to do
with each other, so their mean is nearer than either. It also says how strong the means should be,
which nobody has told: as strong as brings them nearest to the network's image.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from dip_jax.forward.operators.jpeg import Jpeg

Image = Float[np.ndarray, "h w c"]

STRENGTHS = (0.01, 0.015, 0.02, 0.03, 0.04, 0.055, 0.07, 0.09)
"""Of non-local means: their `h`, in values of [0, 1]."""


def cleaned(x: Image, y: Image, operator: Jpeg) -> Image:
    """The mean of the network's image and of non-local means, such as might have been coded to `y`.

    Args:
        x: the network's image, in [0, 1].
        y: what was decoded, in [0, 1].
        operator: how it was coded.

    Returns:
        The image, in [0, 1].
    """
    means = min((_means(y, h) for h in STRENGTHS), key=lambda m: float(np.square(m - x).mean()))
    together = jnp.asarray((x + means) / 2)
    return np.asarray(jax.jit(Jpeg.consistent)(operator, together, jnp.asarray(y)))


def _means(y: Image, h: float) -> Any:
    from skimage.restoration import denoise_nl_means  # here, because it takes long to import

    means = denoise_nl_means(y, h=h, patch_size=5, patch_distance=6, channel_axis=-1)
    return np.asarray(means, np.float32).reshape(y.shape)
