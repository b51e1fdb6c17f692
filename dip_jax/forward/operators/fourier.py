"""Samples of the Fourier transform: the operator of magnetic resonance imaging."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from dip_jax.errors import InputError


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Fourier:
    """See `fourier`."""

    mask: Float[Array, "h w 1"]
    coils: Complex[Array, "h w n"] | None

    def __call__(self, x: Float[Array, "h w c"]) -> Complex[Array, "h w n"]:
        """The samples of every coil, 0 where there is none."""
        if x.shape[:2] != self.mask.shape[:2] or x.shape[2] > 2:
            raise InputError(
                f"the image has shape {x.shape}; expected {(*self.mask.shape[:2], 1)} like the "
                "mask, or with 2 channels, which are the real and the imaginary part"
            )
        image = x[..., :1].astype(jnp.complex64)
        if x.shape[2] == 2:
            image = jax.lax.complex(x[..., :1], x[..., 1:])
        if self.coils is not None:
            image = self.coils * image
        return self.mask.astype(jnp.complex64) * jnp.fft.fft2(image, axes=(0, 1), norm="ortho")

    def known(self) -> Bool[Array, "h w 1"]:
        """Which samples there are."""
        return self.mask > 0


def fourier(mask: Any, coils: Any = None) -> Fourier:
    """Samples of the orthonormal discrete Fourier transform, `(h, w, c)` to `(h, w, n)` complex.

    An image of one channel is real. Of two channels, the first is the real part and the second the
    imaginary part.

    Args:
        mask: `(h, w)`, true where there is a sample. The zero frequency comes first, as in NumPy's
            `fft2`; `np.fft.ifftshift` moves it there from the middle.
        coils: the sensitivities of n coils, `(n, h, w)` complex. None: one coil that is 1
            everywhere.

    Raises:
        InputError: if the mask has another shape or is empty, or the coils have another shape.
    """
    known = np.asarray(mask)
    if known.ndim != 2 or known.dtype.kind not in "biuf" or not known.any():
        raise InputError(
            f"mask has shape {known.shape} and {np.count_nonzero(known)} samples; expected (h, w), "
            "and true where there is a sample"
        )
    sampled = jnp.asarray(known[..., None] != 0, jnp.float32)
    if coils is None:
        return Fourier(sampled, None)
    values = np.asarray(coils)
    numbers = values.dtype.kind in "biufc" and np.isfinite(values).all()
    if values.ndim != 3 or values.shape[1:] != known.shape or not numbers:
        raise InputError(
            f"coils has shape {values.shape}; expected finite values of shape "
            f"{('n', *known.shape)}, like the mask"
        )
    return Fourier(sampled, jnp.asarray(np.moveaxis(values, 0, -1), jnp.complex64))
