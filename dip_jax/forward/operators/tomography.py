"""Sums along parallel lines: the operator of computed tomography."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dip_jax.errors import InputError
from dip_jax.forward.operators.operator import STATIC


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Radon:
    """See `radon`."""

    angles: Float[Array, " n"]
    circle: bool = dataclasses.field(metadata=STATIC)

    def __call__(self, x: Float[Array, "s s c"]) -> Float[Array, "d n c"]:
        """The sinogram."""
        h, w = x.shape[:2]
        if self.circle and h != w:
            raise InputError(f"the image has {w} x {h} pixels; expected a square, or circle=False")
        if not self.circle:
            x = _onto_square(x)
        side = x.shape[0]
        padded = jnp.pad(x, ((1, 1), (1, 1), (0, 0)))  # beyond the border there is nothing

        def view(angle: Float[Array, ""]) -> Float[Array, "d c"]:
            return jnp.sum(_rotated(padded, side, angle), axis=0)

        return jnp.moveaxis(jax.lax.map(view, self.angles, batch_size=_AT_ONCE), 0, 1)


_AT_ONCE = 8  # views: so that their rotated images stay in the processor's cache


def _rotated(padded: Float[Array, "S S c"], side: int, angle: Float[Array, ""]):
    """The image turned about its pixel `side // 2`, by bilinear interpolation."""
    middle = jnp.float32(side // 2)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    along = jnp.arange(side, dtype=jnp.float32) - middle
    columns = cos * along[None, :] + sin * along[:, None] + middle + 1
    rows = -sin * along[None, :] + cos * along[:, None] + middle + 1
    top = jnp.clip(jnp.floor(rows), 0, side)
    left = jnp.clip(jnp.floor(columns), 0, side)
    # Beyond the rim of zeros the weights are clipped as well: it is zero there in any case.
    down, right = jnp.clip(rows - top, 0, 1), jnp.clip(columns - left, 0, 1)
    i, j = top.astype(jnp.int32), left.astype(jnp.int32)
    down, right = down[..., None], right[..., None]
    upper = (1 - right) * padded[i, j] + right * padded[i, j + 1]
    lower = (1 - right) * padded[i + 1, j] + right * padded[i + 1, j + 1]
    return (1 - down) * upper + down * lower


def _onto_square(x: Float[Array, "h w c"]) -> Float[Array, "s s c"]:
    """The image amid so much of nothing that no rotation takes any of it away."""
    h, w = x.shape[:2]
    side = int(np.ceil(np.sqrt(2) * max(h, w)))
    before = [(side // 2) - (n // 2) for n in (h, w)]
    widths = [(b, side - n - b) for b, n in zip(before, (h, w), strict=True)]
    return jnp.pad(x, (*widths, (0, 0)))


def radon(angles: Any, circle: bool = True) -> Radon:
    """The parallel-beam Radon transform, `(s, s, c)` to the sinogram `(detectors, angles, c)`.

    As in `skimage.transform.radon`, the image is rotated about its middle and its columns are
    summed. So a value is a line integral in pixels.

    Args:
        angles: the angles of the views in degrees, one or more.
        circle: True: the image is square and zero outside its inscribed circle, and there are as
            many detectors as rows. False: there are as many detectors as the diagonal is long.

    Raises:
        InputError: if the angles are no numbers.
    """
    values = np.asarray(angles)
    if values.ndim != 1 or not values.size or values.dtype.kind not in "iuf":
        raise InputError(
            f"angles has shape {values.shape}; expected a row of numbers in degrees, such as "
            "np.linspace(0, 180, 30, endpoint=False)"
        )
    if not np.isfinite(values).all():
        raise InputError("angles has NaN or infinite values; expected degrees")
    return Radon(jnp.asarray(np.deg2rad(values), jnp.float32), bool(circle))
