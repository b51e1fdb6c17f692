"""Bayes' estimate of the patches of a picture, from those that are alike.

Around every patch there are some that nearly repeat it. As an image with less noise shows them (the
pilot: an estimate from before, or the network's image), their mean and their covariance say what
such a patch looks like, and in which ways it varies. Under that normal distribution, of mean `m`
and covariance `C`, the most likely patch is `m + C (C + σ² I)⁻¹ (y − m)` if `y` is it with noise of
deviation σ. If only some of its values are known, it is the same with the rows of these alone, and
it says what the others are.

The patches overlap, and a pixel becomes the mean of all estimates that there are of it.
They are added as whole numbers, whose sums do not depend on their order, so that a program repeats
its result to the bit on an accelerator too.

Source: Lebrun, Buades, Morel, "A Nonlocal Bayesian Image Denoising Algorithm", SIAM Journal on
Imaging Sciences 6 (2013), the second of the two steps of section 4; where values are missing, Yu,
Sapiro, Mallat, "Solving Inverse Problems with Piecewise Linear Estimators", IEEE TIP 21 (2012),
section III, with a group of patches in the place of a class of them.
"""

import functools
import math
import operator
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from dip_jax.compiling import compiled_quickly

_RADIUS = 16  # pixels, how far off they are looked for
_ALIKE, _ALIKE_TO_FILL = 30, 45  # patches in a group
_NEAREST = 3  # of a group, those whose missing values are estimated with it
_ROWS = 6  # of groups at once, which bounds the memory
_SHARES = 8  # of these groups, in which they are estimated where not all need be
_BLOCK = 15  # rows, after which a smaller system is left
_UNIT = 2.0**-13  # of the noise's deviation, in which estimates are added
# How many deviations an estimate may be off the pilot. No sum leaves 32 bits: with a stride of 2 no
# more than 20 x 20 groups reach a pixel, each with as many estimates as it has members.
_FARTHEST, _FARTHEST_OF_FEW = 16.0, 128.0
_OWN_MISFIT = 0.9  # variances of noise between the noisy patches and a pilot that lacks nothing
_LACKING = 0.5  # of what is more, the share that counts as picture
_LEAST_SHARE = 1e-6  # of the sum of all variances in a group, what counts as noise at least

_dot = functools.partial(jnp.einsum, precision="highest")

Patches = Float[Array, "groups patches values"]


@compiled_quickly(static_argnames=("side", "stride"))
def filtered(
    y: Float[Array, "h w c"],
    pilot: Float[Array, "h w c"],
    noise: float | Array,
    side: int = 5,
    stride: int = 3,
) -> Float[Array, "h w c"]:
    """Takes noise out of `y`.

    The more a group of patches is off the pilot than noise alone would be, the more the pilot lacks
    of the picture there; half of that counts as variance of the picture, in all directions.

    Args:
        y: the noisy picture, of any range.
        pilot: an image of the same, with less noise.
        noise: the deviation σ of the noise, above 0.
        side: of a patch in pixels, at most 7.
        stride: pixels from one patch for which others are looked for to the next, from 2 to `side`.

    Returns:
        The filtered picture, at most 16 σ off the pilot.
    """
    seen = (y / noise,)
    return noise * _estimated(
        seen, pilot / noise, _without_noise, side, stride, _ALIKE, _ALIKE, _FARTHEST
    )


@compiled_quickly(static_argnames=("side", "stride"))
def filled(
    y: Float[Array, "h w c"],
    known: Float[Array, "h w k"],
    pilot: Float[Array, "h w c"],
    noise: float | Array,
    side: int = 5,
    stride: int = 3,
) -> Float[Array, "h w c"]:
    """Fills a picture by its known values.

    Only groups with a member that lacks a value are estimated, for the others have no say in what
    is filled: where little is unknown, that is quick.

    Args:
        y: the picture.
        known: 1 where `y` is known, else 0.
        pilot: an image of the whole picture.
        noise: the deviation σ of what known values may be off, above 0.
        side: of a patch in pixels, at most 7.
        stride: pixels from one patch for which others are looked for to the next, from 2 to `side`.

    Returns:
        The picture, and where it is unknown the estimate, at most 128 σ off the pilot; where no
        value is known within a patch, the pilot.
    """
    there = jnp.broadcast_to(known, y.shape).astype(y.dtype)
    image = noise * _estimated(
        (y / noise, there),
        pilot / noise,
        _from_known,
        side,
        stride,
        _ALIKE_TO_FILL,
        _NEAREST,
        _FARTHEST_OF_FEW,
        wanted=there.min(2) <= 0,
    )
    return jnp.where(known > 0, y, image)


