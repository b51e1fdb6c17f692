"""What stays while one picture is fitted with one seed."""

from typing import Any, NamedTuple

from jaxtyping import Array, Float, Int

from dip_jax.forward.model import PICTURE, Forward, Measured


class Lane(NamedTuple):
    """What is fitted: constant through the run. Padded to the network's size.

    Attributes:
        z: the network's input, `(H, W, d)`.
        y: the degraded image, `(H, W, c)`; or what was measured, which is not padded.
        fit: 1 where a value enters the data term.
        held: 1 where a value is known but held out.
        inside: 1 inside the picture, 0 in the padding, `(H, W, 1)`.
        true: the clean image, or None.
        num_steps: the steps that the schedule of the learning rate is for.
        forward: how `y` came about.
    """

    z: Float[Array, "H W d"]
    y: Any
    fit: Any
    held: Any
    inside: Float[Array, "H W 1"]
    true: Float[Array, "H W c"] | None
    num_steps: Int[Array, ""]
    forward: Forward = PICTURE

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the output, `(H, W, c)`."""
        if isinstance(self.forward, Measured):
            h, w, _ = self.inside.shape
            return h, w, self.forward.shape[2]
        return self.y.shape
