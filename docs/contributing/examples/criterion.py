"""A stopping criterion: as soon as the held-out PSNR is good enough."""

import jax.numpy as jnp

from dip_jax.fit.criteria import Criterion, Judgement


def good_enough(*, patience: int, wanted: float = 25.0) -> Criterion:
    """Stops when the moving average has a held-out PSNR that is wanted.

    Args:
        patience: not used; it is there so that all criteria are made alike.
        wanted: in dB.
    """
    del patience

    def init(lane):
        del lane
        return jnp.int32(0)  # its own state: the steps that were good enough

    def update(count, view):
        out, avg = view.psnr_heldout
        count = count + (avg >= wanted).astype(count.dtype)
        return count, Judgement(out, avg, count > 0)

    return Criterion(init, update, f"good_enough {wanted}")
