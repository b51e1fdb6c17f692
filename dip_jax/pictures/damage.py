"""Damage for experiments: noise, and masks of what is missing.

Pictures are float32 `(h, w, c)` in [0, 1]; masks are bool `(h, w)`, True where a pixel is to be
filled. All randomness comes from the `rng` that is passed in: the same generator state gives the
same damage.
"""

from io import BytesIO

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from dip_jax.errors import InputError, field
from dip_jax.pictures.marks import Mask, check_mask

_SENTENCES = (
    "The lamp on the landing was still burning when the last guests went home.",
    "Nobody had asked the gardener why the blue gate stood open all winter.",
    "A picture is worth keeping even after the rain has found its way in.",
    "She counted the boats in the harbour twice and came to a different sum.",
    "Under the old bridge the water is slow, brown and full of small fish.",
    "They wrote the date on the back of the photograph and forgot the place.",
)
_TEXT_SHARE = 0.13
_HOLE_GAP = 2

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def gaussian_noise(
    x: NDArray[np.float32], sigma: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Adds white Gaussian noise, `y = clip(x + n, 0, 1)` with `n ~ N(0, (sigma / 255)²)`.

    Args:
        x: `(h, w, c)` in [0, 1].
        sigma: standard deviation in units of 255, more than 0.
        rng: the same state gives the same noise, scaled by `sigma`.

    Raises:
        InputError: `sigma` is not a finite number above 0.
    """
    if not (np.isfinite(sigma) and sigma > 0):
        raise InputError(
            field("damage.sigma"),
            f" is {sigma}; expected a number above 0 in units of 255: choose one, such as 25",
        )
    noise = rng.standard_normal(x.shape) * (sigma / 255.0)
    return np.clip(x + noise, 0.0, 1.0).astype(np.float32)


def text_mask(
    shape: tuple[int, int], rng: np.random.Generator, size: int | None = None
) -> NDArray[np.bool_]:
    """Lines of English text over the whole picture, as a caption would be burnt in.

    Every pixel that a letter so much as touches is filled, so that none that a burnt-in letter
    has tinted is taken for known. As many lines are set, evenly spaced, as fill about 13 % of a
    picture of usual size (8 to 20 %).

    Args:
        shape: `(h, w)` of the picture, 16 pixels or more each way.
        rng: chooses the words.
        size: of the letters in pixels; a fourteenth of the picture's shorter side where None.

    Raises:
        InputError: the shape is too small, or `size` is below 4 or larger than the picture.
    """
    h, w = _checked_shape(shape)
    if size is None:
        size = max(8, round(min(h, w) / 14))
    if not 4 <= size <= min(h, w):
        raise InputError(
            f"text size {size} cannot be used; expected 4 to {min(h, w)} pixels for a picture of "
            f"{w} x {h}: choose one of these"
        )
    font = ImageFont.load_default(size=size)
    order = rng.permutation(len(_SENTENCES))
    words = " ".join(_SENTENCES[i] for i in order).split()
    first = int(rng.integers(len(words)))

    line_height = sum(_extent(font))
    strips: list[NDArray[np.bool_]] = []
    share = 0.0
    while (len(strips) + 1) * line_height <= h or not strips:
        count = _words_that_fit(words, first, w, font)
        line = " ".join(words[(first + i) % len(words)] for i in range(count))
        strip = _rendered(line, w, font)[:h]
        # Stop where one more line would lead further away from the share that is wanted.
        if strips and share + strip.sum() / (2 * h * w) > _TEXT_SHARE:
            break
        strips.append(strip)
        share += strip.sum() / (h * w)
        first += count

    fill = np.zeros((h, w), np.bool_)
    pitch = h / len(strips)
    for i, strip in enumerate(strips):
        top = int((i + 0.5) * pitch - strip.shape[0] / 2)
        fill[top : top + strip.shape[0]] |= strip
    return fill


def holes_mask(
    shape: tuple[int, int], rng: np.random.Generator, share: float = 0.1
) -> NDArray[np.bool_]:
    """Four to eight large irregular holes, apart from each other and inside the picture.

    Together they cover `round(share · h · w)` pixels.

    Args:
        shape: `(h, w)` of the picture, 16 pixels or more each way.
        rng: chooses number, sizes, outlines and places.
        share: of the picture to fill, in (0, 1); beyond about 0.4 the holes hardly fit.

    Raises:
        InputError: the shape is too small, `share` is not in (0, 1), or holes of that share do
            not fit without touching each other.
    """
    h, w = _checked_shape(shape)
    total = _pixel_count(share, h, w)
    for _ in range(50):
        fill = _try_holes(h, w, total, rng)
        if fill is not None:
            return fill
    raise InputError(
        field("damage.share"),
        f" is {share}, and separate holes that cover so much do not fit into {w} x {h} pixels; "
        "expected 0.01 to 0.4 in a picture that is not very long or small: choose another",
    )


def missing_mask(
    shape: tuple[int, int], rng: np.random.Generator, share: float = 0.5
) -> NDArray[np.bool_]:
    """Single pixels at random, exactly `round(share · h · w)` of them.

    Args:
        shape: `(h, w)` of the picture.
        rng: chooses the pixels, each set of that size being equally likely.
        share: of the picture to fill, in (0, 1).

    Raises:
        InputError: `share` is not in (0, 1), or rounds to no pixel or to every pixel.
    """
    h, w = shape
    fill = np.zeros(h * w, np.bool_)
    fill[: _pixel_count(share, h, w)] = True
    return rng.permutation(fill).reshape(h, w)


def erase(x: NDArray[np.float32], fill: NDArray[np.bool_], value: ArrayLike) -> NDArray[np.float32]:
    """Puts `value` where `fill` is True; `x` itself is not changed.

    Args:
        x: `(h, w, c)` in [0, 1].
        fill: `(h, w)` bool.
        value: one number, or one per channel, in [0, 1].

    Raises:
        InputError: `fill` is not a bool array of the picture's size, or `value` does not fit.
    """
    if fill.dtype != np.bool_ or fill.shape != x.shape[:2]:
        raise InputError(
            f"a mask of shape {fill.shape} and dtype {fill.dtype} does not fit the picture; "
            f"expected {x.shape[:2]} and bool: make the mask for this picture"
        )
    colour = np.asarray(value, np.float32)
    if colour.shape not in ((), (1,), (x.shape[2],)):
        raise InputError(
            f"a fill value of shape {colour.shape} does not fit; expected one number or "
            f"{x.shape[2]}, one per channel: choose one of these"
        )
    if not np.all((colour >= 0) & (colour <= 1)):
        raise InputError(
            f"the fill value {colour.tolist()} is out of range; expected [0, 1]: scale it"
        )
    y = x.copy()
    y[fill] = colour
    return y


def damaged(
    x: NDArray[np.float32], kind: str, rng: np.random.Generator, *, sigma: float, share: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
    """An image with damage of a kind, as the tasks' samples suffer it.

    Burnt-in text is white, pixels that are lost otherwise are black.

    Args:
        x: `(h, w, c)` in [0, 1].
        kind: "noise", "text", "holes" or "missing".
        rng: of the damage.
        sigma: of "noise", of 255.
        share: of the pixels that "holes" and "missing" take.

    Returns:
        The damaged image, and `(h, w)` True where it is to be filled; None where all is known.

    Raises:
        InputError: if the drawn mask fills nothing or everything, or a value is out of its range.
    """
    if kind == "noise":
        return gaussian_noise(x, sigma, rng), None
    size = x.shape[:2]
    if kind == "text":
        fill = text_mask(size, rng)
    else:
        fill = (holes_mask if kind == "holes" else missing_mask)(size, rng, share)
    check_mask(Mask(fill), "the drawn mask")
    return erase(x, fill, 1.0 if kind == "text" else 0.0), fill


def _checked_shape(shape: tuple[int, int]) -> tuple[int, int]:
    h, w = shape
    if min(h, w) < 16:
        raise InputError(
            f"a picture of {w} x {h} pixels (width x height) is too small for this mask; expected "
            "16 or more each way: use a larger picture"
        )
    return h, w


def _pixel_count(share: float, h: int, w: int) -> int:
    if not 0 < share < 1:
        raise InputError(
            field("damage.share"),
            f" is {share}; expected a number between 0 and 1, both excluded, such as 0.5",
        )
    count = round(share * h * w)
    if not 0 < count < h * w:
        raise InputError(
            field("damage.share"),
            f" is {share}, which of {w} x {h} pixels is {count}; expected at least one to fill and "
            "one to keep: choose another",
        )
    return count


def _extent(font: _Font) -> tuple[int, int]:
    """Pixels that the letters of `font` reach above and below the base line."""
    top, bottom = font.getbbox("bdgpqy", anchor="ls")[1::2]
    return int(np.ceil(-top)) + 1, int(np.ceil(bottom)) + 1


def _words_that_fit(words: list[str], first: int, w: int, font: _Font) -> int:
    """How many words from `first` on fit into `w` pixels; one at least."""
    count, line = 1, words[first % len(words)]
    while True:
        line += " " + words[(first + count) % len(words)]
        if font.getlength(line) > w - 2:
            return count
        count += 1


def _rendered(line: str, w: int, font: _Font) -> NDArray[np.bool_]:
    above, below = _extent(font)
    strip = Image.new("L", (w, above + below))
    ImageDraw.Draw(strip).text((1, above), line, fill=255, font=font, anchor="ls")
    return np.asarray(strip) > 0


def _try_holes(h: int, w: int, total: int, rng: np.random.Generator) -> NDArray[np.bool_] | None:
    weights = np.sort(rng.uniform(0.5, 1.5, size=int(rng.integers(4, 9))))[::-1]
    ends = np.rint(np.cumsum(weights) / weights.sum() * total).astype(int)
    fill = np.zeros((h, w), np.bool_)
    for area in np.diff(ends, prepend=0):
        if area < 1:
            return None
        # The border of the patch is empty, and keeps the hole off the picture's own.
        hole = _hole(int(area), rng)
        room = h - hole.shape[0], w - hole.shape[1]
        if min(room) < 0:
            return None
        around = _grown(hole, _HOLE_GAP)
        for _ in range(50):
            i, j = (int(rng.integers(length + 1)) for length in room)
            place = np.s_[i : i + hole.shape[0], j : j + hole.shape[1]]
            if not (fill[place] & around).any():
                fill[place] |= hole
                break
        else:
            return None
    return fill


def _hole(area: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """An irregular outline of exactly `area` pixels in a patch with a `_HOLE_GAP` border.

    The outline is an ellipse, turned, whose radius is modulated by a few waves.
    """
    aspect = rng.uniform(1.0, 1.4)
    turn = rng.uniform(0, np.pi)
    waves = np.arange(2, 6)
    heights = rng.uniform(0.3, 1.0, waves.size) * 0.22 / (waves - 1)
    phases = rng.uniform(0, 2 * np.pi, waves.size)

    reach = int(np.ceil(1.5 * np.sqrt(area))) + 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(float)
    u = (x * np.cos(turn) + y * np.sin(turn)) / aspect
    v = (y * np.cos(turn) - x * np.sin(turn)) * aspect
    angle = np.arctan2(v, u)[..., np.newaxis]
    outline = 1 + (heights * np.cos(waves * angle + phases)).sum(-1)
    distance = np.hypot(u, v) / outline
    nearest = np.argpartition(distance, area, axis=None)[:area]
    hole = np.zeros(distance.shape, np.bool_)
    hole.flat[nearest] = True

    rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
    tight = hole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.pad(tight, _HOLE_GAP)


def _grown(hole: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """`hole` and all within `by` pixels of it, each way; the patch has a border of `by`."""
    grown = hole.copy()
    for axis in (0, 1):
        grown = np.logical_or.reduce([np.roll(grown, s, axis) for s in range(-by, by + 1)])
    return grown


def compressed(
    pixels: NDArray[np.uint8], tables: NDArray[np.float32], subsampling: str
) -> NDArray[np.uint8]:
    """A picture as it comes back from a JPEG.

    Args:
        pixels: `(h, w)` or `(h, w, 3)` uint8.
        tables: for the luma and the chroma, `(2, 8, 8)`, by rows.
        subsampling: of the chroma, such as "4:2:0".

    Raises:
        InputError: if the pixels are others.
    """
    if pixels.dtype != np.uint8:
        raise InputError(f"the picture has dtype {pixels.dtype}; expected uint8, which JPEG holds")
    file = BytesIO()
    qtables = [[int(entry) for entry in table.ravel()] for table in tables]
    grey = pixels.ndim == 2
    image = Image.fromarray(pixels)
    image.save(file, "JPEG", qtables=qtables[: 1 if grey else 2], subsampling=subsampling)
    return np.array(Image.open(file))
