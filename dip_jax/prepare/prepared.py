"""The one beginning of arrays and of files: from pixels to what is fitted, and what to say of it.

    pixels in [0, 1] -> less stripes -> on the scale on which they are fitted -> noise as it was
    before it was clipped -> what is known

A fit takes the noise for white, centred and equally strong everywhere, and the picture for one that
fills its scale. Where a picture is otherwise and that can be seen in it, it is made so. Images are
`(h, w, c)`.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from dip_jax.errors import setting, told
from dip_jax.forward.observation import Observation, observe
from dip_jax.pictures.arrays import Layout
from dip_jax.prepare.brightness import noise_by_brightness
from dip_jax.prepare.clipping import unclipped
from dip_jax.prepare.contrast import range_filled, range_of_most
from dip_jax.prepare.correlated_noise import has_blocks
from dip_jax.prepare.still import still
from dip_jax.prepare.stripes import Stripes, stripes
from dip_jax.prepare.tone import Tone, tone

Image = Float[np.ndarray, "h w c"]
Known = Bool[np.ndarray, "h w c"]

_WORTH_A_WORD = 0.005  # share of the picture


@dataclasses.dataclass(frozen=True)
class Adapting:
    """What a picture is looked at for; `settings.adapting` makes it of a configuration.

    Attributes:
        contrast: whether one that fills little of its scale is fitted at full contrast.
        brightness: whether noise that grows with brightness is fitted where it is even.
        stripes: whether offsets of columns and rows are taken out.
        still: whether regions without noise are kept as they are.
        clipping: whether noise that is clipped at the ends of the scale is made up for.
    """

    contrast: bool = True
    brightness: bool = True
    stripes: bool = True
    still: bool = True
    clipping: bool = True


NOTHING = Adapting(False, False, False, False, False)


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """What is fitted.

    Attributes:
        observation: of the picture, on the scale on which it is fitted, as arrays of JAX or
            NumPy; beyond [0, 1] where noise was clipped.
        tone: that scale; None if it is the picture's own.
        still: pixels without noise that are kept as they are, `(h, w)`, and unknown to the
            observation; None if there are none.
        striped: along which axes it had stripes, as `stripes.Stripes.axis`.
        remarks: what a person should know of that, a line each.
        warnings: those of the remarks of which a person has to know.
        ends: on that scale, the least and the greatest value of each channel that the picture can
            have, infinite where it has none; None for all.
    """

    observation: Observation
    tone: Tone | None = None
    still: Bool[np.ndarray, "h w"] | None = None
    striped: tuple[int, ...] = ()
    remarks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    ends: tuple[Float[np.ndarray, " c"], Float[np.ndarray, " c"]] | None = None

    def of_clean(self, clean: Image | None) -> Image | None:
        """A clean picture on the scale on which it is fitted."""
        return clean if self.tone is None or clean is None else self.tone.of_clean(clean)

    def to_picture(self, x: Image) -> Image:
        """An image of a fit on the picture's own scale, in [0, 1]."""
        x = x if self.ends is None else np.clip(x, *self.ends)
        return x if self.tone is None else self.tone.to_picture(x)

    def part(self, place: tuple[slice, slice]) -> "Prepared":
        """What is fitted of some rows and columns, as a picture of its own."""
        y, known, forward = self.observation
        return dataclasses.replace(
            self,
            observation=Observation(y[place], known[place], forward),
            still=None if self.still is None else self.still[place],
        )


