"""The scale on which the values of a picture are fitted.

A network sees values in [0, 1], and takes the noise for equally strong in all of them. The values
of a picture may fill a small part of that only, and their noise may grow with their brightness. A
`Tone` leads from the one scale to the other, value by value, and back.

Source: Anscombe, "The transformation of Poisson, binomial and negative-binomial data", Biometrika
35 (1948), for other noise the integral of one over its deviation (Bartlett, "The use of
transformations", Biometrics 3 (1947), section 2); the way back, which leaves no bias, as in
Mäkitalo, Foi, "Optimal inversion of the generalized Anscombe transformation for Poisson-Gaussian
noise", IEEE TIP 22 (2013), equation 4.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Values = Float[np.ndarray, "*shape"]
Table = Float[np.ndarray, " n"]

_STEPS = 4096
_NODES = 41  # of the quadrature over the noise


@dataclasses.dataclass(frozen=True, eq=False)
class Tone:
    """A rising function from the values of a picture, in [0, 1], to those that are fitted.

    Attributes:
        values: of the picture, rising.
        fitted: what each becomes, from 0 to 1.
        means: of what each becomes with noise around it; rising.
    """

    values: Table
    fitted: Table
    means: Table

    @property
    def is_straight(self) -> bool:
        """Whether it changes the contrast alone, and so no noise's strength against another's."""
        return self.means is self.fitted

    def to_fitted(self, y: Values) -> Float[np.ndarray, "*shape"]:
        """The fitted values of a picture; what is not finite stays so, the rest is in [0, 1]."""
        y = np.asarray(y, np.float64)
        return np.where(np.isfinite(y), np.interp(y, self.values, self.fitted), y).astype(
            np.float32
        )

    def of_clean(self, clean: Values) -> Float[np.ndarray, "*shape"]:
        """What a fit comes to if it finds the clean picture: the means of the noisy values."""
        return np.interp(clean, self.values, self.means).astype(np.float32)

    def to_picture(self, x: Values) -> Float[np.ndarray, "*shape"]:
        """The values of a picture that an image stands for: the inverse of `of_clean`."""
        return np.interp(x, self.means, self.values).astype(np.float32)

    def spread(self, x: Values, deviation: Values) -> Float[np.ndarray, "*shape"]:
        """A deviation around the image `x`, in values of the picture."""
        return np.abs(self.to_picture(x + deviation) - self.to_picture(x - deviation)) / 2


def tone(
    low: float,
    high: float,
    noise: Callable[[Table], Table] | None = None,
    extremes: tuple[float, float] | None = None,
) -> Tone:
    """The tone of a picture.

    Args:
        low: the value that becomes 0.
        high: the value that becomes 1.
        noise: the deviation of the noise of a value, above 0; None if it is the same for all.
        extremes: the least and the greatest value of the scale of the picture, beyond which noise
            is clipped; by default 0 and 1.
    """
    values = np.linspace(low, high, _STEPS + 1)
    if noise is None:
        fitted = np.linspace(0.0, 1.0, values.size)
        return Tone(values, fitted, fitted)
    rate = 1 / noise(values)
    steps = (rate[1:] + rate[:-1]) / 2
    fitted = np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum()
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    first, last = extremes or (0.0, 1.0)
    noisy = np.clip(values[:, None] + noise(values)[:, None] * nodes, first, last)
    means = np.interp(noisy, values, fitted) @ (weights / weights.sum())
    # A hair's breadth apart, so that there is a way back everywhere.
    means = np.maximum.accumulate(means) + 1e-9 * np.arange(values.size)
    return Tone(values, fitted, means)
