"""Contact sheets of `quality`: a crop of every picture, clean, degraded and by each method."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_gradient_magnitude, uniform_filter

from benchmarks.quality.figures import Entry
from benchmarks.quality.plan import Picture
from dip_jax.report.comparison import comparison

LIMIT = 400_000  # bytes of a sheet
ROWS = 4


def sheet(
    pictures: Sequence[tuple[Picture, Sequence[Entry], Mapping[str, NDArray[Any]]]],
) -> tuple[bytes, int]:
    """The sheet of a suite as PNG, and the side of its crops.

    Args:
        pictures: with the entries of each and its images, by `method|image`; the first `ROWS` are
            shown.
    """
    for side in (96, 80, 64, 48, 32):
        rows = [comparison(panels(*picture, side)) for picture in pictures[:ROWS]]
        width = max(row.width for row in rows)
        canvas = Image.new("RGB", (width, sum(row.height for row in rows)), "white")
        top = 0
        for row in rows:
            canvas.paste(row, (0, top))
            top += row.height
        file = io.BytesIO()
        canvas.save(file, "PNG", optimize=True)
        if file.tell() < LIMIT:
            break
    return file.getvalue(), side


def panels(
    picture: Picture, entries: Sequence[Entry], images: Mapping[str, NDArray[Any]], side: int
) -> list[tuple[str, NDArray[Any]]]:
    """The crops of one picture, each with its name and PSNR over the whole picture."""
    place = window(picture, side)
    found = [(f"{picture.name}", picture.clean[place])]
    for e in shown(entries):
        x = picture.y if e["method"] == "degraded" else images[f"{e['method']}|{e['image']}"]
        found.append((f"{e['method']}\n{e['psnr']:.2f} dB", x[place].astype(np.float32)))
    return found


def shown(entries: Sequence[Entry]) -> list[Entry]:
    """Of the kinds of a method's images one, and of the ensembles the smallest and the largest."""
    kinds = {"", "result", "average"}
    own = [e for e in entries if e["method"].startswith("dip_jax") and e["image"] == "result"]
    others = [e for e in entries if e["image"] in kinds and not e["method"].startswith("dip_jax")]
    return others + own[:1] + own[1:][-1:]


def window(picture: Picture, side: int) -> tuple[slice, slice]:
    """Where there is most to see: the most detail, in the masked tasks of what is filled."""
    grey = picture.clean.mean(axis=2)
    detail = gaussian_gradient_magnitude(grey, 1.0)
    if picture.fill is not None:
        detail = detail * picture.fill
    h, w = grey.shape
    height, width = min(side, h), min(side, w)
    # The mean over a window, at its middle; only windows that lie inside.
    mean = uniform_filter(detail, (height, width), mode="constant")
    inside = mean[
        height // 2 : height // 2 + h - height + 1, width // 2 : width // 2 + w - width + 1
    ]
    i, j = np.unravel_index(int(np.argmax(inside)), inside.shape)
    return slice(int(i), int(i) + height), slice(int(j), int(j) + width)
