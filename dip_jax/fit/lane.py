"""What stays while one picture is fitted with one seed."""

from typing import NamedTuple

from jaxtyping import Array, Float, Int


class Lane(NamedTuple):
    """What is fitted: constant through the run. Padded to the network's size.

    Attributes:
        z: the network's input, `(H, W, d)`.
        y: the degraded image, `(H, W, c)`.
        fit: 1 where a value enters the data term.
        held: 1 where a value is known but held out.
        inside: 1 inside the picture, 0 in the padding, `(H, W, 1)`.
        true: the clean image, or None.
        num_steps: the steps that the schedule of the learning rate is for.
    """

    z: Float[Array, "H W d"]
    y: Float[Array, "H W c"]
    fit: Float[Array, "H W k"]
    held: Float[Array, "H W k"]
    inside: Float[Array, "H W 1"]
    true: Float[Array, "H W c"] | None
    num_steps: Int[Array, ""]
