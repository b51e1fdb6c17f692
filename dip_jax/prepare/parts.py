"""Which parts of a large picture are fitted, each for itself.

Where little of a picture is to be filled, only what is around it need be looked at: squares of 96
pixels that hold all unknown pixels, each with 16 pixels or more around those that it is to fill,
or larger ones where the damage is wider. So the time goes by the damage, not by the picture.
Where there is something to do everywhere, in denoising or with missing pixels all over, overlapping
tiles cover the picture. What is made of a part is blended with its neighbours' (`Part.weights`).

A hole that is wider than any such square is filled at a reduced size: a network makes something
smooth of its inside in any case.
"""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float

Mask = Bool[np.ndarray, "h w"]

KINDS = ("auto", "whole", "damage", "tiles")
# Of damage up to so many pixels wide, the side of what a square fills, and its own side.
_LEVELS = ((16, 64, 96), (32, 64, 128), (64, 128, 256), (128, 256, 512))
# Of damage of the first level up to so many pixels long the side of its own square, where there are
# so many of them that one more program is worth its compilation.
_SPECK, _SPECK_SIDE, _WORTH_A_PROGRAM = 32, 64, 16
LEAST_SQUARE = _LEVELS[0][2]
_NEAR = 16  # pixels beyond a wide square that count as part of it
_RAMP = 24  # pixels from the inner border of a square to where it has its full say
_REDUCED_SIDE = 256  # pixels that a reduced part has on its longer side, or fewer
_LEAST_REDUCED = 64  # pixels that it keeps on its shorter side
_ENOUGH = 0.25  # of the pixels that become one, what must be known
_OVERLAP = 64  # pixels that neighbouring tiles have in common
LEAST_TILE = 2 * _OVERLAP
_RIM = 8  # pixels at a part's inner border that have the least say


@dataclasses.dataclass(frozen=True)
class Part:
    """A rectangle of a picture, in pixels, that is fitted for itself.

    Attributes:
        top: its first row.
        left: its first column.
        height: rows.
        width: columns.
        reduced: how many of its pixels on a side become one in the fit.
    """

    top: int
    left: int
    height: int
    width: int
    reduced: int = 1

    @property
    def place(self) -> tuple[slice, slice]:
        """Its rows and columns in the picture."""
        return (
            slice(self.top, self.top + self.height),
            slice(self.left, self.left + self.width),
        )

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of what is fitted."""
        return -(-self.height // self.reduced), -(-self.width // self.reduced)

    def weights(self, h: int, w: int, ramp: int) -> Float[np.ndarray, "height width"]:
        """How much its pixels count beside those of other parts: less towards an inner border.

        Args:
            h: rows of the picture.
            w: columns of the picture; where the part ends with the picture, it has no inner border.
            ramp: pixels from next to nothing to 1.
        """
        rows = _ramp(self.height, self.top > 0, self.top + self.height < h, ramp)
        columns = _ramp(self.width, self.left > 0, self.left + self.width < w, ramp)
        return np.minimum(rows[:, None], columns[None, :])


def _ramp(length: int, before: bool, after: bool, ramp: int) -> Float[np.ndarray, " length"]:
    distance = np.full(length, np.inf)
    if before:
        distance = np.minimum(distance, np.arange(length) + 0.5)
    if after:
        distance = np.minimum(distance, np.arange(length)[::-1] + 0.5)
    share = np.clip((distance - _RIM) / max(ramp - _RIM, 1), 0, 1)
    return np.maximum(share * share * (3 - 2 * share), 1e-6).astype(np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """Which parts are fitted.

    Attributes:
        kind: "damage" (squares around what is to be filled) or "tiles" (all of the picture).
        parts: those that are, in no particular order of importance.
        ramp: for `Part.weights`.
        wide: True in holes that reduced parts fill and no other, `(h, w)`; None without any.
    """

    kind: str
    parts: tuple[Part, ...]
    ramp: int
    wide: Mask | None = None

    def filled_by(self, part: Part, unknown: Mask) -> Mask:
        """Of the unknown pixels in a part's place, those that it has a say in."""
        if self.wide is None:
            return unknown
        wide = self.wide[part.place]
        return unknown & (wide if part.reduced > 1 else ~wide)

    def pixels(self) -> int:
        """Of all that is fitted."""
        return sum(h * w for h, w in (part.size for part in self.parts))


