"""Where an old photograph or a scan may have thin scratches and dust: a suggestion.

A scratch is a ridge: short segments of a line are brighter than what is beside them on both sides,
or darker, and two of three that follow each other are. What is beside them has to be much the same,
or else it is the edge of an object. Such pixels are linked to lines, and those that are long,
strong and little bent are scratches. Dust is a speck that a small window holds whole, and that has
little like it around. All is judged by how much the picture differs there anyway: a scratch in
grass has to be stronger than one in the sky.

Whatever is thin or small in the scene itself looks the same: whiskers, masts, rims, a glint in an
eye. So a person has to look at what is suggested.

The numbers were chosen on the photographs coffee, chelsea, camera and motorcycle of `skimage.data`,
up to 640 pixels wide, clean and with drawn damage: lines and arcs of 1 to 4 pixels in width and 60
to 400 in length, specks of 2 to 6.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from dip_jax.errors import InputError

_PIXELS = 4_000_000  # of the grid that is worked on; a larger picture's scratches are wider
_EDGE = 2  # pixels at the border of a picture that tell nothing: scans have frames
_BAND = 128  # rows at a time: what is worked on stays in the processor's cache

_DIRECTIONS = 16
_HALF = 6  # of a segment, in pixels: it has twice as many and one
_BESIDE = (3, 5)  # pixels from the middle of a line to what it is compared with
_REACH = 3 * _HALF + 2 + max(_BESIDE)  # pixels that a line's strength is told by
_UNEVEN = 0.75  # how much the differences of what is beside a line count against it
_BLOCK = 16  # side in pixels of what is looked at to tell what is usual
_FLOOR = 0.02  # of the scale: what a picture is taken to differ by at least
_WEAK = 0.4  # least strength of a pixel that may be of a scratch
_LINKED = 2  # pixels: no farther are those of one line from each other
_FAR = 31  # side in pixels of the window that tells how high a line mostly is
_WIDE = 0.6  # least height of what is beside a line to be of it, by that of the line
_THIN, _BENT = 3.0, 0.75  # from which thickness on it counts against a line, and how much

_SPECK = 11  # side in pixels of the window that holds a speck whole
_SLOPING = 0.5  # how much the differences of what is around a speck count against it
_LEAST, _COMPACT = 3, 0.5  # pixels of a speck; the share of its box that it fills
_SEEN = 1.8  # least strength of a pixel that may be of a speck
_ALONE, _OTHERS = 31, 0.03  # side in pixels of a window around it; the share that others may have

# At the sensitivities 0, 0.5 and 1:
_LONG = (32.0, 24.0, 16.0)  # least length of a line, in pixels
_CLEAR_LINE = (90.0, 46.0, 18.0)  # least length, by its strength and thickness
_CLEAR_SPECK = (5.0, 3.0, 2.0)  # least strength

Plane = Float[np.ndarray, "h w"]
Mask = Bool[np.ndarray, "h w"]

_SQUARE = np.ones((3, 3), bool)


def suggest(image: Float[np.ndarray, "h w c"], sensitivity: float = 0.5) -> Mask:
    """True where there may be a scratch or dust, with a rim of a pixel for its soft edge.

    A picture of more than four megapixels is looked at on a grid that is two or more times coarser.

    Args:
        image: in [0, 1], of any number of channels; what is not finite is unknown, and not marked.
        sensitivity: from 0, which marks little, to 1, which marks much.

    Raises:
        InputError: if the sensitivity is not from 0 to 1.
    """
    if not 0 <= sensitivity <= 1:
        raise InputError(
            f"the sensitivity is {sensitivity}; expected a number from 0 to 1: smaller to mark "
            "less, larger to mark more"
        )
    from scipy import ndimage

    h, w, _ = image.shape
    known = np.isfinite(image).all(axis=2)
    if not known.any():
        return known
    times = int(np.ceil(np.sqrt(h * w / _PIXELS)))
    values, seen = _reduced(image, known, times)
    middle = (slice(_EDGE, -_EDGE),) * 2
    found, inside = np.zeros((2, *seen.shape), bool)
    inside[middle] = seen[middle]
    for peaks, lines in zip(_peaks(values), _lines(values), strict=True):
        lines.strength[~inside] = 0
        peaks.clear[~inside] = 0
        scratches = _widened(_scratches(lines, sensitivity), peaks.height)
        found |= scratches | _dust(peaks, scratches, sensitivity)
    found = ndimage.binary_dilation(found)
    return found.repeat(times, 0).repeat(times, 1)[:h, :w] & known


def _reduced(
    image: Float[np.ndarray, "h w c"], known: Mask, times: int
) -> tuple[Float[np.ndarray, "h w c"], Mask]:
    """The means of the known pixels of squares, and where there are any; else the nearest one."""
    from scipy import ndimage

    if times > 1:
        h, w = (-(-n // times) for n in known.shape)
        count = np.zeros((h, w, 1), np.float32)
        total = np.zeros((h, w, image.shape[2]), np.float32)
        for place in np.ndindex(times, times):
            part, of = (a[place[0] :: times, place[1] :: times] for a in (image, known[..., None]))
            rows, columns, _ = of.shape
            count[:rows, :columns] += of
            total[:rows, :columns] += np.where(of, part, np.float32(0))
        image, known = total / np.maximum(count, 1), count[..., 0] > 0
    if not known.all():
        at = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
        image = image[tuple(at)]
    return image, known


class _Lines(NamedTuple):
    """Lines through each pixel.

    Attributes:
        strength: how far the strongest one exceeds both its sides, by what values differ around.
        direction: its number.
    """

    strength: Plane
    direction: Int[np.ndarray, "h w"]


def _lines(values: Float[np.ndarray, "h w c"]) -> tuple[_Lines, _Lines]:
    """Bright ones and dark ones."""
    h, w, channels = values.shape
    # A scratch may be in one layer of a film; and what has its grey may have another colour.
    planes = [values.mean(axis=2)] + [values[..., k] for k in range(channels) if channels > 1]
    both = tuple(_Lines(np.zeros((h, w), np.float32), np.zeros((h, w), np.int8)) for _ in range(2))
    for plane in planes:
        activity = _activity(plane)
        padded = np.pad(plane, _REACH, mode="symmetric")
        for top in range(0, h, _BAND):
            rows = slice(top, min(top + _BAND, h))
            band = padded[top : rows.stop + 2 * _REACH]
            for direction in range(_DIRECTIONS):
                for ridge, lines in zip(_ridges(band, direction), both, strict=True):
                    ridge /= activity[rows]
                    better = ridge > lines.strength[rows]
                    np.copyto(lines.strength[rows], ridge, where=better)
                    np.copyto(lines.direction[rows], np.int8(direction), where=better)
    return both[0], both[1]


def _ridges(band: Plane, direction: int) -> tuple[Plane, Plane]:
    """How far lines of one direction are brighter than what is beside them, and how far darker.

    Args:
        band: rows of the picture, with a margin on all sides.
        direction: its number.
    """
    angle = np.pi * direction / _DIRECTIONS
    along = np.array([np.sin(angle), np.cos(angle)])
    across = np.array([along[1], -along[0]])
    along /= np.abs(along).max()  # a step of one pixel along the rows or the columns
    segment = _shifted(band, -_HALF * along, _HALF).copy()
    for i in range(1 - _HALF, _HALF + 1):
        segment += _shifted(band, i * along, _HALF)
    segment /= 2 * _HALF + 1
    margin = max(_BESIDE)
    sides = [_shifted(segment, s * n * across, margin) for n in _BESIDE for s in (-1, 1)]
    high = np.maximum(np.maximum(sides[0], sides[1]), np.maximum(sides[2], sides[3]))
    low = np.minimum(np.minimum(sides[0], sides[1]), np.minimum(sides[2], sides[3]))
    middle = _shifted(segment, 0 * along, margin)
    uneven = np.float32(_UNEVEN) * (high - low)
    return _two_of_three(middle - high - uneven, along), _two_of_three(low - middle - uneven, along)


def _two_of_three(ridge: Plane, along: Float[np.ndarray, " 2"]) -> Plane:
    """The median of a segment and the two that it continues: a scratch may end, or be crossed."""
    step, margin = (2 * _HALF + 1) * along, 2 * _HALF + 2
    a, b, c = (_shifted(ridge, n * step, margin) for n in (-1, 0, 1))
    return np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))


def _shifted(plane: Plane, by: Float[np.ndarray, " 2"], margin: int) -> Plane:
    """A view of the plane without a margin, moved by some pixels."""
    y, x = (round(float(n)) for n in by)
    h, w = plane.shape
    return plane[margin + y : h - margin + y, margin + x : w - margin + x]


def _activity(plane: Plane) -> Plane:
    """How much values differ around each pixel, noise and texture; what is thin counts little."""
    from scipy import ndimage

    rough = np.abs(plane - ndimage.uniform_filter(plane, 9))
    return _usual(rough, 0.5, (3, 7)) + np.float32(_FLOOR)


def _usual(values: Plane, share: float, around: tuple[int, ...]) -> Plane:
    """What a share of the values around each pixel is below: in most blocks of its neighbourhood.

    Args:
        values: of any range.
        share: of the values of a block.
        around: sides of neighbourhoods, in blocks; the largest of what they give counts.
    """
    from scipy import ndimage

    h, w = values.shape
    values = np.pad(values, [(0, -n % _BLOCK) for n in (h, w)], mode="symmetric")
    blocks = values.reshape(values.shape[0] // _BLOCK, _BLOCK, -1, _BLOCK).swapaxes(1, 2)
    usual = np.quantile(blocks.reshape(*blocks.shape[:2], -1), share, axis=2).astype(np.float32)
    coarse = np.maximum.reduce([ndimage.median_filter(usual, n, mode="nearest") for n in around])
    return ndimage.zoom(coarse, _BLOCK, order=1, mode="nearest", grid_mode=True)[:h, :w]


def _scratches(lines: _Lines, sensitivity: float) -> Mask:
    """Pixels of lines that are long or strong."""
    at = np.nonzero(lines.strength > _WEAK)
    found = np.zeros(lines.strength.shape, bool)
    if at[0].size == 0:
        return found
    label = _linked(at, lines)
    strength = _mean(label, lines.strength[at])
    length, thickness = _sizes(label, *(n.astype(np.float64) for n in at))
    clear = length * np.sqrt(strength) / np.maximum(thickness, _THIN) ** _BENT
    long = length > _at(_LONG, sensitivity)
    found[at] = (long & (clear > _at(_CLEAR_LINE, sensitivity)))[label]
    return found


def _at(threshold: tuple[float, float, float], sensitivity: float) -> float:
    """A threshold at a sensitivity."""
    return float(np.interp(sensitivity, (0, 0.5, 1), threshold))


def _linked(at: tuple[Int[np.ndarray, " n"], ...], lines: _Lines) -> Int[np.ndarray, " n"]:
    """The number of the line of each pixel: those near it with about the same direction have it."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = at[0].size
    number = np.full([side + 2 * _LINKED for side in lines.strength.shape], -1, np.int32)
    y, x = at[0] + _LINKED, at[1] + _LINKED
    number[y, x] = np.arange(n, dtype=np.int32)
    direction = lines.direction[at].astype(np.int32)
    ones, others = [], []
    for dy in range(_LINKED + 1):
        for dx in range(-_LINKED, _LINKED + 1):
            if (dy, dx) <= (0, 0):  # the other half of the neighbours has this one
                continue
            other = number[y + dy, x + dx]
            one = np.flatnonzero(other >= 0)
            other = other[one]
            turn = np.abs(direction[one] - direction[other])
            alike = np.minimum(turn, _DIRECTIONS - turn) <= 1
            ones.append(one[alike])
            others.append(other[alike])
    pairs = np.concatenate(ones), np.concatenate(others)
    graph = coo_array((np.ones(pairs[0].size, np.int8), pairs), (n, n))
    return connected_components(graph, directed=False)[1]


