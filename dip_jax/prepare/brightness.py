"""Does the noise of a picture grow with its brightness, as that of few photons and speckle does?

In a small window the mixed second differences have the variance of the noise, and texture only adds
to it. So of all windows of about the same brightness, the quietest say how strong the noise is
there; how strong it is as a function of brightness `u` is fitted to them: `σ²(u) = a + b·u + c·u²`
with `a` of the electronics, `b` of photons and `c` of speckle.

The numbers were chosen on the photographs of `samples.SAMPLES` and three others, 96 to 128 pixels
wide: clean, with even noise of 3 to 50 (of 255), speckle of 0.1 and 0.25, and Poisson noise of 20
to 1000 photons. Of even noise, the strongest was at most 1.26 times the weakest. Among 630 pictures
that were not used for that, of the literature, at three sizes and with even noise of 0 to 25, there
were 20 with a sign of it, all with a noise of 10 or less: texture that is stronger where it is
brighter, or the camera's own.

Source of the model: Foi, Trimeche, Katkovnik, Egiazarian, "Practical Poissonian-Gaussian Noise
Modeling and Fitting for Single-Image Raw-Data", IEEE TIP 17 (2008), equation 4, with `c·u²` added.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from dip_jax.prepare.noise_level import second_differences, second_differences_known

_WINDOW = 7  # side in pixels of what noise is measured in
_QUIETEST = 0.15  # the share of the windows of one brightness that is looked at
_BINS, _PER_BIN = 8, 20
_CLIPPED = 0.02  # the share of the values of a window that may be clipped
_CLEAR = 1.35  # least strongest noise, of the weakest
_STRONG = 4 / 255  # least strongest noise; below, it may be texture
_MISFIT = 0.35  # the largest of the model, root mean square of the variance's relative error
_FLOOR = 0.05  # least noise of the model, of its strongest
_ROUNDING = 0.4 / 255
_AT_ONCE = 2**20  # pixels that are looked at


@dataclasses.dataclass(frozen=True)
class NoiseByBrightness:
    """The variance `a + b·u + c·u²` of the noise at a brightness `u` in [0, 1].

    Attributes:
        constant: a.
        linear: b.
        quadratic: c.
        weakest: the deviation at the darkest that was seen.
        strongest: the deviation at the brightest that was seen.
    """

    constant: float
    linear: float
    quadratic: float
    weakest: float
    strongest: float

    def deviation(self, u: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """That of the noise, never quite 0."""
        return np.maximum(self._model(u), max(_FLOOR * self._model(np.ones(1))[0], _ROUNDING))

    def _model(self, u: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        return np.sqrt(self.constant + self.linear * u + self.quadratic * u * u)


def noise_by_brightness(
    y: Float[np.ndarray, "h w c"], noisy: Bool[np.ndarray, "h w c"]
) -> NoiseByBrightness | None:
    """How the noise grows with the brightness, the same in all channels; None if it does not.

    Args:
        y: the picture; finite where it is noisy.
        noisy: False where a value is unknown or has no noise.
    """
    from scipy.optimize import nnls

    levels = _levels(y, noisy)
    if levels is None:
        return None
    u, variance = levels
    terms = np.stack([np.ones_like(u), u, u * u], axis=1)
    weights = 1 / np.maximum(variance, 1e-12)
    (a, b, c), _ = nnls(terms * weights[:, None], variance * weights)
    model = terms @ (a, b, c)
    misfit = float(np.sqrt(np.mean((variance / np.maximum(model, 1e-12) - 1) ** 2)))
    found = NoiseByBrightness(
        float(a), float(b), float(c), float(np.sqrt(model[0])), float(np.sqrt(model[-1]))
    )
    clear = found.strongest > _CLEAR * found.weakest and found.strongest > _STRONG
    return found if clear and misfit < _MISFIT else None


def _levels(y, noisy) -> tuple[np.ndarray, np.ndarray] | None:
    """The mean brightness and the mean squared second difference of the quietest windows."""
    count = max(0, (y.shape[0] - _WINDOW + 1) // 2)  # windows one below the other
    found = []
    band = max(_WINDOW, _AT_ONCE // (2 * y.shape[1]))
    for first in range(0, count, band):  # a large picture has no room for all in one go
        rows = slice(2 * first, 2 * min(first + band, count) + _WINDOW - 1)
        good, brightness, energy = _windows(y[rows], noisy[rows])
        found.append((brightness[good], energy[good]))
    if not found:
        return None
    brightness, energy = (np.concatenate(one) for one in zip(*found, strict=True))
    if brightness.size < _BINS * _PER_BIN:
        return None
    levels = []
    for some in np.array_split(np.argsort(brightness, kind="stable"), _BINS):
        quiet = some[energy[some] <= np.quantile(energy[some], _QUIETEST)]
        levels.append((brightness[quiet].mean(), energy[quiet].mean()))
    u, variance = np.array(levels).T
    return u, variance


def _windows(y, noisy) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether a window counts, its mean brightness, and its mean squared second difference."""
    from scipy.ndimage import uniform_filter

    usable = noisy & (y > 0) & (y < 1)
    whole = second_differences_known(usable)
    differences = np.where(whole, second_differences(np.where(noisy, y, 0)), 0)
    value = np.where(noisy, y, 0)
    mean = (value[1:, 1:] + value[1:, :-1] + value[:-1, 1:] + value[:-1, :-1]) / 4

    def windows(values):
        size = (_WINDOW, _WINDOW, 1)
        half = _WINDOW // 2
        return uniform_filter(values.astype(np.float64), size)[half:-half:2, half:-half:2]

    return windows(whole) > 1 - 4 * _CLIPPED, windows(mean), windows(np.square(differences))