def around_damage(unknown: Mask, most: float) -> Plan | None:
    """Squares around what is to be filled; None if they have too many pixels together.

    Args:
        unknown: True where there is something to fill.
        most: so many pixels are too many.
    """
    h, w = unknown.shape
    levels, wide = _widths(unknown)
    parts: list[Part] = []
    pixels = 0
    if wide is not None:
        parts += _reduced(wide)
        pixels += sum(part.size[0] * part.size[1] for part in parts)
    left = unknown.copy() if wide is None else unknown & ~wide
    for level, (_, core, side) in reversed(list(enumerate(_LEVELS))):
        todo = left & (levels == level) if level else left.copy()
        here: list[tuple[int, int, int]] = []  # their middles, and the longer side of the damage
        small = 0
        for middle in _squares(todo, left, core):
            here.append(middle)
            small += middle[2] <= _SPECK
            if pixels + _SPECK_SIDE**2 * len(here) > most:
                return None
        enough = not level and small >= _WORTH_A_PROGRAM
        for y, x, longer in here:
            found = _square(y, x, _SPECK_SIDE if enough and longer <= _SPECK else side, h, w)
            parts.append(found)
            pixels += found.height * found.width
    return Plan("damage", tuple(parts), _RAMP, wide) if pixels <= most else None


def tiles(
    h: int, w: int, side: int, unknown: Mask | None = None, *, only_unknown: bool = True
) -> Plan:
    """Overlapping tiles that cover a picture.

    Args:
        h: rows of the picture.
        w: columns of it.
        side: of a tile in pixels, `LEAST_TILE` or more; all have it, or the picture's where that
            is shorter.
        unknown: True where there is something to fill; None for nothing. Holes that are too wide
            are filled by reduced parts.
        only_unknown: whether tiles without any of that are left out.
    """
    parts = [
        Part(top, left, min(side, h), min(side, w))
        for top in _starts(h, side)
        for left in _starts(w, side)
    ]
    if unknown is None:
        return Plan("tiles", tuple(parts), _OVERLAP)
    _, wide = _widths(unknown)
    left = unknown if wide is None else unknown & ~wide
    if only_unknown:
        parts = [part for part in parts if left[part.place].any()]
    return Plan("tiles", (*(() if wide is None else _reduced(wide)), *parts), _OVERLAP, wide)


