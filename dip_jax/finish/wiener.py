"""Wiener filtering of a picture, by what another image of it says is there.

In blocks of 8 x 8 pixels, in the discrete cosine transform, a picture is a few large numbers and
noise is many small ones. Where an image `p` (the pilot: in filling that of the network, in
denoising an estimate from before) says how large each of them is, a noisy one of deviation σ is
best taken times `p²/(p² + σ²)`. The pilot gives what these numbers are about and errs in their
values; the picture has the values and noise; the filter takes of both. All blocks that hold a pixel
have a say in it, those that keep less the more.

Source: Ghael, Sayeed, Baraniuk, "Improved wavelet denoising via empirical Wiener filtering", SPIE
1997, section 2, with the cosine transform of sliding blocks of Yaroslavsky, "Local adaptive image
restoration and enhancement with the use of DFT and DCT in a running window", SPIE 1996. Where
values are missing it is iterated as in Guleryuz, "Nonlinear approximation based image recovery
using adaptive sparse reconstructions and iterated denoising—Part I: theory", IEEE TIP 2006, section
II, with the pilot in the place of thresholds.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dip_jax.compiling import compiled_quickly
from dip_jax.forward.data_term import masked_mse

_BLOCK = 8
_GRIDS = np.array([(i, j) for i in range(_BLOCK) for j in range(_BLOCK)])  # all of them
_HALF_A_BLOCK_APART = np.array([(0, 0), (0, 4), (4, 0), (4, 4)])  # the grids of a sweep
_PASSES, _SWEEPS = 2, 32
_FIRST, _LAST = 2.0, 0.2  # noise in the first and the last sweep of a pass, over the pilot's misfit
_LEAST_MISFIT = 1e-4


@compiled_quickly()
def filtered(
    y: Float[Array, "h w c"], pilot: Float[Array, "h w c"], noise: float | Array
) -> Float[Array, "h w c"]:
    """Takes noise out of `y`.

    Args:
        y: the noisy picture, of any range.
        pilot: an image of the same, with less noise.
        noise: the deviation σ of the noise, above 0.

    Returns:
        The filtered picture.
    """
    return _mean_of_grids(y, pilot, _colours(pilot), noise, jnp.asarray(_GRIDS))


@compiled_quickly()
def filled(
    pilot: Float[Array, "h w c"],
    x: Float[Array, "h w c"],
    y: Float[Array, "h w c"],
    known: Float[Array, "h w k"],
) -> Float[Array, "h w c"]:
    """Corrects what is unknown by the known values around it.

    What is unknown is filtered again and again, as if it were the picture with noise that falls
    sweep by sweep, and the known values are put back each time. So it tends to the most likely
    picture, given the known values and how large the pilot says that each part is. That is done
    twice, and in the second pass the first one's result is the pilot.

    The noise falls from twice to a fifth of the root mean square of `pilot - y` over the known
    values. So a pilot that fits them well is corrected little, and the scale of a picture does not
    matter.

    Args:
        pilot: an image of the whole picture, as free of noise at the known values as elsewhere.
        x: an image of the whole picture, in [0, 1], from which it starts.
        y: the picture.
        known: 1 where `y` is known, else 0.

    Returns:
        `y` where it is known, and the corrected `x`, in [0, 1], elsewhere.
    """
    # `fmax` also where nothing is known, and the mean is not a number.
    misfit = jnp.fmax(jnp.sqrt(masked_mse(pilot, y, known)), _LEAST_MISFIT)
    for _ in range(_PASSES):
        x = pilot = _one_pass(pilot, x, y, known, misfit)
    return jnp.where(known > 0, y, jnp.clip(x, 0, 1))


def _one_pass(pilot, x, y, known, misfit):
    colours = _colours(pilot)

    def sweep(i, u):
        noise = misfit * _FIRST * (_LAST / _FIRST) ** (i / (_SWEEPS - 1))
        start = (5 * i) % 16  # all of them in 16 sweeps, in no order
        grids = jnp.stack([start // 4, start % 4])[None] + _HALF_A_BLOCK_APART
        return jnp.where(known > 0, y, _mean_of_grids(u, pilot, colours, noise, grids))

    return jax.lax.fori_loop(0, _SWEEPS, sweep, jnp.where(known > 0, y, x))


def _mean_of_grids(y, pilot, colours, noise, grids):
    """The weighted mean of the pictures that are filtered in the blocks of each grid."""
    h, w, _ = y.shape
    # So far that all blocks with a pixel of the picture lie inside, and those across the border of
    # the padded one, where a grid is shifted around it, hold none of its pixels.
    widths = [(_BLOCK, _BLOCK + -side % _BLOCK) for side in (h, w)]
    padded = [
        jnp.pad(jnp.moveaxis(_mixed(image, colours), 2, 0) / noise, ((0, 0), *widths), "symmetric")
        for image in (y, pilot)
    ]

    def add(sums, grid):
        y, p = (_transformed(_blocks(jnp.roll(image, -grid, (1, 2)))) for image in padded)
        gain = jnp.square(p) / (jnp.square(p) + 1)
        weight = 1 / (1 + jnp.sum(jnp.square(gain), axis=(2, 4), keepdims=True))
        parts = weight * _transformed(gain * y, back=True), jnp.broadcast_to(weight, y.shape)
        return [
            total + jnp.roll(part.reshape(total.shape), grid, (1, 2))
            for total, part in zip(sums, parts, strict=True)
        ], None

    zeros = jnp.zeros_like(padded[0])
    (total, weights), _ = jax.lax.scan(add, [zeros, zeros], grids)
    inside = (total / weights)[:, _BLOCK : _BLOCK + h, _BLOCK : _BLOCK + w]
    return noise * _mixed(jnp.moveaxis(inside, 0, 2), colours.T)


def _blocks(image):
    """Of `(c, H, W)`, `(c, H / 8, 8, W / 8, 8)`."""
    c, h, w = image.shape
    return image.reshape(c, h // _BLOCK, _BLOCK, w // _BLOCK, _BLOCK)


def _transformed(blocks, back=False):
    """The orthonormal discrete cosine transform (type 2) of each block, or its inverse."""
    k, i = np.arange(_BLOCK)[:, None], np.arange(_BLOCK)
    matrix = np.sqrt(2 / _BLOCK) * np.cos(np.pi * (2 * i + 1) * k / (2 * _BLOCK))
    matrix[0] /= np.sqrt(2)
    matrix = jnp.asarray(matrix.T if back else matrix, blocks.dtype)
    return jnp.einsum("caibj,ki,lj->cakbl", blocks, matrix, matrix, precision="highest")


def _mixed(image, matrix):
    """The channels of an image times a matrix; in float32, where an accelerator would take less."""
    return jnp.matmul(image, matrix, precision="highest")


def _colours(image):
    """The axes, `(c, c)`, along which the channels of an image vary independently of each other."""
    values = image.reshape(-1, image.shape[2])
    values = values - values.mean(axis=0, keepdims=True)
    return jnp.linalg.eigh(_mixed(values.T, values))[1]
