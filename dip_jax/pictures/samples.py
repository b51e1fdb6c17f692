"""The sample photographs, which come with a dependency."""

import numpy as np
from PIL import Image

from dip_jax.errors import InputError, field
from dip_jax.pictures.picture import Picture as Picture

SAMPLES = ("astronaut", "camera", "chelsea", "coffee", "rocket")
"""The photographs of `sample`: in the scikit-image wheel, CC0 or public domain."""

PHANTOM = "phantom"
"""Of Shepp and Logan, which is no photograph: a body for tomography, grey."""


def sample(name: str, side: int | None = None) -> Picture:
    """A photograph that ships with scikit-image; nothing is downloaded.

    Args:
        name: one of `SAMPLES`; camera is grey, the others are RGB. Or `PHANTOM`.
        side: the longer side of the result in pixels; a smaller photograph is not enlarged.

    Returns:
        uint8 pixels, reduced with an antialiased (Lanczos) filter.

    Raises:
        InputError: the name is unknown, `side` is not positive, or scikit-image is not installed.
    """
    if name not in (*SAMPLES, PHANTOM):
        raise InputError(
            field("sample.name"), f" is {name!r}; expected one of the samples {', '.join(SAMPLES)}"
        )
    if side is not None and side < 1:
        raise InputError(
            field("sample.side"), f" is {side}; expected 1 or more pixels: choose a larger one"
        )
    try:
        from skimage import data
    except ImportError as error:
        raise InputError(
            f"the sample {name!r} is part of scikit-image, which is not installed; expected it in "
            "this environment: run pip install scikit-image"
        ) from error
    if name == PHANTOM:
        image = Image.fromarray(np.rint(255 * data.shepp_logan_phantom()).astype(np.uint8))
    else:
        image = Image.fromarray(getattr(data, name)())
    longer = max(image.size)
    if side is not None and side < longer:
        w, h = (max(1, round(length * side / longer)) for length in image.size)
        image = image.resize((w, h), Image.Resampling.LANCZOS)
    return Picture(pixels=np.array(image))
