"""What every step of a fit changes.

Everything that a step changes is in `LaneState`, so that a checkpoint of it is the whole run. The
weights, and what an optimiser has of each, are one vector; see `vectors`.
"""

from typing import Any, NamedTuple

from jaxtyping import Array, Float, Int

OUT, AVG = 0, 1
RUNNING, STOPPED, DIVERGED = 0, 1, 2


class Best(NamedTuple):
    """The best image so far.

    Attributes:
        score: by the stopping criterion; minus infinity before the first choice.
        step: the step that it comes from, counted from 1.
        kind: OUT if it is the output of that step, AVG if it is the moving average.
        x: the image chosen, `(H, W, c)`.
        x_out: the output of that step.
        x_avg: the moving average at that step.
        params: the weights that gave `x_out`.
    """

    score: Float[Array, ""]
    step: Int[Array, ""]
    kind: Int[Array, ""]
    x: Float[Array, "H W c"]
    x_out: Float[Array, "H W c"]
    x_avg: Float[Array, "H W c"]
    params: Float[Array, " n"]


class Snapshot(NamedTuple):
    """The last state that was known to be good, to go back to.

    `since` is the step that the next one is counted from: that of the snapshot, or of the failure
    that has gone back to it.
    """

    since: Int[Array, ""]
    params: Float[Array, " n"]
    opt_state: Any
    x_avg: Float[Array, "H W c"]
    avg_length: Float[Array, ""]
    loss_avg: Float[Array, ""]


class Oracle(NamedTuple):
    """The highest `psnr_true` so far and its step, of the output and of the moving average."""

    psnr_out: Float[Array, ""]
    step_out: Int[Array, ""]
    psnr_avg: Float[Array, ""]
    step_avg: Int[Array, ""]


class LaneState(NamedTuple):
    """All that a step changes.

    Attributes:
        step: how many steps have been made.
        key: the PRNG key that each step's noise is derived from.
        params: the weights θ.
        opt_state: of Adam.
        x_out: the output of the last step.
        x_avg: the moving average of the outputs.
        avg_length: one over the weight of the newest output in the average: 0 before the first, 1
            at the first; see `_average`.
        loss_avg: the recent average of the data term.
        best: the best image so far.
        criterion: the stopping criterion's own state.
        oracle: the best `psnr_true`; None where there is no clean image.
        snapshot: the state to go back to when the fit falls apart.
        failures: failures in a row.
        rollbacks: failures since the start.
        status: RUNNING, STOPPED (by the criterion) or DIVERGED (too many failures).
    """

    step: Int[Array, ""]
    key: Array
    params: Float[Array, " n"]
    opt_state: Any
    x_out: Float[Array, "H W c"]
    x_avg: Float[Array, "H W c"]
    avg_length: Float[Array, ""]
    loss_avg: Float[Array, ""]
    best: Best
    criterion: Any
    oracle: Oracle | None
    snapshot: Snapshot
    failures: Int[Array, ""]
    rollbacks: Int[Array, ""]
    status: Int[Array, ""]


class StepInfo(NamedTuple):
    """What a step reports: the data term, and PSNRs in dB (NaN where they do not apply)."""

    loss: Float[Array, ""]
    psnr_heldout_out: Float[Array, ""]
    psnr_heldout_avg: Float[Array, ""]
    psnr_true_out: Float[Array, ""]
    psnr_true_avg: Float[Array, ""]
    psnr_observed_out: Float[Array, ""]
    psnr_observed_avg: Float[Array, ""]