def _mean(label: Int[np.ndarray, " n"], values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " k"]:
    return np.bincount(label, values) / np.bincount(label)


def _sizes(
    label: Int[np.ndarray, " n"], y: Float[np.ndarray, " n"], x: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """The length and thickness of each line, in pixels: of the bar that has the same moments."""
    y, x = y - _mean(label, y)[label], x - _mean(label, x)[label]
    yy, xx, xy = _mean(label, y * y), _mean(label, x * x), _mean(label, x * y)
    middle, half = (yy + xx) / 2, np.sqrt((yy - xx) ** 2 / 4 + xy**2)
    return np.sqrt(12 * (middle + half)) + 1, np.sqrt(12 * np.maximum(middle - half, 0)) + 1


class _Peaks(NamedTuple):
    """How far pixels stand out of windows, as bright ones or as dark ones.

    Attributes:
        height: above the brightest of the windows' darkest values, or the opposite.
        clear: the same, less what these values differ around it.
    """

    height: Plane
    clear: Plane


def _peaks(values: Float[np.ndarray, "h w c"]) -> tuple[_Peaks, _Peaks]:
    """Bright ones and dark ones, each of the channel in which it stands out the most."""
    from scipy import ndimage

    h, w, channels = values.shape
    both = tuple(_Peaks(*(np.zeros((h, w), np.float32) for _ in range(2))) for _ in range(2))
    for k in range(channels):
        for sign, peaks in zip((1, -1), both, strict=True):
            plane = np.float32(sign) * values[..., k]
            ground = ndimage.grey_opening(plane, (_SPECK, _SPECK))
            height = plane - ground
            np.maximum(peaks.height, height, out=peaks.height)
            uneven = ndimage.maximum_filter(ground, _SPECK) - ndimage.minimum_filter(ground, _SPECK)
            height -= np.float32(_SLOPING) * uneven
            np.maximum(peaks.clear, height, out=peaks.clear)
    return both[0], both[1]


def _widened(found: Mask, height: Plane) -> Mask:
    """Lines as wide as they are and no longer: what is as far from the rest as they mostly are."""
    from scipy import ndimage

    share = found.astype(np.float32)
    total = share * height

    def usual(size: int) -> Plane:
        count = ndimage.uniform_filter(share, size)
        return ndimage.uniform_filter(total, size) / np.maximum(count, np.float32(0.1 / size**2))

    around = usual(_FAR)
    ends = usual(5) < np.float32(_WIDE) * around
    wide = ndimage.binary_dilation(found, _SQUARE) & (height > np.float32(_WIDE) * around)
    return (found & ~ends) | wide


def _dust(peaks: _Peaks, scratches: Mask, sensitivity: float) -> Mask:
    """Specks that are small and compact, clear of all that is around, and alone."""
    from scipy import ndimage

    strength = peaks.clear / (_usual(peaks.height, 0.9, (3,)) + np.float32(_FLOOR))
    seen = (strength > _SEEN) & ~ndimage.binary_dilation(scratches, _SQUARE, iterations=2)
    label, n = ndimage.label(seen, _SQUARE)
    if n == 0:
        return seen
    area = np.bincount(label.ravel())[1:]
    boxes = ndimage.find_objects(label)
    start, stop = np.array([[(s.start, s.stop) for s in box] for box in boxes]).transpose(2, 1, 0)
    side = stop - start
    small = (area >= _LEAST) & (side.max(axis=0) < _SPECK)
    compact = area > _COMPACT * side.prod(axis=0)
    around = ndimage.uniform_filter(seen.astype(np.float32), _ALONE, mode="constant")
    alone = around[tuple((start + stop) // 2)] - area / _ALONE**2 < _OTHERS
    top = ndimage.maximum(strength, label, np.arange(1, n + 1))
    good = small & compact & alone & (top > _at(_CLEAR_SPECK, sensitivity))
    return np.concatenate([[False], good])[label]
