"""What a network costs: arithmetic, and the values that its gradient keeps."""

from typing import NamedTuple


class Cost(NamedTuple):
    """Of one pass through a network, for one picture.

    Attributes:
        multiply_adds: forwards; a step of a fit is three of them.
        feature_values: of the feature maps that the gradient needs, about.
    """

    multiply_adds: int
    feature_values: int
