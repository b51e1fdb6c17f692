"""Baseline JPEG: an image after it has been compressed and decoded.

The steps of a decoder such as libjpeg's: luma and chroma (JFIF), chroma at half the resolution
where the file has it so, blocks of 8×8, the discrete cosine transform, every coefficient rounded to
a multiple of its entry in a table, and back; the chroma is enlarged with the weights 3/4 and 1/4.
Rounding has no gradient: that of the identity stands in for it (straight-through; Bengio, Léonard,
Courville, "Estimating or Propagating Gradients Through Stochastic Neurons", 2013, section 4).
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dip_jax.errors import InputError
from dip_jax.forward.operators.names import SUBSAMPLINGS
from dip_jax.forward.operators.operator import STATIC

_SHARING = {"4:4:4": (1, 1), "4:2:2": (1, 2), "4:2:0": (2, 2)}
"""How many rows and columns share a value of the chroma."""

Planes = Float[Array, "h w"]

# The tables of ITU-T T.81, annex K.1, for the luma and the chroma, by rows.
_LUMA = """16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87
80 62 18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98
112 100 103 99"""
_CHROMA = "17 18 24 47 18 21 26 66 24 26 56 99 47 66 99 99"  # the corner of 4×4; 99 elsewhere

_TO_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.168735892, -0.331264108, 0.5], [0.5, -0.418687589, -0.081312411]],
    np.float32,
)
_TO_RGB = np.array([[1, 0, 1.402], [1, -0.344136286, -0.714136286], [1, 1.772, 0]], np.float32)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Jpeg:
    """See `jpeg`."""

    tables: Float[Array, "2 8 8"]
    subsampling: str = dataclasses.field(metadata=STATIC)

    def __call__(self, x: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
        """The image as a decoder gives it, in [0, 1]; not rounded to whole values."""
        planes = [
            _uncoded(_rounded(_coded(plane) / table) * table, plane.shape)
            for plane, table in zip(self._planes(x), self._tables(x.shape[2]), strict=True)
        ]
        return self._image(planes, x.shape)

    def consistent(self, x: Float[Array, "h w c"], y: Float[Array, "h w c"]):
        """The image nearest to `x` whose luma is rounded as that of `y` was.

        Every coefficient is brought into the interval that is rounded to that of `y`. So is the
        chroma, where it has the resolution of the luma.

        Args:
            x: an image in [0, 1].
            y: what was decoded.
        """
        planes = [
            _brought_near(plane, other, table)
            for plane, other, table in zip(
                self._planes(x), self._planes(y), self._tables(x.shape[2]), strict=True
            )
        ]
        if _SHARING[self.subsampling] == (1, 1) or len(planes) == 1:
            return self._image(planes, x.shape)
        ycc = _ycc(x).at[..., 0].set(planes[0] + 128)
        return jnp.clip(_rgb(ycc), 0, 1)

    def _tables(self, channels: int) -> list[Float[Array, "1 1 8 8"]]:
        luma, chroma = (self.tables[i][None, None] for i in (0, 1))
        return [luma, *[chroma] * (channels - 1)]

    def _planes(self, x: Float[Array, "h w c"]) -> list[Planes]:
        """Luma and chroma from −128 to 127, as they are coded."""
        if x.shape[2] == 1:
            return [255 * x[..., 0] - 128]
        if x.shape[2] != 3:
            raise InputError(f"the image has {x.shape[2]} channels; expected 1 or 3")
        ycc = _rounded(_ycc(x))
        rows, columns = _SHARING[self.subsampling]
        chroma = [_mean_of(ycc[..., i], rows, columns) for i in (1, 2)]
        return [ycc[..., 0] - 128, *chroma]

    def _image(self, planes: list[Planes], shape: tuple[int, ...]) -> Float[Array, "h w c"]:
        h, w, _ = shape
        if len(planes) == 1:
            return jnp.clip((planes[0][..., None] + 128) / 255, 0, 1)
        rows, columns = _SHARING[self.subsampling]
        luma, *chroma = planes
        enlarged = [_enlarged(plane, rows, columns)[:h, :w] for plane in chroma]
        return jnp.clip(_rgb(jnp.stack([luma + 128, *enlarged], axis=2)), 0, 1)


def _ycc(x: Float[Array, "h w 3"]) -> Float[Array, "h w 3"]:
    return 255 * jnp.einsum("hwc,dc->hwd", x, _TO_YCC)


def _rgb(ycc: Float[Array, "h w 3"]) -> Float[Array, "h w 3"]:
    return jnp.einsum("hwc,dc->hwd", ycc, _TO_RGB) / 255


def _mean_of(plane: Planes, rows: int, columns: int) -> Planes:
    h, w = plane.shape
    padded = jnp.pad(plane, ((0, -h % rows), (0, -w % columns)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // rows, rows, padded.shape[1] // columns, columns)
    return _rounded(blocks.mean(axis=(1, 3)))


def _enlarged(plane: Planes, rows: int, columns: int) -> Planes:
    for axis, factor in enumerate((rows, columns)):
        if factor == 2:
            plane = _twice(plane, axis)
    return plane


def _twice(plane: Planes, axis: int) -> Planes:
    """Two values for each, at a quarter of the way to the neighbours; at the border, itself."""
    before = jnp.concatenate([jax.lax.slice_in_dim(plane, 0, 1, axis=axis), plane], axis=axis)
    before = jax.lax.slice_in_dim(before, 0, plane.shape[axis], axis=axis)
    last = jax.lax.slice_in_dim(plane, plane.shape[axis] - 1, None, axis=axis)
    after = jax.lax.slice_in_dim(plane, 1, None, axis=axis)
    after = jnp.concatenate([after, last], axis=axis)
    pairs = jnp.stack([0.75 * plane + 0.25 * before, 0.75 * plane + 0.25 * after], axis=axis + 1)
    shape = list(plane.shape)
    shape[axis] *= 2
    return pairs.reshape(shape)


def _cosines() -> Float[np.ndarray, "8 8"]:
    k, n = np.mgrid[:8, :8]
    basis = np.sqrt(2 / 8) * np.cos(np.pi * (2 * n + 1) * k / 16)
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)


_BASIS = _cosines()


def _coded(plane: Planes) -> Float[Array, "m n 8 8"]:
    """The coefficients of every block."""
    h, w = plane.shape
    padded = jnp.pad(plane, ((0, -h % 8), (0, -w % 8)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // 8, 8, padded.shape[1] // 8, 8)
    return jnp.einsum("ki,minj,lj->mnkl", _BASIS, blocks, _BASIS)


def _uncoded(coefficients: Float[Array, "m n 8 8"], size: tuple[int, ...]) -> Planes:
    m, n = coefficients.shape[:2]
    blocks = jnp.einsum("ki,mnkl,lj->minj", _BASIS, coefficients, _BASIS)
    return blocks.reshape(8 * m, 8 * n)[: size[0], : size[1]]


def _brought_near(plane: Planes, other: Planes, table: Float[Array, "1 1 8 8"]) -> Planes:
    """The plane nearest to one whose coefficients are rounded as those of another were."""
    middle = jnp.round(_coded(other) / table) * table
    return _uncoded(jnp.clip(_coded(plane), middle - table / 2, middle + table / 2), plane.shape)


def _rounded(values: Array) -> Array:
    return values + jax.lax.stop_gradient(jnp.round(values) - values)


def tables_of(quality: int) -> Float[np.ndarray, "2 8 8"]:
    """The tables for the luma and the chroma at a quality from 1 to 100, as libjpeg scales them."""
    chroma = np.full((8, 8), 99)
    chroma[:4, :4] = np.array(_CHROMA.split(), int).reshape(4, 4)
    standard = np.stack([np.array(_LUMA.split(), int).reshape(8, 8), chroma])
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((standard * scale + 50) // 100, 1, 255).astype(np.float32)


def jpeg(quality: Any, subsampling: str = "4:2:0") -> Jpeg:
    """Compression as a JPEG and decoding, `(h, w, c)` to the same, for one channel or three.

    Args:
        quality: from 1 to 100, as libjpeg and Pillow count it. Or the quantisation tables by rows:
            `(8, 8)` for the luma, or `(2, 8, 8)` for the luma and the chroma.
        subsampling: of the chroma: "4:4:4", "4:2:2" or "4:2:0".

    Raises:
        InputError: if either is none of these.
    """
    if subsampling not in SUBSAMPLINGS:
        expected = ", ".join(SUBSAMPLINGS)
        raise InputError(f"subsampling is {subsampling!r}; expected one of {expected}")
    try:
        given = np.asarray(quality, np.float32)
    except (TypeError, ValueError):
        given = np.zeros(0, np.float32)
    if given.ndim == 0:
        if isinstance(quality, bool) or given != np.round(given) or not 1 <= given <= 100:
            raise InputError(f"quality is {quality!r}; expected a whole number from 1 to 100")
        given = tables_of(int(given))
    if given.shape == (8, 8):
        given = np.stack([given, given])
    if given.shape != (2, 8, 8) or not (np.isfinite(given).all() and given.min() >= 1):
        shown = f"of shape {given.shape}" if given.size else repr(quality)
        raise InputError(
            f"quality is {shown}; expected a whole number from 1 to 100, or tables of shape "
            "(8, 8) or (2, 8, 8) of 1 or more"
        )
    return Jpeg(jnp.asarray(given), subsampling)
