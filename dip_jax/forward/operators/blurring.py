"""A blur that is known: the operator of deblurring."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dip_jax.errors import InputError
from dip_jax.forward.operators.names import BOUNDARIES
from dip_jax.forward.operators.operator import STATIC

_OF_NUMPY = {
    "reflect": "symmetric",
    "mirror": "reflect",
    "nearest": "edge",
    "wrap": "wrap",
    "constant": "constant",
}
"""SciPy's names of what lies beyond the border, and NumPy's."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Blur:
    """See `blur`."""

    kernel: Float[Array, "k l"]
    boundary: str = dataclasses.field(metadata=STATIC)

    def __call__(self, x: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
        """The image, blurred."""
        k, width = self.kernel.shape
        if min(x.shape[0] - k, x.shape[1] - width) < 0:
            raise InputError(
                f"kernel is {width} x {k}, larger than the image of {x.shape[1]} x {x.shape[0]} "
                "pixels; expected a smaller one"
            )
        if self.boundary != "valid":
            widths = ((k // 2, k // 2), (width // 2, width // 2), (0, 0))
            x = jnp.pad(x, widths, mode=_OF_NUMPY[self.boundary])
        # A product of spectra: as quick for large kernels as for small ones. What wraps around is
        # where the kernel does not fit, and is cut off.
        size = x.shape[:2]
        spectrum = jnp.fft.rfft2(self.kernel, size)[..., None]
        y = jnp.fft.irfft2(spectrum * jnp.fft.rfft2(x, axes=(0, 1)), size, axes=(0, 1))
        return y[k - 1 :, width - 1 :]


def blur(kernel: Any, boundary: str = "reflect") -> Blur:
    """A convolution with a kernel, the same for all channels.

    Args:
        kernel: the point spread function, `(k, l)` with odd sides and no negative values. It is
            scaled to a sum of 1, and its middle is its origin.
        boundary: what lies beyond the border, by the names of `scipy.ndimage.convolve`: "reflect",
            "mirror", "nearest", "wrap" or "constant" (black). Or "valid": only the pixels that need
            nothing beyond the border are measured, `k - 1` rows and `l - 1` columns fewer.

    Raises:
        InputError: if the kernel or the boundary is none of these.
    """
    if boundary not in BOUNDARIES:
        raise InputError(f"boundary is {boundary!r}; expected one of {', '.join(BOUNDARIES)}")
    values = np.asarray(kernel)
    if values.dtype.kind not in "biuf":
        raise InputError(f"kernel has dtype {values.dtype}; expected an array of real numbers")
    values = values.astype(np.float64)
    if values.ndim != 2 or not all(n % 2 for n in values.shape):
        raise InputError(
            f"kernel has shape {values.shape}; expected two odd sides, so that it has a middle: "
            "pad it with zeros"
        )
    if not np.isfinite(values).all() or values.min() < 0:
        raise InputError("kernel has negative, NaN or infinite values; expected none below 0")
    if not values.sum():
        raise InputError("kernel sums to 0; expected a blur, which sums to more")
    return Blur(jnp.asarray(values / values.sum(), jnp.float32), boundary)


def gaussian(sigma: float, width: int | None = None) -> Float[np.ndarray, "k k"]:
    """A Gaussian kernel with a sum of 1.

    Args:
        sigma: its standard deviation in pixels, above 0.
        width: its side in pixels, odd. None for three standard deviations each way.

    Raises:
        InputError: if either is none of these.
    """
    number = isinstance(sigma, int | float | np.integer | np.floating)
    if not (number and np.isfinite(sigma) and sigma > 0):
        raise InputError(f"sigma is {sigma!r}; expected pixels above 0")
    width = 2 * int(np.ceil(3 * sigma)) + 1 if width is None else width
    if not isinstance(width, int | np.integer) or width < 1 or not width % 2:
        raise InputError(f"width is {width!r}; expected an odd number of pixels")
    line = np.exp(-0.5 * (np.arange(width) - width // 2) ** 2 / sigma**2)
    return np.outer(line, line) / line.sum() ** 2
