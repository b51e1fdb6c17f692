"""What a mask marks: the pixels of any picture, drawn in whatever way, as white and black.

A mask has two values, and greys between them only where its edges are soft or JPEG has blurred
them. What is anything else, such as a photograph given in its place, is refused and not guessed at.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray

from dip_jax.errors import InputError, field, setting

_BETWEEN = (0.1, 0.9)  # of the way from black to white: what is further in is no clear value
# How many pixels may be in between. A page full of the smallest text with soft edges has 23 of 100
# there, photographs more than 60.
_MOST_BETWEEN = 0.3
# Times the white or the black ones, whichever are fewer: soft lines of a pixel's width have 2,
# photographs of the night sky 5 and more, thin lines in colours that JPEG has lost in part 3.
_MOST_OF_FEWER = 4.0
_MOST_OF_FEWER_IN_COLOURS = 2.5
_FEW_COLOURS = 8
_FEWEST_GREYS = 64  # from the least value to the greatest: what has fewer steps counts something
_LEAST_BACKGROUND = 0.01  # of the pixels


class Mask(NamedTuple):
    """What is marked.

    Attributes:
        fill: True where it is: `(h, w)`, or `(h, w, c)` for every value by itself.
        remarks: what of it was not plain, and how it was taken, in a line each.
        found: what its values are, for a message; it ends in a semicolon and a space.
    """

    fill: Bool[np.ndarray, "*shape"]
    remarks: tuple[str, ...] = ()
    found: str = ""

    def with_polarity(self, polarity: str) -> "Mask":
        """Itself, or for the polarity "keep" its opposite."""
        return self if polarity == "fill" else self._replace(fill=~self.fill)


def check_polarity(polarity: str) -> None:
    """Refuses a polarity that is none.

    Raises:
        InputError: it is neither "fill" nor "keep".
    """
    if polarity not in ("fill", "keep"):
        raise InputError(
            field("mask_polarity"),
            f" is {polarity!r}; expected 'fill' (white, or true, is filled) or 'keep' (it is "
            "kept): use one of the two",
        )


def check_mask(mask: Mask, name: str = "the mask") -> None:
    """Refuses a mask that fills nothing or everything.

    Args:
        mask: with its polarity.
        name: what the message calls it.

    Raises:
        InputError: `fill` is False everywhere, or True everywhere.
    """
    if not mask.fill.any():
        raise InputError(
            f"{name} fills nothing; {mask.found}expected at least one pixel to fill: mark what is "
            "to be filled"
        )
    if mask.fill.all():
        raise InputError(
            f"{name} fills everything; {mask.found}expected at least one known pixel: mark only "
            "what is to be filled"
        )


def of_picture(
    pixels: NDArray[Any],
    alpha: NDArray[Any] | None,
    polarity: str = "fill",
    name: str = "the mask",
) -> Mask:
    """What a picture marks as a mask.

    - Of two values the greater is white, whatever they are. Of more, black is the least and white
      the greatest, and a pixel is white if it is above their middle.
    - In colours, what differs from the background is white. The background is black, where there is
      black; else white, where there is white; else the commonest colour.
    - Where the alpha varies, and what is opaque has one colour, the alpha is the mask. Where both
      vary, what is transparent is black.

    Args:
        pixels: `(h, w)` or `(h, w, 3)`, of any real dtype.
        alpha: `(h, w)`, or None.
        polarity: "fill", or "keep" for a mask of which the opposite is to be filled.
        name: what a message calls it.

    Raises:
        InputError: it has a value that is not finite, more than two labels, too many greys, or most
            of it is opaque, and to be filled, and that is less likely than the opposite.
    """
    return _of_picture(pixels, alpha, polarity, name).with_polarity(polarity)


def _of_picture(pixels: NDArray[Any], alpha: NDArray[Any] | None, polarity: str, name: str) -> Mask:
    _check_finite(pixels, name)
    if alpha is not None and _span(alpha) > 0.1 * _top(alpha):
        opaque = alpha > alpha.max() / 2
        inside = pixels[opaque].reshape(int(opaque.sum()), -1)
        spread = inside.max(axis=0).astype(float) - inside.min(axis=0)
        if spread.max() <= 0.1 * _top(pixels):
            return _of_alpha(alpha, polarity, name)
        shown = np.where(opaque if pixels.ndim == 2 else opaque[..., None], pixels, pixels.min())
        try:
            mask = _of_colours(shown, name)
        except InputError as error:
            more = "; if it is the picture, whose alpha tells what to fill, leave the mask out"
            raise InputError(*error.args, more) from None
        both = (
            f"{name} has colours and an alpha that both vary: what is transparent in it counts as "
            "its darkest value"
        )
        return mask._replace(remarks=(both, *mask.remarks))
    return _of_colours(pixels, name)


def of_alpha(alpha: NDArray[Any], polarity: str = "fill", name: str = "the picture") -> Mask:
    """What the alpha of a picture marks in it: what is wholly transparent is to be filled.

    Args:
        alpha: `(h, w)` of any real dtype.
        polarity: "fill"; there is no white that another could be about.
        name: what a message calls the picture.

    Raises:
        InputError: nothing is wholly transparent, or all is, or the polarity is another.
    """
    check_polarity(polarity)
    fill = alpha == 0
    if not fill.any() or fill.all():
        seen = "nowhere wholly transparent" if not fill.any() else "transparent everywhere"
        raise InputError(
            f"{name} is {seen}, so that its alpha does not tell what to fill; expected ",
            field("mask"),
            ", a picture of the same size that is white where the picture is to be filled: give it",
        )
    if polarity != "fill":
        raise InputError(
            field("mask_polarity"),
            f" is {polarity!r}, but there is no mask: the alpha of {name} tells what to fill; "
            "expected 'fill': leave it out",
        )
    share = f"{100 * fill.mean():.1f}%"
    remark = (
        f"the alpha of {name} is the mask: what is wholly transparent ({share}) is filled, and the "
        "result is opaque"
    )
    return Mask(fill, (remark,), f"its alpha is 0 in {share}; ")


def about_share(fill: NDArray[np.bool_]) -> str:
    """How much a mask fills, in words."""
    return f"the mask fills {100 * fill.mean():.1f}% of the picture"


def about_hidden(
    fill: NDArray[np.bool_], alpha: NDArray[Any] | None, name: str = "the picture"
) -> tuple[str, ...]:
    """A remark if what a mask fills is not seen, as it is wholly transparent; or none.

    Args:
        fill: `(h, w)`, or `(h, w, c)`.
        alpha: of the picture, `(h, w)`; or None.
        name: what the remark calls the picture.
    """
    if alpha is None:
        return ()
    filled = fill if fill.ndim == 2 else fill.any(axis=2)
    share = (alpha[filled] == 0).mean() if filled.any() else 0
    if not share:
        return ()
    return (
        f"{name} is wholly transparent in {100 * share:.1f}% of what the mask fills, and stays so: "
        "without a mask its alpha tells what to fill, and the result is opaque",
    )


def of_values(values: NDArray[Any], name: str = "the mask") -> Mask:
    """What single values mark: white is True; see `of_picture`.

    Args:
        values: of any shape and real dtype.
        name: what a message calls them.

    Raises:
        InputError: as `of_picture`.
    """
    _check_finite(values, name)
    if values.dtype.kind == "b":
        alike = bool(values.all()) or not values.any()
        return Mask(values, found=f"its only value is {bool(values.flat[0])}; " if alike else "")
    levels = np.unique(values)
    low, high = levels[0].item(), levels[-1].item()
    if len(levels) == 1:
        return Mask(values > 0, found=f"its only value is {low:g}; ")
    found = f"its values are {low:g} and {high:g}; "
    if len(levels) == 2:
        remarks: tuple[str, ...] = ()
        if low != 0 or high not in (1, 255, 65535, _top(values)):
            remarks = (f"the values of {name} are {low:g} and {high:g}: {high:g} is white",)
        return Mask(values == high, remarks, found)
    if high > 1 and high - low < _FEWEST_GREYS and (levels == np.rint(levels)).all():
        few = ", ".join(f"{level:g}" for level in levels[:4].tolist()) + ", ..." * (len(levels) > 4)
        raise InputError(
            f"{name} has {len(levels)} different values, {few}; expected two: if they are labels, "
            f"make a mask of the one that is to be filled, such as mask == {high:g}"
        )
    return Mask(_above_middle(values, name), found=f"its values go from {low:g} to {high:g}; ")


def _of_alpha(alpha: NDArray[Any], polarity: str, name: str) -> Mask:
    mask = of_values(alpha, f"the alpha of {name}")
    share = f"{100 * mask.fill.mean():.1f}%"
    keep = setting("mask_polarity", "keep")
    if polarity == "fill" and mask.fill.mean() > 0.5:
        raise InputError(
            f"{name} has one colour and is opaque in {share}; expected strokes on transparency, "
            "less than half: if what is transparent is to be filled, say ",
            keep,
            "; if what is opaque is, put it on black first",
        )
    remark = f"{name} is painted on transparency in one colour: it marks what is opaque ({share})"
    return mask._replace(remarks=(remark, *mask.remarks))


def _of_colours(pixels: NDArray[Any], name: str) -> Mask:
    if pixels.ndim == 2:
        return of_values(pixels, name)
    span = _span(pixels)
    colours = pixels.astype(np.float32)
    if (colours.max(axis=2) - colours.min(axis=2)).max() <= 0.1 * span:
        if (pixels == pixels[..., :1]).all():
            return of_values(pixels[..., 0], name)
        return of_values(colours.mean(axis=2), name)  # what JPEG has left of grey
    scaled = (colours - colours.min()) / np.float32(span)
    codes = np.rint(255 * scaled).astype(np.int32) @ np.array([65536, 256, 1], np.int32)
    kinds, counts = np.unique(codes, return_counts=True)
    background = _background(kinds, counts)
    shown = _colour(pixels, codes == background)
    if len(kinds) == 1:
        return Mask(np.ones(codes.shape, bool), found=f"its only colour is {shown}; ")
    if len(kinds) <= _FEW_COLOURS:
        white = codes != background
    else:
        away = np.abs(scaled - scaled[codes == background][0]).max(axis=2)
        white = _above_middle(away, name, _MOST_OF_FEWER_IN_COLOURS)
    other = _colour(pixels, white) if white.any() else "nothing"
    remark = (
        f"{name} is painted in colours: it marks what is not {shown}, such as {other} "
        f"({100 * white.mean():.1f}%)"
    )
    return Mask(white, (remark,), f"its background is {shown}; ")


def _background(kinds: NDArray[Any], counts: NDArray[Any]) -> int:
    """Which of the colours, as numbers of 24 bits, is not painted."""
    channels = np.stack([kinds >> 16, kinds >> 8 & 255, kinds & 255])
    black, white = channels.max(axis=0) <= 25, channels.min(axis=0) >= 230
    for which in (black, white):
        if counts[which].sum() >= _LEAST_BACKGROUND * counts.sum():
            return int(kinds[which][np.argmax(counts[which])])
    return int(kinds[np.argmax(counts)])


def _colour(pixels: NDArray[Any], where: NDArray[np.bool_]) -> str:
    """The commonest colour there, in the picture's own values, among the first ones."""
    colours, counts = np.unique(pixels[where][:10000], axis=0, return_counts=True)
    return "(" + ", ".join(f"{value:g}" for value in colours[np.argmax(counts)].tolist()) + ")"


