"""Known pixels put into a restored image, without a seam.

Where a mask says what is known, the network's image `x` serves for the unknown values alone. Pasted
in, they would meet the known ones at a seam: the network comes near `y` there and does not reach
it. So what it lacks, `y − x` on the known values, is continued into the unknown ones by the smooth
surface through it: the harmonic one, whose Laplacian is zero. Source: Pérez, Gangnet, Blake,
"Poisson Image Editing", ACM TOG 2003, section 2, equations 5 and 6, with the gradient of `x` as the
guidance field.

The Laplacian is that of a pixel's four neighbours, without flow over the picture's border. So no
correction is larger than the largest around it, and there is none where the network is right.

The known values are taken at their word: their own noise, and the rim of a damage that the mask
does not wholly cover, are continued into the unknown ones as well, ever more smoothly with the
distance. Where either is strong, pasting may be better.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dip_jax.forward.observation import Observation

_TOLERANCE = 1e-5
_SMALL = 256  # pixels of the longer side: the smallest size that has a start from half of it


@functools.partial(jax.jit, static_argnames="wide")
def seamless(
    x: Float[Array, "h w c"], observation: Observation, *, wide: bool = False
) -> Float[Array, "h w c"]:
    """The known values of `y`, and between them `x`, corrected so that it meets them.

    Args:
        x: the network's image, in [0, 1].
        observation: `y`, and what is known of it. A channel of which nothing is known is taken
            from `x` as it is.
        wide: as for `harmonic`.

    Returns:
        The composite, in [0, 1].
    """
    y, known = observation.y, observation.known
    corrected = x + harmonic(y - x, jnp.broadcast_to(known, y.shape), wide=wide)
    return jnp.where(known > 0, y, jnp.clip(corrected, 0, 1))


def harmonic(
    r: Float[Array, "h w c"], known: Float[Array, "h w c"], *, wide: bool = False
) -> Float[Array, "h w c"]:
    """What is `r` where that is known, and a weighted mean of the known values around elsewhere.

    The solution of Laplace's equation with the known values as its boundary, by conjugate gradients
    until the residual that they carry along is 1e-5 of the first; 0 in a channel of which nothing
    is known.

    Args:
        r: of any range; what it is at unknown places does not matter.
        known: 1 known, 0 unknown.
        wide: whether there are wide holes: then they start from the solution at half the size, and
            so on, which takes a few seconds more to compile and far fewer steps.
    """
    unknown = 1 - known
    start = None
    if wide and max(r.shape[:2]) > _SMALL:
        start = unknown * _doubled(harmonic(*_halved(r, known), wide=True), r.shape)
    fixed = known * r
    # The unknown values' rows of the linear system; the known ones' are those of an identity.
    u, _ = jax.scipy.sparse.linalg.cg(
        lambda u: known * u + unknown * minus_laplacian(unknown * u),
        -unknown * minus_laplacian(fixed),
        x0=start,
        tol=_TOLERANCE,
        maxiter=10 * sum(r.shape[:2]),
    )
    return fixed + unknown * u


def _halved(
    r: Float[Array, "h w c"], known: Float[Array, "h w c"]
) -> tuple[Float[Array, "h/2 w/2 c"], Float[Array, "h/2 w/2 c"]]:
    """Values at half the size, the means of the known ones of four, and where there are any."""
    h, w, c = r.shape
    ends = ((0, h % 2), (0, w % 2), (0, 0))

    def sums(a):
        a = jnp.pad(a, ends)
        return a.reshape(a.shape[0] // 2, 2, a.shape[1] // 2, 2, c).sum(axis=(1, 3))

    count = sums(known)
    return sums(known * r) / jnp.maximum(count, 1), (count > 0).astype(r.dtype)


def _doubled(u: Float[Array, "h/2 w/2 c"], shape: tuple[int, ...]) -> Float[Array, "h w c"]:
    twice = jax.image.resize(u, (2 * u.shape[0], 2 * u.shape[1], u.shape[2]), "linear")
    return twice[: shape[0], : shape[1]]


def minus_laplacian(u: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
    """How much a value exceeds its four neighbours, in sum; those outside the picture equal it."""
    padded = jnp.pad(u, ((1, 1), (1, 1), (0, 0)), mode="edge")
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    return 4 * u - around
