"""A picture divided into parts, each of which is prepared when its turn comes.

Squares around damage are prepared as if they were pictures of their own, so that of a large picture
with little to fill nothing but its pixels need be in memory. Tiles are cut from the picture as it
was prepared as a whole: its scale, its stripes and the regions without noise are found once.
"""

import dataclasses
import functools
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray

from dip_jax.pictures.arrays import Layout
from dip_jax.pictures.values import to_float
from dip_jax.prepare.parts import Part, Plan, reduced
from dip_jax.prepare.prepared import Adapting, Image, Prepared, prepare


@dataclasses.dataclass(frozen=True, eq=False)
class Division:
    """A picture, and which parts of it are fitted.

    Attributes:
        plan: the parts.
        before: the picture as it was given.
        layout: of it.
        fill: True where it is to be filled, `(h, w)` or `(h, w, c)`; None in denoising.
        how: it is looked at.
        whole: what is made of all of it, where its tiles are fitted; else None.
        said: where it is None, what a person should know of the picture, a line each.
        smooth: squares around damage that are not fitted: the picture is so smooth there that it is
            continued by a surface (`finish.smooth_filling.continued`).
        alone: parts that are not fitted because they are refined alone (`finish.alone`).
    """

    plan: Plan
    before: NDArray[Any]
    layout: Layout
    fill: NDArray[np.bool_] | None
    how: Adapting
    whole: Prepared | None = None
    said: tuple[str, ...] = ()
    smooth: tuple[Part, ...] = ()
    alone: tuple[Part, ...] = ()

    @functools.cached_property
    def pixels(self) -> NDArray[Any]:
        """The picture as given, `(h, w, c)`."""
        return self.layout.channels_last(self.before)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the picture, `(h, w, c)`."""
        h, w, c = self.pixels.shape
        return h, w, c

    @property
    def unfitted(self) -> tuple[Part, ...]:
        """The parts that are made with no network."""
        return self.alone + self.smooth

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should know of how the picture has been taken, a line each."""
        return self.said if self.whole is None else self.whole.remarks

    @property
    def warnings(self) -> tuple[str, ...]:
        """Those of the remarks of which a person has to know."""
        return () if self.whole is None else self.whole.warnings

    def image(self, part: Part) -> Image:
        """The picture in a part's place, in [0, 1]."""
        return to_float(self.pixels[part.place], self.layout.data_range, checked=True)

    def fill_of(self, part: Part) -> Bool[np.ndarray, "h w k"]:
        """True where a part's values are to be filled, or are not finite."""
        return unknown_values(self.pixels[part.place], self._fill(part))

    def unknown(self, part: Part) -> Bool[np.ndarray, "h w"] | None:
        """Where a part has something to fill; None in denoising."""
        if self.fill is None:
            return None
        unknown: Bool[np.ndarray, "h w"] = np.asarray(self.fill_of(part).any(axis=2))
        return unknown

    def to_make(self, part: Part, *, keep_known: bool) -> Bool[np.ndarray, "h w"]:
        """Where a part makes the picture: what it fills, or all of it but other parts' holes.

        Args:
            part: which it is.
            keep_known: whether known pixels stay as they are.
        """
        unknown = self.unknown(part) if keep_known else None
        if unknown is None:
            unknown = np.ones((part.height, part.width), bool)
        return self.plan.filled_by(part, unknown)

    def prepared(self, part: Part) -> Prepared:
        """What is fitted of a part."""
        if self.whole is not None and part.reduced == 1:
            return self.whole.part(part.place)
        y, fill = self.image(part), self._fill(part)
        if part.reduced > 1:
            y, fill = reduced(y, self.fill_of(part), part.reduced)
            fill = fill if fill.shape[2] > 1 else fill[..., 0]
        return prepare(y, fill, self.layout, self.how)

    def clean(self, part: Part, clean: Image | None) -> Image | None:
        """The clean picture in a part's place, of its size; on its own scale."""
        if clean is None or part.reduced == 1:
            return None if clean is None else clean[part.place]
        image = clean[part.place]
        return reduced(image, np.zeros((*image.shape[:2], 1), bool), part.reduced)[0]

    def _fill(self, part: Part) -> NDArray[np.bool_] | None:
        return None if self.fill is None else self.fill[part.place]


def unknown_values(
    pixels: NDArray[Any], fill: NDArray[np.bool_] | None
) -> Bool[np.ndarray, "h w k"]:
    """True where values are to be filled or not finite, for all channels (k = 1) or each.

    Args:
        pixels: `(h, w, c)`.
        fill: `(h, w)` or `(h, w, c)`; None for nothing.
    """
    unknown: Bool[np.ndarray, "h w k"] = np.zeros((*pixels.shape[:2], 1), bool)
    if fill is not None:
        unknown = fill[..., None] if fill.ndim == 2 else fill
    if pixels.dtype.kind == "f" and not (finite := np.isfinite(pixels)).all():
        unknown = unknown | ~finite
    return unknown