def _above_middle(
    values: NDArray[Any], name: str, most_of_fewer: float = _MOST_OF_FEWER
) -> NDArray[np.bool_]:
    """Which values are above the middle of their range, if most are near its ends."""
    low, high = float(values.min()), float(values.max())
    x = (values.astype(np.float64) - low) / (high - low)
    between = (x > _BETWEEN[0]) & (x < _BETWEEN[1])
    white = x > 0.5
    share = between.mean()
    if share > min(_MOST_BETWEEN, most_of_fewer * min(white.mean(), 1 - white.mean())):
        raise InputError(
            f"{name} has {100 * share:.0f}% of its pixels between black and white; expected two "
            "values, and others at soft edges alone: was the picture given in its place? Else "
            "compare it with a threshold first, such as mask > 127"
        )
    if values.ndim == 2 and _flat(values, between).sum() > between.sum() / 2:
        level = values[_flat(values, between)][0]
        raise InputError(
            f"{name} has areas of {level:g} between its least value {low:g} and its greatest "
            f"{high:g}; expected two values, and others at soft edges alone: say what {level:g} is "
            f"to be, such as mask > {(low + high) / 2:g}"
        )
    return white


def _flat(values: NDArray[Any], between: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of the pixels between equal their four neighbours, as within an area of one value."""
    flat = np.zeros_like(between)
    inner = values[1:-1, 1:-1]
    around = (values[:-2, 1:-1], values[2:, 1:-1], values[1:-1, :-2], values[1:-1, 2:])
    flat[1:-1, 1:-1] = between[1:-1, 1:-1] & np.logical_and.reduce([inner == n for n in around])
    return flat


def _check_finite(values: NDArray[Any], name: str) -> None:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError(
            f"{name} has NaN or infinite values; expected two values, such as 0 and 1: "
            "make it black and white, such as np.isnan(mask)"
        )


def _span(values: NDArray[Any]) -> float:
    return float(values.max()) - float(values.min())


def _top(values: NDArray[Any]) -> float:
    """White: that of 8 and 16 bits, of bool and of floats in [0, 1]; else the greatest value."""
    if values.dtype in (np.uint8, np.uint16):
        return float(np.iinfo(values.dtype).max)
    return max(1.0, float(values.max()))
