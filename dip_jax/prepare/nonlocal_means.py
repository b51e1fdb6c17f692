"""Non-local means of a picture with even noise, from which better estimates begin.

Source: Buades, Coll, Morel, "A Non-Local Algorithm for Image Denoising", CVPR 2005, section 3; here
that of scikit-image. The strength was chosen on photographs of 128 and 256 pixels.
"""

import numpy as np
from jaxtyping import Float

_PATCH, _DISTANCE = 5, 6  # side of a patch in pixels, and how far off it is compared
_STRENGTH = 0.45  # the filter's h over the noise's deviation

REACH = _DISTANCE + _PATCH // 2  # pixels from which a value has a say in another


def nonlocal_means(picture: Float[np.ndarray, "h w c"]) -> Float[np.ndarray, "h w c"]:
    """Of a picture with noise of deviation 1 in all channels."""
    from skimage.restoration import denoise_nl_means  # here, because it takes long to import

    means = denoise_nl_means(
        picture,
        patch_size=_PATCH,
        patch_distance=_DISTANCE,
        h=_STRENGTH,
        sigma=1.0,
        fast_mode=True,
        channel_axis=-1,
    )
    return means.reshape(picture.shape)  # it has lost the axis of a single channel