def reduced(
    y: Float[np.ndarray, "h w c"], fill: Bool[np.ndarray, "h w k"], times: int
) -> tuple[Float[np.ndarray, "h w c"], Bool[np.ndarray, "h w k"]]:
    """A picture at a reduced size, of its known pixels alone.

    A pixel is the mean of the known ones of those that it stands for, and unknown where they are
    less than a quarter.

    Args:
        y: the picture; where `fill` is True, its values have no say.
        fill: True where it is to be filled, for all channels (k = 1) or each.
        times: how many pixels on a side become one; those that lack at the end repeat the last.
    """

    def blocks(a):
        rows, columns = (-n % times for n in a.shape[:2])
        a = np.pad(a, ((0, rows), (0, columns), (0, 0)), mode="edge")
        h, w, c = a.shape
        return a.reshape(h // times, times, w // times, times, c)

    known = blocks(~fill).mean(axis=(1, 3), dtype=np.float32)
    mean = blocks(np.where(fill, np.float32(0), y)).mean(axis=(1, 3), dtype=np.float32)
    unknown = known < _ENOUGH
    image = np.where(unknown, np.float32(0), mean / np.maximum(known, np.float32(_ENOUGH)))
    return image, unknown


def _starts(length: int, side: int) -> list[int]:
    """Where tiles begin along an axis: evenly, and no farther apart than the overlap allows."""
    if length <= side:
        return [0]
    count = math.ceil((length - _OVERLAP) / (side - _OVERLAP))
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def _widths(unknown: Mask) -> tuple[np.ndarray, Mask | None]:
    """How wide the damage is that each pixel belongs to: its level, and whether it is too wide.

    It is as wide as the largest square in it that the pixel is in, or near.
    """
    from scipy import ndimage

    levels = np.zeros(unknown.shape, np.uint8)
    for level, (widest, _, _) in enumerate(_LEVELS, 1):
        middles = _has_square(unknown, widest + 1)
        if not middles.any():
            return levels, None
        reach = widest + 1 + 2 * _NEAR
        near = ndimage.maximum_filter(middles.view(np.uint8), reach, mode="constant")
        levels[unknown & near.astype(bool)] = level
    return levels, levels == len(_LEVELS)


def _has_square(unknown: Mask, side: int) -> Mask:
    """Where a square of so many pixels lies within what is unknown; outside all counts as known."""
    from scipy import ndimage

    size = tuple(min(side, n) for n in unknown.shape)  # across a thin picture it is all of that
    if max(unknown.shape) < side:
        return np.zeros_like(unknown)
    mode = ["constant" if n == side else "nearest" for n in size]
    eroded = ndimage.minimum_filter(unknown.view(np.uint8), size, mode=mode, cval=0)
    return eroded.astype(bool)


def _square(y: int, x: int, side: int, h: int, w: int) -> Part:
    """A square around a pixel, within the picture; as high or wide as that where it is shorter."""
    height, width = min(side, h), min(side, w)
    top = min(max(y - height // 2, 0), h - height)
    return Part(top, min(max(x - width // 2, 0), w - width), height, width)


def _squares(todo: Mask, left: Mask, core: int) -> Iterator[tuple[int, int, int]]:
    """Squares of side `core` that hold all of `todo`, and are taken from `left` as well.

    Yields:
        The row and the column of the middle of what is in one, and the longer side of that.
    """
    rows, columns = np.nonzero(todo)
    at, step = 0, 4096
    while at < len(rows):
        still = np.flatnonzero(todo[rows[at : at + step], columns[at : at + step]])
        if not len(still):
            at += step
            continue
        at += int(still[0])
        y, x = int(rows[at]), int(columns[at])
        x = _best_start(todo[y : y + core], x, core)
        here = (slice(y, y + core), slice(x, x + core))
        found = np.nonzero(todo[here])
        ends = [(int(i.min()), int(i.max()) + 1) for i in found]
        todo[here] = left[here] = False
        (first, last), (leftmost, rightmost) = ends
        longer = max(last - first, rightmost - leftmost)
        yield y + (first + last) // 2, x + (leftmost + rightmost) // 2, longer


def _best_start(band: Bool[np.ndarray, "core w"], x: int, core: int) -> int:
    """Where a square of columns that holds column `x` begins, so that it holds the most."""
    first = max(x - core + 1, 0)
    counts = np.concatenate([[0], np.cumsum(band[:, first : x + core].sum(axis=0))])
    ends = np.minimum(np.arange(x - first + 1) + core, len(counts) - 1)
    inside = counts[ends] - counts[: x - first + 1]
    return first + int(np.flatnonzero(inside == inside.max())[-1])


def _reduced(wide: Mask) -> list[Part]:
    """Parts around holes that are wider than any square, at a reduced size."""
    from scipy import ndimage

    h, w = wide.shape
    labels, _ = ndimage.label(wide, np.ones((3, 3), bool))
    boxes = [
        [s.start for s in found] + [s.stop for s in found] for found in ndimage.find_objects(labels)
    ]
    grown = _merged([_grown(box, h, w) for box in boxes])
    parts = []
    for top, left, bottom, right in grown:
        height, width = bottom - top, right - left
        most = max(2, min(height, width) // _LEAST_REDUCED)
        reduced = max(2, min(math.ceil(max(height, width) / _REDUCED_SIDE), most))
        parts.append(Part(top, left, height, width, reduced))
    return parts


def _grown(box: list[int], h: int, w: int) -> list[int]:
    """A box with half of its shorter side around it."""
    top, left, bottom, right = box
    margin = max(_LEVELS[-1][0], min(bottom - top, right - left) // 2)
    return [
        max(top - margin, 0),
        max(left - margin, 0),
        min(bottom + margin, h),
        min(right + margin, w),
    ]


def _merged(boxes: list[list[int]]) -> list[list[int]]:
    """Boxes that overlap become one."""
    done: list[list[int]] = []
    todo = list(boxes)
    while todo:
        top, left, bottom, right = todo.pop()
        for other in done:
            if other[0] < bottom and top < other[2] and other[1] < right and left < other[3]:
                done.remove(other)
                both = zip(other, (top, left, bottom, right), strict=True)
                corners = list(both)
                todo.append([min(corners[0]), min(corners[1]), max(corners[2]), max(corners[3])])
                break
        else:
            done.append([top, left, bottom, right])
    return done


def box_around(there: Bool[np.ndarray, "h w"], margin: int) -> tuple[slice, slice] | None:
    """The rows and columns of all that is there, and so many pixels around; None of nothing."""
    rows, columns = (np.flatnonzero(there.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return None

    def along(at):
        return slice(max(int(at[0]) - margin, 0), int(at[-1]) + margin + 1)

    return along(rows), along(columns)
