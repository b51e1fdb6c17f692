"""What a browser is shown: pictures of any depth as 8 bits, reduced where they are large."""

import io
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy.typing import NDArray
from PIL import Image

from dip_jax.pictures.picture import Picture

MOST_PIXELS = 2**24  # of a view, on which a mask is painted
_JPEG_FROM = 2**20  # pixels: what a browser gets in the time of a blink

View = UInt8[np.ndarray, "h w c"]


def reduction(h: int, w: int, most: int = MOST_PIXELS) -> int:
    """How many pixels on a side become one, so that there are at most so many."""
    return max(1, int(np.ceil(np.sqrt(h * w / most))))


def view_of(pixels: NDArray[Any], like: Picture, reduced: int = 1) -> View:
    """An array like a picture's pixels as 8 bits; what is not finite is black.

    Args:
        pixels: `(h, w)` or `(h, w, c)` with one or three channels, perhaps with alpha as the last.
        like: the picture that says what black and white are, and has the alpha.
        reduced: how many pixels on a side become one.

    Returns:
        RGB, or RGBA where the picture is transparent somewhere; `(h, w, 3)` or `(h, w, 4)`.
    """
    low, high = range_of(like)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    colours = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., :1]
    h, w = (-(-n // reduced) for n in colours.shape[:2])
    view = np.empty((h, w, 3), np.uint8)
    rows = max(1, 2**20 // (w * reduced * reduced)) * reduced
    for top in range(0, colours.shape[0], rows):
        band = colours[top : top + rows].astype(np.float32)
        band = np.nan_to_num((band - low) / (high - low), nan=0.0, posinf=1.0, neginf=0.0)
        band = _mean_of_blocks(np.clip(band, 0, 1), reduced)
        view[top // reduced : top // reduced + band.shape[0]] = np.rint(255 * band)
    alpha = like.alpha
    if alpha is None or alpha.shape != pixels.shape[:2] or alpha.min() == alpha.max() != 0:
        return view
    opacity = alpha.astype(np.float32) / max(float(alpha.max()), 1e-9)
    opacity = _mean_of_blocks(opacity[..., None], reduced)
    return np.concatenate([view, np.rint(255 * opacity).astype(np.uint8)], axis=2)


def range_of(picture: Picture) -> tuple[float, float]:
    """The values of black and white of a picture; all that it has, where nothing tells."""
    if picture.data_range is not None:
        return picture.data_range
    pixels = picture.pixels
    if pixels.dtype in (np.uint8, np.uint16):
        return 0.0, float(np.iinfo(pixels.dtype).max)
    finite = pixels[np.isfinite(pixels)] if pixels.dtype.kind == "f" else pixels
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if pixels.dtype.kind == "f" and low >= 0 and high <= 1:
        return 0.0, 1.0
    return low, max(high, low + 1e-9)


def _mean_of_blocks(x: Float[np.ndarray, "h w c"], size: int) -> Float[np.ndarray, "i j c"]:
    """The means of blocks; at the bottom and at the right of what there is of them."""
    if size == 1:
        return x
    return _blocks(x, size, "edge").mean(axis=(1, 3))


def _blocks(x: NDArray[Any], size: int, mode: Literal["edge", "constant"]) -> NDArray[Any]:
    """An array `(h, w, ...)` as blocks, `(i, size, j, size, ...)`, padded to whole ones."""
    h, w = x.shape[:2]
    padded = np.pad(x, ((0, -h % size), (0, -w % size)) + ((0, 0),) * (x.ndim - 2), mode=mode)
    rows, columns = (n // size for n in padded.shape[:2])
    return padded.reshape(rows, size, columns, size, *x.shape[2:])


def encoded(view: View, icc_profile: bytes | None = None) -> tuple[bytes, str]:
    """A view as a file, and its media type: PNG, or JPEG for large ones that are opaque."""
    image = Image.fromarray(view)
    buffer = io.BytesIO()
    if view.shape[2] == 3 and view.shape[0] * view.shape[1] > _JPEG_FROM:
        image.save(buffer, "JPEG", quality=92, subsampling=0, icc_profile=icc_profile)
        return buffer.getvalue(), "image/jpeg"
    image.save(buffer, "PNG", compress_level=1, icc_profile=icc_profile)
    return buffer.getvalue(), "image/png"


def painted(marked: Bool[np.ndarray, "h w"]) -> bytes:
    """A mask as a PNG that is opaque white where it marks, and elsewhere transparent."""
    layer = np.zeros((*marked.shape, 4), np.uint8)
    layer[marked] = 255
    buffer = io.BytesIO()
    Image.fromarray(layer).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def marks_of(layer: Image.Image) -> Bool[np.ndarray, "h w"]:
    """What is marked in a layer that was painted: what is more opaque than not."""
    opacity: NDArray[np.uint8] = np.asarray(layer.convert("RGBA").getchannel("A"), np.uint8)
    return opacity > 127


def reduced_marks(marked: Bool[np.ndarray, "h w"], size: int) -> Bool[np.ndarray, "i j"]:
    """A mask at the size of the view: every block that has a mark is marked."""
    if size == 1:
        return marked
    return np.asarray(_blocks(marked, size, "constant").any(axis=(1, 3)))


def enlarged_marks(
    marked: Bool[np.ndarray, "i j"], size: int, h: int, w: int
) -> Bool[np.ndarray, "h w"]:
    """A mask of the view at the size of the picture."""
    return marked.repeat(size, axis=0).repeat(size, axis=1)[:h, :w]


def overlay_of(uncertainty: Float[np.ndarray, "h w"], reduced: int) -> tuple[bytes, float]:
    """Where a result is uncertain, as a layer to lie over it; and what its strongest colour means.

    Args:
        uncertainty: the standard deviation over the seeds, in values of the picture.
        reduced: how many pixels on a side become one.

    Returns:
        A PNG, orange and the more opaque the less certain; and the deviation that is opaque, the
        99.5th percentile of those that are not 0.
    """
    small = _mean_of_blocks(uncertainty[..., None].astype(np.float32), reduced)[..., 0]
    some = small[small > 0]
    top = float(np.percentile(some, 99.5)) if some.size else 1.0
    share = np.clip(small / top, 0, 1)
    layer = np.empty((*small.shape, 4), np.uint8)
    layer[..., :3] = (255, 96, 0)
    layer[..., 3] = np.rint(230 * share)
    buffer = io.BytesIO()
    Image.fromarray(layer).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue(), top