def _estimated(
    seen: tuple[Float[Array, "h w c"], ...],
    pilot: Float[Array, "h w c"],
    estimate: Callable[..., Patches],
    side: int,
    stride: int,
    alike: int,
    members: int,
    farthest: float,
    wanted: Bool[Array, "h w"] | None = None,
) -> Float[Array, "h w c"]:
    """The mean of the estimates of all groups, in deviations of the noise.

    Args:
        seen: what `estimate` gets the patches of.
        pilot: by which patches are alike, and what they are compared in.
        estimate: of `seen`, those of the `members`; and of the pilot, those of a whole group.
        side: of a patch.
        stride: from one group to the next.
        alike: how many patches a group has.
        members: how many of them, the nearest, are estimated.
        farthest: that an estimate may be off the pilot.
        wanted: where the mean is needed; elsewhere it is one of those that are made for that, or
            the pilot. None for everywhere.
    """
    h, w, c = pilot.shape
    last = [max(length - side, 0) for length in (h, w)]
    rows, columns = (np.append(np.arange(0, end, stride), end) for end in last)
    at_once = min(_ROWS, rows.size)
    bands = -(-rows.size // at_once)
    height = at_once * stride + side
    downs = jnp.asarray(np.pad(rows, (0, bands * at_once - rows.size), "edge"))
    # Mirrored, so that a picture smaller than a patch has one, and every band is inside.
    widths = [(_RADIUS, _RADIUS + height), (_RADIUS, _RADIUS + max(side - w, 0))]
    padded = [jnp.pad(image, (*widths, (0, 0)), "symmetric") for image in (*seen, pilot)]
    alike = min(alike, math.prod(min(end, _RADIUS) + 1 for end in last))
    reach = None if wanted is None else _patches_with(wanted, widths, side)

    def add(sums, band):
        i = jax.lax.dynamic_slice_in_dim(downs, band * at_once, at_once)
        top = i[0]

        def of_band(image):
            return jax.lax.dynamic_slice_in_dim(image, top, height + 2 * _RADIUS)

        *near, guide = (of_band(image) for image in padded)
        at = _alike(guide, top, i - top, columns, last, side, alike)
        # The last band may have rows too many.
        there = jnp.repeat(band * at_once + jnp.arange(at_once) < rows.size, columns.size)

        def added(sums, at, there):
            some = at[:, :members]
            found = _patches(guide, at, side)
            off = estimate(*(_patches(image, some, side) for image in near), found)
            off = off - found[:, :members]
            off = jnp.clip(jnp.where(jnp.isfinite(off), off, 0), -farthest, farthest)
            whole = jnp.rint(off / _UNIT).astype(jnp.int32).reshape(-1, side, side, c)
            parts = jnp.concatenate([whole, jnp.ones_like(whole[..., :1])], axis=3)
            parts = parts * jnp.repeat(there.astype(jnp.int32), some.shape[1])[:, None, None, None]
            places = some.reshape(-1, 2) + jnp.stack([top, 0])[None]
            return jax.lax.scatter_add(sums, places, parts, _WHERE_THEY_ARE)

        if reach is None:
            return added(sums, at, there), None
        there &= of_band(reach)[at[:, :members, 0], at[:, :members, 1]].any(axis=1)
        share = -(-there.size // _SHARES)
        more = share * _SHARES - there.size
        at = jnp.pad(at, ((0, more), (0, 0), (0, 0)), "edge")
        there = jnp.pad(there, (0, more))
        order = jnp.argsort(~there)

        def add_share(k, sums):
            chosen = jax.lax.dynamic_slice_in_dim(order, k * share, share)
            return added(sums, at[chosen], there[chosen])

        return jax.lax.fori_loop(0, -(-there.sum() // share), add_share, sums), None

    sums = jnp.zeros((*padded[-1].shape[:2], c + 1), jnp.int32)
    sums, _ = jax.lax.scan(add, sums, jnp.arange(bands))
    inside = sums[_RADIUS : _RADIUS + h, _RADIUS : _RADIUS + w]
    off = inside[..., :c] / jnp.maximum(inside[..., c:], 1)
    return pilot + (_UNIT * off).astype(pilot.dtype)


def _patches_with(
    wanted: Bool[Array, "h w"], widths: list[tuple[int, int]], side: int
) -> Bool[Array, "h w"]:
    """Which patches have a wanted pixel, by where they begin, in a padded image."""
    padded = jnp.pad(wanted, widths, "symmetric")
    return jax.lax.reduce_window(
        padded, False, jnp.logical_or, (side, side), (1, 1), ((0, side - 1), (0, side - 1))
    )


def _alike(
    guide: Float[Array, "h w c"],
    top: Array,
    rows: Int[Array, " rows"],
    columns: np.ndarray,
    last: list[int],
    side: int,
    alike: int,
) -> Int[Array, "groups alike 2"]:
    """Where in the `guide` the patches are that are nearest to those of a band, each first itself.

    Args:
        guide: a band of the pilot with a margin of the radius around it.
        top: the row of the picture at which the band begins.
        rows: at which rows of the band the groups' patches begin.
        columns: at which columns.
        last: along both sides of the picture, where the last patch begins.
        side: of a patch.
        alike: so many.
    """
    h, w = (guide.shape[k] - 2 * _RADIUS for k in (0, 1))
    # One by one, for the sum over the last axis of an array is slow on a CPU.
    channels = [guide[..., k] for k in range(guide.shape[2])]
    here = [channel[_RADIUS : _RADIUS + h, _RADIUS : _RADIUS + w] for channel in channels]
    shifts = np.arange(-_RADIUS, _RADIUS + 1)

    def distances(down):
        lines = [jax.lax.dynamic_slice_in_dim(one, down + _RADIUS, h) for one in channels]
        i = (top + rows + down)[:, None]

        def distance(right):
            there = [jax.lax.dynamic_slice_in_dim(one, right + _RADIUS, w, 1) for one in lines]
            square = _total([jnp.square(a - b) for a, b in zip(there, here, strict=True)])
            below = _total([square[rows + k] for k in range(side)])
            total = _total([below[:, columns + k] for k in range(side)])
            j = (columns + right)[None]
            return jnp.where((i >= 0) & (i <= last[0]) & (j >= 0) & (j <= last[1]), total, jnp.inf)

        return jax.vmap(distance)(jnp.asarray(shifts))

    found = jax.lax.map(distances, jnp.asarray(shifts))
    # Of equal distances the first is taken: that of the patch which is not so far off.
    order = np.argsort(np.add.outer(shifts**2, shifts**2).ravel(), kind="stable")
    _, which = jax.lax.top_k(-found.reshape(order.size, -1)[order].T, alike)
    down, right = jnp.divmod(jnp.asarray(order)[which], shifts.size)
    i, j = jnp.repeat(rows, columns.size)[:, None], np.tile(columns, rows.size)[:, None]
    return jnp.stack([i + down, j + right], axis=2)


def _total(arrays: list[Array]) -> Array:
    """Their sum, one after the other."""
    return functools.reduce(operator.add, arrays)


_WHERE_THEY_ARE = jax.lax.ScatterDimensionNumbers(
    update_window_dims=(1, 2, 3), inserted_window_dims=(), scatter_dims_to_operand_dims=(0, 1)
)
_FROM_THERE = jax.lax.GatherDimensionNumbers(
    offset_dims=(1, 2, 3), collapsed_slice_dims=(), start_index_map=(0, 1)
)


def _patches(
    image: Float[Array, "h w c"], at: Int[Array, "groups patches 2"], side: int
) -> Patches:
    size = (side, side, image.shape[2])
    found = jax.lax.gather(image, at.reshape(-1, 2), _FROM_THERE, size)
    return found.reshape(*at.shape[:2], -1)


# Of n patches X, as rows, less their mean, the covariance is C = Xᵀ X / (n − 1). It has many more
# rows than there are patches, so all is said in n numbers per patch: C + v I has the inverse
# (I − Xᵀ (X Xᵀ + (n − 1) v I)⁻¹ X) / v.


def _without_noise(y: Patches, pilot: Patches) -> Patches:
    """The most likely patches, if `y` has noise of deviation 1."""
    misfit = jnp.square(y - pilot).mean((1, 2), keepdims=True)
    variance = 1 + _LACKING * jnp.maximum(misfit - _OWN_MISFIT, 0)  # all but that of the pilot
    mean = pilot.mean(1, keepdims=True)
    x, y = pilot - mean, y - mean
    inner = _inverse(_with_noise(_dot("rnd,rmd->rnm", x, x), variance))
    gains = _dot("rnk,rkm->rnm", _dot("rnd,rmd->rnm", y, x), inner)
    return mean + y + (_dot("rnm,rmd->rnd", gains, x) - y) / variance


def _from_known(y: Patches, known: Patches, pilot: Patches) -> Patches:
    """The most likely patches, of the values of `y` that are known, with noise of deviation 1.

    One of which nothing is known stays that of the pilot: the mean of those like it has less of a
    texture than it has.
    """
    mean = pilot.mean(1, keepdims=True)
    x, y = pilot - mean, y - mean

    count, members, _ = y.shape
    n = x.shape[1]
    inner = _dot("rknd,rmd->rknm", x[:, None] * known[:, :, None], x).reshape(-1, n, n)
    right = _dot("rkd,rnd->rkn", y * known, x).reshape(-1, n)
    ways = _solved(_with_noise(inner, jnp.ones((1, 1, 1))), right).reshape(count, members, n)
    estimates = mean + _dot("rkn,rnd->rkd", ways, x)
    some = known.max(2, keepdims=True) > 0
    return jnp.where(some, estimates, pilot[:, :members])


def _with_noise(inner: Float[Array, "groups n n"], variance: Array) -> Float[Array, "groups n n"]:
    """`X Xᵀ + (n − 1) v I`, with `v` at least so large that it is not lost in float32."""
    n = inner.shape[1]
    least = _LEAST_SHARE * jnp.trace(inner, axis1=1, axis2=2)[:, None, None]
    return (
        inner
        + ((n - 1) * variance + least).astype(inner.dtype) * jnp.eye(n, dtype=inner.dtype)[None]
    )


def _solved(
    matrices: Float[Array, "groups n n"], right: Float[Array, "groups n"]
) -> Float[Array, "groups n"]:
    """What positive definite matrices take to the right-hand sides, by the method of Gauss.

    Row by row, and after some rows with the smaller system that is left. (Products with inverses of
    blocks would be quicker, but they lose the small variances of a group in float32; a library's
    factorisation was as quick, but within a loop it never came to an end on two cores.)
    """

    def eliminate(k, a):
        row = a[:, k] / a[:, k, k, None]
        return (a - a[:, :, k, None] * row[:, None]).at[:, k].set(row)

    system, found = jnp.concatenate([matrices, right[:, :, None]], axis=2), []
    while system.shape[1]:
        k = min(_BLOCK, system.shape[1])
        system = jax.lax.fori_loop(0, k, eliminate, system)
        found.append(system[:, :k, k:])
        system = system[:, k:, k:]
    solved = found.pop()[:, :, 0]
    for first in reversed(found):
        here = first[:, :, -1] - _dot("rij,rj->ri", first[:, :, :-1], solved)
        solved = jnp.concatenate([here, solved], axis=1)
    return solved


def _inverse(matrices: Float[Array, "groups n n"]) -> Float[Array, "groups n n"]:
    """Of positive definite matrices, by the method of Gauss and Jordan.

    They are small and many, and a library's are taken one by one, each by several threads.
    """

    def eliminate(k, a):
        row = (a[:, k] / a[:, k, k, None]).at[:, k].set(1 / a[:, k, k])
        return (a.at[:, :, k].set(0) - a[:, :, k, None] * row[:, None]).at[:, k].set(row)

    return jax.lax.fori_loop(0, matrices.shape[1], eliminate, matrices)