def prepare(
    y: Image,
    fill: Bool[np.ndarray, "h w"] | Bool[np.ndarray, "h w c"] | None,
    layout: Layout,
    how: Adapting,
    *,
    on_device: bool = True,
) -> Prepared:
    """Looks at a picture, and makes of it what is fitted.

    Args:
        y: the picture in [0, 1]; what is not finite is unknown.
        fill: True where it is to be filled; None where nothing is, as in denoising.
        layout: of its pixels, for what is said.
        how: it is looked at. Of a picture that is to be filled it is the contrast only.
        on_device: as for `observe`.
    """
    finite = np.isfinite(y)
    known = finite if fill is None else finite & ~(fill if fill.ndim == 3 else fill[..., None])
    noisy_picture = fill is None
    remarks: list[str] = []
    warnings: list[str] = []
    striped: list[int] = []
    if missing := int(y.size - finite.sum()):
        remarks.append(about_missing(missing))
    without_noise = np.zeros(y.shape, bool)
    if noisy_picture and how.still and not has_blocks(y):
        without_noise = still(y)
    kept = np.asarray(without_noise.all(axis=2))
    if kept.mean() > _WORTH_A_WORD:
        remarks.append(_about_still(float(kept.mean())))
    if noisy_picture and how.stripes:
        for axis in (1, 0):
            found = stripes(y, known & ~without_noise & (y > 0) & (y < 1), axis)
            if found is not None:
                y = np.where(finite, np.clip(y - found.image(), 0, 1), y)
                warnings.append(_about_stripes(found, layout))
                striped.append(axis)
    scale = _scale(y, known, known & ~without_noise, layout, how, noisy_picture, remarks)
    if scale is None and how.contrast and layout.data_range is None and known.any():
        most = range_of_most(y, known)
        if most is not None:
            warnings.append(_about_few(most, layout))
    fitted = y if scale is None else scale.to_fitted(y)
    ends = None
    even = scale is None or scale.is_straight
    if noisy_picture and how.clipping and even and not striped:
        clipped = unclipped(fitted, known & ~without_noise)
        if clipped is not None:
            fitted, ends = clipped.y, (clipped.low, clipped.high)
            if clipped.share > _WORTH_A_WORD:
                remarks.append(_about_clipping(clipped.share))
    observation, _ = observe(fitted, kept if kept.any() else fill, on_device=on_device)
    return Prepared(
        observation,
        scale,
        kept if kept.any() else None,
        tuple(striped),
        (*remarks, *warnings),
        tuple(warnings),
        ends,
    )


def _scale(
    y: Image,
    known: Known,
    noisy: Known,
    layout: Layout,
    how: Adapting,
    noisy_picture: bool,
    remarks: list[str],
) -> Tone | None:
    """The scale on which a picture is fitted; None if it is its own."""
    if not known.any():
        return None
    # A range that a person has given rules.
    filled = range_filled(y, known) if how.contrast and layout.data_range is None else None
    low, high = filled or (0.0, 1.0)
    if filled is not None:
        remarks.append(_about_contrast(y, known, layout))
    noise = None
    if noisy_picture and how.brightness:
        scaled = y if filled is None else ((y - low) / (high - low)).clip(0, 1)
        noise = noise_by_brightness(scaled, noisy)
    if noise is None:
        return None if filled is None else tone(low, high)
    width = high - low
    remarks.append(
        "the noise grows with brightness, from a deviation of "
        f"{_number(noise.weakest * width * layout.width)} to "
        f"{_number(noise.strongest * width * layout.width)}: the picture is fitted on a scale on "
        "which it is even"
    )

    def deviation(values):
        return width * noise.deviation((values - low) / width)

    # On that scale too it should fill what there is.
    low, high = range_filled(y, known, np.inf) or (low, high)
    return tone(low, high, deviation)


def about_missing(count: int) -> str:
    """What is said of so many values that are not finite."""
    return f"{count} values are NaN or infinite: taken as unknown"


def _about_still(share: float) -> str:
    return (
        f"{100 * share:.0f}% of the picture has regions of one value, and so no noise: they stay "
        "as they are, and count for nothing"
    )


def _about_clipping(share: float) -> str:
    return (
        f"noise is cut off at the ends of the scale, in {100 * share:.0f}% of the values: what "
        "that does to their mean is made up for"
    )


def _about_stripes(found: Stripes, layout: Layout) -> str:
    return told(
        f"every {'column' if found.axis else 'row'} has an offset of its own, of a deviation of "
        f"{_number(found.deviation * layout.width)}: the offsets are estimated and taken out; ",
        setting("adapt.stripes", False),
        " leaves them",
    )


def _about_contrast(y: Image, known: Known, layout: Layout) -> str:
    least, most = (float(f(y[known])) * layout.width for f in (np.min, np.max))
    return (
        f"the values fill {_number(least)} to {_number(most)} of 0 to {_number(layout.width)}: "
        "they are fitted at full contrast"
    )


def _about_few(most: tuple[float, float], layout: Layout) -> str:
    low, high = (_number(value * layout.width) for value in most)
    return (
        f"all but a few values are from {low} to {high} of 0 to {_number(layout.width)}, and the "
        "others keep the picture from being fitted at full contrast: clip them, if they are wrong"
    )


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 999.5 else f"{value:.0f}"
