"""The hyper-parameters of one fit."""

import dataclasses

from dip_jax.networks.network import Architecture


@dataclasses.dataclass(frozen=True)
class FitSettings:
    """The hyper-parameters of one fit.

    Attributes:
        architecture: the network.
        input_kind: "noise" or "meshgrid"; see `inputs.network_input`.
        input_depth: channels d of `z`.
        input_scale: upper end of the uniform distribution of `z`.
        input_noise: standard deviation s of the noise that every step adds to `z`.
        learning_rate: of the optimiser.
        schedule: how it changes, one of `learning_rate.SCHEDULES`.
        peak: the highest learning rate of a schedule that changes it, in units of the above.
        rise: share of the steps in which a schedule that rises does so, in (0, 1).
        average: weight a of the past in the moving average of the outputs, in [0, 1).
        average_share: lower limit of the mean age of the averaged outputs, as a share s of the
            steps made, in [0, 0.5]: 0 leaves the length to `average`, 0.5 is the mean of all.
        heldout_share: share of the known values that are held out, in [0, 1).
        heldout_block: side of what is held out together, in values.
        heldout_per_channel: whether each channel has its own held-out values.
        jump: rise of the data term over its recent average, in dB, that counts as falling apart.
        snapshot_every: steps between the states that a failed fit goes back to.
        max_failures: failures in a row that end the fit.
        heldout_kind: what is held out together, one of `observation.KINDS`.
        precision: of the network's convolutions and of what is kept between them, one of
            `PRECISIONS`; "tf32" makes a difference on accelerators alone. float16 rounds as finely
            as TF32 and takes as long as bfloat16. Weights, norms and data term are float32 whatever
            it is.
        optimiser: one of `optimisers.OPTIMISERS`.
        remat: whether activations are computed again for the gradient in place of being kept.
    """

    architecture: Architecture
    input_kind: str
    input_depth: int
    input_scale: float
    input_noise: float
    learning_rate: float
    average: float
    average_share: float
    heldout_share: float
    heldout_block: int
    heldout_per_channel: bool
    jump: float
    snapshot_every: int
    max_failures: int
    heldout_kind: str = "squares"
    schedule: str = "constant"
    peak: float = 1.0
    rise: float = 0.2
    precision: str = "float32"
    optimiser: str = "adam"
    remat: bool = False


PRECISIONS = ("float32", "tf32", "float16", "bfloat16")
