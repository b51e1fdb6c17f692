"""Pictures side by side, each with its label."""

import math
import os
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dip_jax.errors import InputError
from dip_jax.files import write_atomically

PANEL_PIXELS = 224  # a picture whose longer side is shorter than this is enlarged
COLUMN_PIXELS = 160  # the narrowest column that still has room for a label
Font = ImageFont.ImageFont | ImageFont.FreeTypeFont


def write_picture(path: str | os.PathLike[str], picture: Image.Image) -> None:
    """Write `picture` (of `comparison` or `plots.curves`) as PNG, atomically."""
    write_atomically(path, lambda file: picture.save(file, format="PNG"))


def comparison(panels: Sequence[tuple[str, np.ndarray]]) -> Image.Image:
    """The panels side by side on white, each with its label above, as an RGB picture.

    A panel is `(label, image)`, image `(h, w, c)` in [0, 1], c = 1 or 3; values outside are
    clipped. Pixels are shown as they are, rounded to 8 bits; a small image is enlarged by a whole
    factor, pixel by pixel. A label wraps, and shrinks if need be, to stay within its panel.
    Raises `InputError` if there are no panels or an image has another shape.
    """
    if not panels:
        raise InputError("a comparison has no panels; expected at least one (label, image)")
    pictures = [_enlarged(_to_uint8(image, label)) for label, image in panels]
    columns = [max(picture.width, COLUMN_PIXELS) for picture in pictures]

    gap = max(12, min(columns) // 24)
    font_size = int(np.clip(min(columns) / 15, 14, 64))
    labels = [
        _fit_label(label, column, font_size)
        for (label, _), column in zip(panels, columns, strict=True)
    ]
    head = max(height for _, _, height in labels)

    top = gap + head + font_size // 2
    width = sum(columns) + gap * (len(columns) + 1)
    canvas = Image.new("RGB", (width, top + max(p.height for p in pictures) + gap), "white")
    draw = ImageDraw.Draw(canvas)
    left = gap
    for picture, column, (text, font, height) in zip(pictures, columns, labels, strict=True):
        centre = left + column / 2
        label_at = (centre, gap + head - height)
        draw.multiline_text(label_at, text, "black", font, anchor="ma", align="center")
        corner = (left + (column - picture.width) // 2, top)
        end = (corner[0] + picture.width, corner[1] + picture.height)
        draw.rectangle((corner[0] - 1, corner[1] - 1, *end), outline="#BBBBBB")
        canvas.paste(picture, corner)
        left += column + gap
    return canvas


def _to_uint8(image: np.ndarray, label: str) -> np.ndarray:
    """An image `(h, w, c)` in [0, 1] as uint8 `(h, w, 3)`."""
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] not in (1, 3) or 0 in image.shape:
        raise InputError(
            f"panel {label!r} has shape {image.shape}; expected (h, w, 1) or (h, w, 3)"
        )
    values = np.clip(np.nan_to_num(image.astype(np.float64)), 0.0, 1.0)
    bytes_ = np.round(values * 255.0).astype(np.uint8)
    return np.broadcast_to(bytes_, (*image.shape[:2], 3))


def _enlarged(pixels: np.ndarray) -> Image.Image:
    factor = math.ceil(PANEL_PIXELS / max(pixels.shape[:2]))
    return Image.fromarray(np.ascontiguousarray(pixels.repeat(factor, 0).repeat(factor, 1)))


def _fit_label(label: str, width: int, font_size: int) -> tuple[str, Font, int]:
    """The label in lines no wider than `width` pixels, its font, and its height in pixels."""
    for size in range(font_size, 9, -1):
        font = ImageFont.load_default(size)
        text = _wrapped(label, width, font)
        if text.count("\n") < 2 and _text_size(text, font)[0] <= width:
            break
    while _text_size(text, font)[0] > width or text.count("\n") > 2:
        label = label[:-1]
        text = _wrapped(label + "...", width, font)
    return text, font, _text_size(text, font)[1]


def _wrapped(label: str, width: int, font: Font) -> str:
    lines: list[str] = []
    for word in label.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _text_size(longer, font)[0] <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


def _text_size(text: str, font: Font) -> tuple[int, int]:
    """Width and height in pixels; the height counts descenders so that labels share a baseline."""
    lines = text.split("\n")
    width = math.ceil(max(font.getlength(line) for line in lines))
    draw = ImageDraw.Draw(Image.new("L", (1, 1)))
    height = draw.multiline_textbbox((0, 0), "\n".join(["Ag"] * len(lines)), font, anchor="la")[3]
    return width, math.ceil(height)
