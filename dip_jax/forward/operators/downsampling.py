"""Fewer pixels: the operator of super-resolution.

Every pixel of the result is a weighted mean of the pixels around its centre. The kernel is
stretched by the factor, so that it also smooths (no aliasing). At the border the part of the kernel
that lies outside is left out, and the rest is scaled to a sum of 1, as Pillow's `Image.resize`
does. Rows and columns are filtered one after the other.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dip_jax.errors import InputError
from dip_jax.forward.operators.names import KERNELS
from dip_jax.forward.operators.operator import STATIC


def _lanczos(t: np.ndarray, a: int) -> np.ndarray:
    return np.where(np.abs(t) < a, np.sinc(t) * np.sinc(t / a), 0.0)


def _bicubic(t: np.ndarray) -> np.ndarray:
    """Keys, "Cubic Convolution Interpolation", IEEE TASSP 1981, equation 15, with a = −1/2."""
    t = np.abs(t)
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t < 1, near, np.where(t < 2, far, 0.0))


def _area(t: np.ndarray) -> np.ndarray:
    return (np.abs(t) < 0.5).astype(float)


_FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "lanczos2": functools.partial(_lanczos, a=2),
    "lanczos3": functools.partial(_lanczos, a=3),
    "bicubic": _bicubic,
    "area": _area,
}
"""Each as a function of the distance from the centre, in pixels of the result."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Downsample:
    """See `downsample`."""

    factor: int = dataclasses.field(metadata=STATIC)
    kernel: str = dataclasses.field(metadata=STATIC)

    def __call__(self, x: Float[Array, "H W c"]) -> Float[Array, "h w c"]:
        """The image with fewer pixels."""
        h, w = x.shape[:2]
        if h % self.factor or w % self.factor:
            raise InputError(
                f"factor is {self.factor}, which does not fit an image of {w} x {h} pixels; "
                "expected one that divides both sides"
            )
        rows, columns = (jnp.asarray(self._weights(n)) for n in (h, w))
        return jnp.einsum("ih,hwc,jw->ijc", rows, x, columns, optimize=True)

    def _weights(self, n: int) -> np.ndarray:
        return _weights(n, self.factor, self.kernel)


@functools.lru_cache(maxsize=8)
def _weights(n: int, factor: int, kernel: str) -> np.ndarray:
    """Of `n` pixels in a row, `(n / factor, n)`."""
    function = _FUNCTIONS[kernel]
    centres = (np.arange(n // factor) + 0.5) * factor
    weights = function((np.arange(n) + 0.5 - centres[:, None]) / factor)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def downsample(factor: int, kernel: str = "lanczos2") -> Downsample:
    """Fewer pixels, `(h, w, c)` to `(h / factor, w / factor, c)`.

    Args:
        factor: a whole number from 2 on that divides both sides.
        kernel: "lanczos2" (that of the Deep Image Prior's paper), "lanczos3" (Pillow's LANCZOS),
            "bicubic" (its BICUBIC) or "area" (its BOX).

    Raises:
        InputError: if either is none of these.
    """
    if isinstance(factor, bool) or not isinstance(factor, int | np.integer) or factor < 2:
        raise InputError(f"factor is {factor!r}; expected a whole number from 2 on")
    if kernel not in KERNELS:
        raise InputError(f"kernel is {kernel!r}; expected one of {', '.join(KERNELS)}")
    return Downsample(int(factor), kernel)
